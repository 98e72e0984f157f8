"""A teacher's scores of mined rows, in place of those of the model that mined: a model that reads query and document
together knows more of a pair, and is too slow to search with.

    work/teacher/00000.json     scores of the first rows, and a digest of what they depend on
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from tqdm.auto import tqdm

from smart_train.distributed import barrier, on_main, rank, world_size
from smart_train.errors import DataError
from smart_train.retrieval.corpus import RowCorpus
from smart_train.retrieval.fingerprints import model_fingerprint, prompt_settings, sampled_fingerprint
from smart_train.types import ModelInput
from smart_train.utils.atomic import write_json

if TYPE_CHECKING:
    from smart_train.models.family import Family

TEACHER_FOLDER = "teacher"
_ROWS = 64  # scored between two moments at which nothing is lost
Pairs = tuple[int, tuple[int, ...]]  # a query's place in the corpus, and its documents', the positive first


class Teacher(Protocol):
    """What reads a query and a document together, such as `models.reranker.Reranker`."""

    @property
    def family(self) -> Family: ...

    def state_dict(self) -> Mapping[str, Any]: ...

    def scores(self, query: ModelInput, documents: Sequence[ModelInput]) -> list[float]:
        """How well each of `documents` answers `query`; the higher, the better."""
        ...


def teacher_scores(
    teacher: Teacher,
    corpus: RowCorpus,
    rows: Sequence[Pairs],
    work: Path,
    *,
    show_progress_bar: bool | None = None,
) -> list[list[float]]:
    """The scores of every row's documents, on every process; they share the work. Killed and called again, it goes on.

    Args:
        work: the folder of what mining keeps until it is done.

    Raises:
        DataError: what was kept there cannot be read, or an input cannot.
    """
    folder = work / TEACHER_FOLDER
    as_encoder = cast(Any, teacher)  # an encoder to nobody; what a fingerprint reads of one, it has
    about = [prompt_settings(as_encoder), corpus.fingerprint()]
    blocks = [rows[start : start + _ROWS] for start in range(0, len(rows), _ROWS)]
    fingerprint = on_main(lambda: model_fingerprint(as_encoder))
    keys = [_key([fingerprint, *about], block) for block in blocks]
    stored = [_stored_key(folder, number) for number in range(len(blocks))]
    if any(found not in (None, key) for found, key in zip(stored, keys, strict=True)):
        former = sampled_fingerprint(as_encoder)  # by which version 0.1.0 knew a teacher
        former_keys = [_key([former, *about], block) for block in blocks]
        keys = [old if old == found else key for old, found, key in zip(former_keys, stored, keys, strict=True)]
    done = [found == key for found, key in zip(stored, keys, strict=True)]
    barrier()  # all have looked before one writes
    own_blocks = [number for number, is_done in enumerate(done) if not is_done][rank() :: world_size()]
    disable = None if show_progress_bar is None else not show_progress_bar
    with tqdm(total=sum(len(blocks[n]) for n in own_blocks), desc="Scoring rows", unit="row", disable=disable) as bar:
        for number in own_blocks:
            block_scores = []
            for query, documents in blocks[number]:
                (asked,) = corpus.queries([query])
                block_scores.append(teacher.scores(asked, corpus.documents(list(documents))))
                bar.update()
            write_json(folder / f"{number:05d}.json", {"key": keys[number], "scores": block_scores})
    barrier()
    scored: list[list[float]] = []
    for number in range(len(blocks)):
        block = _stored(folder, number)
        assert block is not None, "it was written above, or there before"
        scored += block[1]
    return scored


def _key(about: Sequence[Any], block: Sequence[Pairs]) -> str:
    """What the scores of a block depend on."""
    return hashlib.blake2b(json.dumps([about, block], sort_keys=True).encode(), digest_size=16).hexdigest()


def _stored_key(folder: Path, number: int) -> str | None:
    """The key of a block that an earlier call kept; None where there is none."""
    stored = _stored(folder, number)
    return None if stored is None else stored[0]


def _stored(folder: Path, number: int) -> tuple[str, list[list[float]]] | None:
    """Key and scores of a block that was kept; None where there is none."""
    path = folder / f"{number:05d}.json"
    if not path.is_file():
        return None
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return values["key"], values["scores"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: cannot be read ({error}); delete it, and it is made again") from error
