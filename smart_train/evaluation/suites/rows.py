"""Queries and documents of an mteb task as inputs of a model: read when they are encoded, known by their content.

The rules for what a row says are mteb's own: a document is its title and its text; of a query, the instruction that
some tasks give follows its text; a column that the task does not count among the modalities of that side is left out.
Two more columns are read, for tasks that are not mteb's: `model_instruction`, which the model is given in place of its
own, and `video`, paths of frames.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from smart_train.errors import DataError
from smart_train.inputs.images import verify_image
from smart_train.types import ModelInput

if TYPE_CHECKING:
    from datasets import Dataset

Side = Literal["query", "document"]
_READS = ("text", "image", "video")
# In which an input is written; each with the modality that it belongs to, None for any.
_COLUMNS = {"title": "text", "text": "text", "instruction": "text", "image": "image", "video": "video",
            "model_instruction": None}  # fmt: skip
_SHOWN = 3


@dataclass(frozen=True)
class Rows:
    """The queries or documents of a task.

    Attributes:
        where: what messages about them begin with: the task, its subset and split.
        ids: one for each row, all different.
        key: a digest of what all rows say, in order. Sets of one content have one key, whatever their ids: the six
            query languages of a ViDoRe v3 task share one corpus, which is encoded once.
    """

    where: str
    side: Side
    ids: list[str]
    key: str
    _dataset: Dataset
    _columns: tuple[str, ...]
    _instruction: str | None

    def __len__(self) -> int:
        return len(self.ids)

    def inputs(self, places: Sequence[int]) -> list[ModelInput]:
        """The rows at `places`, images as the encoded bytes that the data set holds, videos as paths of frames."""
        return [_input(row, self.side, self._columns, self._instruction) for row in self._dataset.select(places)]

    def unreadable(self, places: Sequence[int]) -> str | None:
        """Which of the rows at `places` holds an image that cannot be decoded, and why; None where all can."""
        for place, item in zip(places, self.inputs(places), strict=True):
            try:
                for image in (*item.images, *(item.video or ())):
                    verify_image(image)
            except DataError as error:
                return f"{self.where}: {self.side} {self.ids[place]!r}: {error}"
        return None


def read_rows(
    dataset: Dataset, side: Side, modalities: Sequence[str], where: str, instruction: str | None = None
) -> Rows:
    """`dataset`, columns id and those of `_COLUMNS`, as `Rows`; reads all of it once, decodes no image.

    Args:
        modalities: those of this side of the task, as mteb says.
        where: what messages begin with.
        instruction: given to the model in place of its own; None leaves the model's.

    Raises:
        DataError: no rows, an id that comes twice, a modality or a column that no input can be made of.
    """
    others = [name for name in modalities if name not in _READS]
    if others:
        raise DataError(f"{where}: its {side} side holds {', '.join(others)}; benchmarks read text, images and videos")
    if not len(dataset):
        raise DataError(f"{where}: there is no {side}; at least one is needed")
    columns = tuple(
        name
        for name, modality in _COLUMNS.items()
        if name in dataset.column_names and (modality is None or modality in modalities)
    )
    if not {*_READS} & set(columns):
        raise DataError(
            f"{where}: its {side} side has columns {', '.join(dataset.column_names)}, none of which is one of "
            f"{', '.join(modalities)}"
        )
    ids = [str(identity) for identity in dataset["id"]]
    twice = [identity for identity, count in Counter(ids).items() if count > 1]
    if twice:
        shown = ", ".join(map(repr, twice[:_SHOWN]))
        raise DataError(f"{where}: {len(twice)} {side} ids come more than once ({shown}); each must be unique")
    undecoded = _undecoded(dataset, columns, where).select_columns(["id", *columns])
    digest = hashlib.blake2b(f"{side} {instruction}".encode(), digest_size=16)
    for row in undecoded:
        item = _input(row, side, columns, instruction)
        for part in _contents(item, instruction):
            digest.update(f"{len(part)} ".encode() + part)
        digest.update(b"|")
    return Rows(where, side, ids, digest.hexdigest(), undecoded, columns, instruction)


def check_judgements(
    where: str, queries: Rows, documents: Rows, qrels: Mapping[str, Mapping[str, int]], top_ranked: Any = None
) -> list[str]:
    """What a user should know about the judgements of these queries, one sentence each.

    mteb counts a judged document that the corpus lacks as not found, and a query without a relevant document as 0. That
    belongs to the published figures, so it is reported instead of refused.

    Raises:
        DataError: no query has a relevant document in the corpus, so that any model would score 0; or `top_ranked`
            (query id -> ids of the documents to rank) names a document that the corpus lacks.
    """
    document_ids = set(documents.ids)
    missing = [
        (q, d) for q in queries.ids for d, grade in qrels.get(q, {}).items() if grade > 0 and d not in document_ids
    ]
    answered = {q for q in queries.ids if any(grade > 0 and d in document_ids for d, grade in qrels.get(q, {}).items())}
    if not answered:
        judged = f"; the judgements name {missing[0][1]!r}, for example, which it lacks" if missing else ""
        raise DataError(f"{where}: no query has a relevant document in the corpus of {len(documents)}{judged}")
    if top_ranked is not None:
        for query in queries.ids:
            strange = [document for document in top_ranked.get(query, ()) if document not in document_ids]
            if strange:
                raise DataError(
                    f"{where}: query {query!r} is to rank document {strange[0]!r}, which is not in the corpus of "
                    f"{len(documents)}"
                )
    notes = []
    if missing:
        query, document = missing[0]
        notes.append(
            f"{where}: {len(missing)} judgements name documents that are not in the corpus (query {query!r}: "
            f"{document!r}); mteb counts them as not found"
        )
    if len(answered) < len(queries):
        unanswered = next(query for query in queries.ids if query not in answered)
        notes.append(
            f"{where}: {len(queries) - len(answered)} of {len(queries)} queries have no relevant document in the "
            f"corpus ({unanswered!r}); mteb counts them as 0"
        )
    return notes


def _contents(item: ModelInput, instruction: str | None) -> Iterator[bytes]:
    """All that an input says; of its instruction only one of its own, as `instruction` is that of all rows."""
    yield (item.text or "").encode("utf-8", "surrogatepass")
    yield from item.images
    for frame in item.video or ():
        yield Path(frame).read_bytes()
    if item.instruction != instruction:
        yield (item.instruction or "").encode("utf-8", "surrogatepass")


def _undecoded(dataset: Dataset, columns: Sequence[str], where: str) -> Dataset:
    """`dataset` with its images as the bytes of their files."""
    import datasets

    if "image" not in columns:
        return dataset
    feature = dataset.features["image"]
    if not isinstance(feature, datasets.Image):
        raise DataError(f"{where}: column image holds {feature}; it must hold one image a row (datasets.Image)")
    return dataset.cast_column("image", datasets.Image(decode=False))


def _input(row: Mapping[str, Any], side: Side, columns: Sequence[str], instruction: str | None) -> ModelInput:
    text: Any = row["text"] if "text" in columns else None
    if text is not None and not isinstance(text, str):
        raise DataError(
            f"{side} {row['id']!r}: its text is a {type(text).__name__}; benchmarks read plain texts, and no "
            "conversations"
        )
    if side == "document" and "title" in columns and row["title"]:
        text = f"{row['title']} {text or ''}"
    if side == "query" and "instruction" in columns and row["instruction"] is not None:
        text = f"{text or ''} {row['instruction']}"
    if text is not None and side == "document":
        text = text.strip()
    images: tuple[bytes, ...] = ()
    if "image" in columns and row["image"] is not None:
        held = row["image"]
        images = (held["bytes"] if held["bytes"] is not None else Path(held["path"]).read_bytes(),)
    video = row["video"] if "video" in columns else None
    if video is not None and not isinstance(video, list):
        raise DataError(
            f"{side} {row['id']!r}: its video is a {type(video).__name__}; benchmarks read lists of paths of frames"
        )
    row_instruction = row["model_instruction"] if "model_instruction" in columns else None
    return ModelInput(text=text, images=images, video=video, instruction=row_instruction or instruction)
