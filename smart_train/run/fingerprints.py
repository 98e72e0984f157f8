"""What a run is made of, by content: its rows, their pictures and videos, and the model that it starts from.

`run.json` keeps a digest of each, so that a run whose data or base were replaced under the same names is not continued
as if nothing had happened. `contents.json` beside it keeps a digest of every row and file, to name what was replaced.
A digest of the files alone was rejected: rows come from many formats, and the same rows in another file are the same.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from smart_train.data.formats.pdf import page_cache
from smart_train.data.keys import default_id, is_default_id
from smart_train.inputs.fetching import URL_SCHEMES
from smart_train.inputs.images import image_key
from smart_train.inputs.video import video_key
from smart_train.models import token_projection
from smart_train.models.bases import weights_digest
from smart_train.models.locating import fetch, locate
from smart_train.models.peft import ADAPTER_WEIGHTS
from smart_train.models.reading import read_json
from smart_train.models.sentence_transformers_files import LIMITS, MODULES, SETTINGS, module_folders
from smart_train.recipe import Recipe
from smart_train.run.build_rows import more_documents
from smart_train.run.start_adapter import start_folder
from smart_train.types import Example, ModelInput
from smart_train.utils.atomic import write_json
from smart_train.utils.hashing import sha256, stable_hash

CONTENTS_FILE = "contents.json"
BASE, ADAPTER = "model.name_or_path", "lora.init_from"  # keys of a recipe that name weights
_NAMED = 3  # rows and files that a message names
_TEXTS, _MEDIA = 0, 1  # the columns of a row's digests
# What a model is read from beside its weights. Others in its folder (cards, logs, parity records) change nothing.
_MODEL_FILES = (
    "config.json",
    "smart_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "sentencepiece.bpe.model",
    "spiece.model",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "added_tokens.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    "chat_template.json",
    "processor_config.json",
    "preprocessor_config.json",
    "video_preprocessor_config.json",
    "adapter_config.json",
    ADAPTER_WEIGHTS,
)
_WEIGHTS = "weights"  # their name among the digests: however many files they are in
_CODE = ".py"  # ends what a model is computed by, where it brings a class of its own and is trusted
# The same, which records of earlier versions lack.
_LATER_FILES = (MODULES, SETTINGS, LIMITS, token_projection.CONFIG_NAME, token_projection.WEIGHTS_NAME)


class Contents:
    """The digests of what a run reads now; empty until `read` and `read_models`.

    Attributes:
        rows: part of the data -> int64 [rows, 2], a digest of each row's texts and one of its pictures and videos.
        files: path of a picture or video -> its digest.
        models: key of the recipe -> name -> digest: of the model's weights, and of its small files by their names.
        media: whether pictures and videos were read.
        ids: digest of the ids of all rows in order; a run of version 0.1.0 has no other.
    """

    def __init__(self) -> None:
        self.ids = ""
        self.rows: dict[str, np.ndarray] = {}
        self.files: dict[str, int] = {}
        self.models: dict[str, dict[str, str]] = {}
        self.media = True
        self._parts: dict[str, Sequence[Example]] = {}
        self._folders: dict[str, Path] = {}
        self._weights: dict[str, str] = {}  # key of the recipe -> the name of its weights among the digests
        self._rendered = page_cache()

    def read(self, recipe: Recipe, parts: Mapping[str, Sequence[Example]], *, media: bool = True) -> None:
        """Takes the digests of the rows in `parts`, and of the documents that held-out rows are ranked against.

        Args:
            media: False: of a run that is finished, whose pictures need not even be there.

        Raises:
            DataError: a picture or video, or a collection of documents, cannot be read.
        """
        self.media = media
        ids = hashlib.blake2b(digest_size=16)
        for name, rows in parts.items():
            self._parts[f"data.{name}"] = rows
            ids.update(str(len(rows)).encode())
            row_digests = []
            for row in rows:
                ids.update("\0".join((row.query_id, *row.document_ids)).encode())
                row_digests.append(self._of_row(row))
            self.rows[f"data.{name}"] = _table(row_digests)
        self.ids = ids.hexdigest()
        for name, section in recipe.data.held_out.items() if media else ():
            others = more_documents(section, section.corpus)
            self.rows[f"data.{name}.corpus"] = _table([self._of_document(*document) for document in others])

    def read_models(self, recipe: Recipe) -> None:
        """Takes the digests of the model that the recipe starts from, and of the adapter that it trains on. Reads all
        weights, about a gigabyte a second and core.

        Raises:
            ModelError: one of them cannot be found or read.
        """
        drawn = recipe.model.from_config is not None  # its weights are the run's own
        base = locate(recipe.model.name_or_path, recipe.model.revision, weights=not drawn)
        adapter = start_folder(recipe)
        self._folders = {BASE: base} | ({} if adapter is None else {ADAPTER: adapter})
        self._weights = ({} if drawn else {BASE: _WEIGHTS}) | {ADAPTER: ADAPTER_WEIGHTS}
        self.models = {name: _of_model(folder) for name, folder in self._folders.items()}
        if recipe.model.trust_remote_code:
            self.models[BASE] |= _of_code(base)

    @property
    def summary(self) -> dict[str, dict[str, Any]]:
        """For `run.json`: a part's rows and digests, a model's digests."""
        return {name: _summed(table) for name, table in self.rows.items()} | self.models

    def save(self, run: Path) -> None:
        """Writes the digests of all rows and files into the folder `run`."""
        rows = {name: base64.b64encode(table.tobytes()).decode("ascii") for name, table in self.rows.items()}
        # By their paths from the run: a folder that holds both may move.
        files = {os.path.relpath(name, run): _hex(key) for name, key in self.files.items()}
        write_json(run / CONTENTS_FILE, {"rows": rows, "files": files})

    def differences(self, run: Path, saved: Mapping[str, Any], moved: Collection[str] = ()) -> list[str]:
        """What of this is not what the run in the folder `run` began with, a line each.

        Args:
            saved: the `summary` that its `run.json` holds. What it does not hold is not compared, unless it moved.
            moved: keys of the recipe that name another place than the run began with. Of a model there nothing is
                known but its content, so a file that only one of the two has is a difference.
        """
        lines = []
        rows, files = _kept(run)
        replaced = {
            name for name, key in self.files.items() if files.get(os.path.relpath(name, run), _hex(key)) != _hex(key)
        }
        for name, table in self.rows.items():
            if name in saved and not self._same(saved[name], _summed(table)):
                lines += self._of_part(name, saved[name], table, rows.get(name), replaced)
        for name, digests in self.models.items():
            lines += self._of_weights(name, saved.get(name, {}), digests, moved=name in moved)
        return lines

    def _of_weights(self, name: str, before: Mapping[str, str], now: Mapping[str, str], *, moved: bool) -> list[str]:
        """How the model that the key `name` names differs, in a line.

        Args:
            before, now: its digests. What is not among `before` is a difference only where it `moved`: a record of an
                earlier version has fewer files, or none.
        """
        weights = self._weights.get(name) if moved else None
        changed = [f"{weights} (missing there)"] if weights not in {None, *before, *now} else []
        for file in (*now, *(file for file in before if file not in now)):
            if file not in now:
                changed.append(f"{file} (missing there)")
            elif file not in before and moved:
                changed.append(f"{file} (not in the record of the run)")
            elif before.get(file, now[file]) != now[file]:
                changed.append(file)
        if not changed:
            return []
        line = f"{name}: {self._folders[name]} holds other content: {', '.join(changed)}"
        if moved and any(_is_later(file) and file not in before for file in now):
            line += (
                ". Earlier versions did not record all of these files; a run of theirs goes on with the model in its "
                "old place, or with a link there"
            )
        return [line]

    def _same(self, before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
        keys = ("rows", "texts", "media") if self.media else ("rows", "texts")
        return all(before.get(key) == now[key] for key in keys)

    def _of_part(
        self,
        name: str,
        saved: Mapping[str, Any],
        now: np.ndarray,
        before: np.ndarray | None,
        replaced: set[str],
    ) -> list[str]:
        """How the part `name` differs, a line for each of its sources.

        Args:
            now, before: int64 [rows, 2]; `before` None where the run's record of it is lost.
            replaced: paths of pictures and videos whose content is another one.
        """
        if len(now) != saved.get("rows"):
            return [f"{name}: {len(now)} rows, and the run began with {saved.get('rows')}"]
        if before is None or before.shape != now.shape:
            return [f"{name}: its rows, or their pictures, are not those of the run"]
        columns = [_TEXTS, _MEDIA] if self.media else [_TEXTS]
        differs = now[:, columns] != before[:, columns]
        places = np.flatnonzero(differs.any(axis=1))
        if sorted(map(tuple, now[:, columns].tolist())) == sorted(map(tuple, before[:, columns].tolist())):
            return [f"{name}: the same {len(now)} rows in another order"]
        examples = self._parts.get(name)
        if examples is None:
            return [f"{name}: {len(places)} of {len(now)} documents differ{self._among(sorted(replaced))}"]
        by_source: dict[str, list[str]] = defaultdict(list)
        for place in map(int, places):
            example = examples[place]
            by_source[example.source].append(self._told(example, bool(differs[place, 0]), replaced))
        return [
            f"{name}: {len(differing)} of {len(now)} rows differ in {source}: "
            + "; ".join(differing[:_NAMED])
            + (f"; and {len(differing) - _NAMED} more" if len(differing) > _NAMED else "")
            for source, differing in by_source.items()
        ]

    def _told(self, example: Example, texts: bool, replaced: set[str]) -> str:
        names = {name for item in _items(example) for name in map(_path, _media(item)) if name in replaced}
        what = "its text or ids" if texts else f"a picture or video{self._among(sorted(filter(None, names)))}"
        return f"row {example.row} ({what})"

    def _among(self, names: Sequence[str]) -> str:
        """`: a.png, b.png and 2 more`; empty where no file is known to have changed."""
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        return f": {', '.join(names[:_NAMED])}{more}" if names else ""

    def _of_row(self, example: Example) -> tuple[int, int]:
        items = _items(example)
        ids = [
            self._given(identity, item)
            for identity, item in zip((example.query_id, *example.document_ids), items, strict=True)
        ]
        words = [(item.text, item.instruction) for item in items]
        content = repr((ids, words, example.scores, example.task, example.grade))
        return _hash(content), self._of_media(items)

    def _of_document(self, identity: str, document: ModelInput) -> tuple[int, int]:
        content = repr((self._given(identity, document), document.text, document.instruction))
        return _hash(content), self._of_media([document])

    def _given(self, identity: str, item: ModelInput) -> str | None:
        """The id that a row gives; None for one that is made of the content, which changes with a picture."""
        if not is_default_id(identity) or any(self._is_rendered(media) for media in _media(item)):
            return identity
        return None if identity == default_id(item) else identity

    def _of_media(self, items: Sequence[ModelInput]) -> int:
        keys = [self._key(media) for item in items for media in _media(item)] if self.media else []
        return _hash(repr(keys)) if keys else 0

    def _key(self, media: Any) -> int:
        name = _path(media)
        if name is not None and self._is_rendered(name):
            # Its folder is called after the content of the PDF file and the resolution. Drawn again by another version
            # of the renderer, its bytes may differ.
            return _hash(os.path.relpath(name, self._rendered))
        # The video of an item comes as a tuple of one, so that a list of frames is told from several images.
        key = video_key(media[0]) if isinstance(media, tuple) else image_key(media)
        if name is not None:
            self.files[name] = key
        return key

    def _is_rendered(self, media: Any) -> bool:
        name = _path(media)
        return name is not None and Path(name).is_relative_to(self._rendered)


def _items(example: Example) -> list[ModelInput]:
    return [example.query, *example.documents]


def _media(item: ModelInput) -> list[Any]:
    """The images of an item; its video as a tuple of one."""
    return [*item.images, *([] if item.video is None else [(item.video,)])]


def _path(media: Any) -> str | None:
    """The absolute path of a picture or video that is a file; None for others."""
    reference = media[0] if isinstance(media, tuple) else media
    if not isinstance(reference, (str, os.PathLike)):
        return None
    name = os.fspath(reference)
    return None if name.startswith((*URL_SCHEMES, "data:")) else os.path.abspath(name)


def _of_model(folder: Path) -> dict[str, str]:
    weights = weights_digest(folder)
    of_modules = [f"{module}/{name}" for module in module_folders(folder) for name in ("config.json", LIMITS)]
    names = (*_MODEL_FILES, *_LATER_FILES, *of_modules)
    digests = {name: sha256(folder / name) for name in names if (folder / name).is_file()}
    return ({} if weights is None else {_WEIGHTS: weights}) | digests


def _of_code(folder: Path) -> dict[str, str]:
    """Of the Python files that the model in `folder` runs, its own and those of repositories that its config.json takes
    classes from. Of all that lie there: which of them a class imports is found out by transformers alone."""
    classes = (read_json(folder / "config.json") or {}).get("auto_map")
    named = classes.values() if isinstance(classes, Mapping) else ()
    elsewhere = {name.partition("--")[0] for name in named if isinstance(name, str) and "--" in name}
    places = {"": folder} | {f"{name}--": fetch(name, weights=False) for name in sorted(elsewhere)}
    return {
        f"{place}{file.name}": sha256(file) for place, code in places.items() for file in sorted(code.glob(f"*{_CODE}"))
    }


def _is_later(name: str) -> bool:
    return name in _LATER_FILES or "/" in name or name.endswith(_CODE)


def _table(rows: Sequence[tuple[int, int]]) -> np.ndarray:
    return np.array(rows, dtype=np.int64).reshape(len(rows), 2)


def _summed(table: np.ndarray) -> dict[str, Any]:
    texts, media = (_hex(stable_hash(table[:, place].tobytes())) for place in (_TEXTS, _MEDIA))
    return {"rows": len(table), "texts": texts, "media": media}


def _kept(run: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """What `save` wrote; nothing where that is lost or damaged: `run.json` says whether anything differs, and this
    only what."""
    try:
        values = json.loads((run / CONTENTS_FILE).read_text(encoding="utf-8"))
        rows = {
            name: np.frombuffer(base64.b64decode(text), dtype=np.int64).reshape(-1, 2)
            for name, text in values["rows"].items()
        }
        return rows, {str(name): str(key) for name, key in values["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}, {}


def _hash(text: str) -> int:
    return stable_hash(text.encode("utf-8", "surrogatepass"))


def _hex(key: int) -> str:
    return f"{key % 2**64:016x}"
