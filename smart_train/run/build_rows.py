"""From a recipe's `data` section to rows and batches; `smart_train.run.build` hands these on."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypeVar

from smart_train.data import (
    CheckReport,
    GroupedBatches,
    Mixture,
    MixturePart,
    SourceConfig,
    check_examples,
    groups_of,
    load_documents,
    load_examples,
    load_held_out,
    load_own_documents,
)
from smart_train.data.formats.pdf import page_cache
from smart_train.data.lengths import TokenCounter
from smart_train.data.rows import ExampleRows
from smart_train.data.shared_reading import read_shares
from smart_train.distributed import is_main, on_main, world_size
from smart_train.errors import DataError, Unreachable
from smart_train.evaluation import EvaluationSet
from smart_train.inputs.images import verify_image
from smart_train.inputs.known_files import remembering
from smart_train.recipe import Recipe
from smart_train.recipe.sections import EvaluationSourceSection, SourceSection, source_keys
from smart_train.types import Example, ModelInput
from smart_train.utils.hashing import stable_hash

T = TypeVar("T")
_CHECKED = "checked-files"  # beside the pages of PDF files, a file for each set of sources
_NOT_THE_SOURCE = ("corpus", "weight", "negatives_per_query")


def source(section: SourceSection, **changes: Any) -> SourceConfig:
    """A recipe's source section as the configuration of `smart_train.data`."""
    values = {name: value for name, value in section.model_dump().items() if name not in _NOT_THE_SOURCE}
    return SourceConfig(**{**values, **changes})


def sources(recipe: Recipe) -> dict[str, list[SourceSection]]:
    """The sections of `data` that hold rows, by name: "train", and "evaluation" and "test" where they are given."""
    held_out: dict[str, list[SourceSection]] = {name: [section] for name, section in recipe.data.held_out.items()}
    return {"train": [*recipe.data.training], **held_out}


@contextmanager
def remembered_files(recipe: Recipe, *names: str) -> Iterator[None]:
    """Within, images and videos of these parts of the data that an earlier run or command has read are not decoded and
    hashed again, as long as they have their size and time of change.

    Args:
        names: "train", "evaluation" or "test"; default: all that the recipe has.
    """
    sections = sources(recipe)
    paths = sorted({os.path.abspath(section.path) for name in names or sections for section in sections[name]})
    file = page_cache().with_name(_CHECKED) / f"{stable_hash(json.dumps(paths).encode()) % 2**64:016x}.json"
    with remembering(file, writes=is_main()):
        yield


def examples(section: SourceSection) -> ExampleRows:
    """The rows of one source, images not yet decoded. Of held-out ones those that ask something."""
    return (load_held_out if isinstance(section, EvaluationSourceSection) else load_examples)(source(section))


def negatives(recipe: Recipe) -> list[int]:
    """Explicit negatives used of each row, for every source of training rows."""
    common = recipe.data.negatives_per_query
    return [
        common if section.negatives_per_query is None else section.negatives_per_query
        for section in recipe.data.training
    ]


def each_source(name: str, sections: Sequence[SourceSection], read: Callable[[str, int], T]) -> list[T]:
    """`read(key in the recipe, place)` of every source of `data.{name}`.

    Raises:
        DataError: what is wrong with each of the sources, beginning with its key.
        Unreachable: the only fault is that the Hub, which holds sources, cannot be reached.
    """
    results, problems, causes = [], [], []
    for place, key in enumerate(source_keys(name, sections)):
        try:
            results.append(read(key, place))
        except DataError as error:
            problems.append(f"{key}: {error}")
            causes.append(error)
    if problems:
        certain = any(not isinstance(error, Unreachable) for error in causes)
        raise (DataError if certain else Unreachable)("\n".join(problems)) from causes[-1]
    return results


def read_together(recipe: Recipe, name: str) -> dict[int, ExampleRows]:
    """Lets every rank read its share of the images and videos of `data.{name}`, so that `usable_rows` on the main rank
    decodes none. Every rank must call this; one process alone has nothing to share.

    Returns: place among the sources -> its rows, for `usable_rows`, without those that cannot be loaded.

    Raises:
        DataError: machines of the run have other files under the same names.
    """
    if world_size() == 1:
        return {}

    def load() -> dict[int, ExampleRows]:
        loaded = {}
        for place, section in enumerate(sources(recipe)[name]):
            with contextlib.suppress(DataError):  # `usable_rows` says what is wrong with each source
                loaded[place] = examples(section)
        return loaded

    with remembered_files(recipe, name):
        loaded = on_main(load)
        try:
            read_shares(list(loaded.values()))
        except DataError as error:
            error.args = (f"data.{name}: {error}",)
            raise
    return loaded


def usable_rows(
    recipe: Recipe,
    name: str,
    *,
    on_error: Literal["fail", "skip"] | None = None,
    workers: int | None = None,
    decode: Callable[[Any], None] = verify_image,
    reads: Collection[str] | None = None,
    loaded: Mapping[int, ExampleRows] | None = None,
) -> tuple[Sequence[Example], CheckReport]:
    """The rows of `data.{name}` after `data.on_error`, every image decoded that is not known to decode, and the report
    on the others. Several sources give a `Mixture`.

    Args:
        on_error: in the place of the recipe's. workers, decode, reads: as `check_examples`.
        loaded: what `read_together` gave.

    Raises:
        DataError, Unreachable: as `each_source`: a source, a column or a row cannot be used, or none is left.
    """
    sections = sources(recipe)[name]
    # Held-out rows are queries and answers; explicit negatives are asked of training rows only.
    needed = negatives(recipe) if name == "train" else [0]

    def read(key: str, place: int) -> tuple[MixturePart, CheckReport]:
        section, count = sections[place], needed[place]
        rows, report = check_examples(
            (loaded or {}).get(place) or examples(section),
            on_error=on_error or recipe.data.on_error,
            negatives_per_query=count,
            scores=count > 0 and recipe.objective.needs_teacher,
            workers=workers,
            decode=decode,
            reads=reads,
        )
        return MixturePart(section.path, rows, count, getattr(section, "weight", None)), report

    with remembered_files(recipe, name):
        checked = each_source(name, sections, read)
    usable, reports = [part for part, _ in checked], [report for _, report in checked]
    if len(usable) == 1:
        return usable[0].examples, reports[0]
    return Mixture(usable), CheckReport.joined(reports)


def batches(
    recipe: Recipe, rows: Sequence[Example], processes: int, counter: TokenCounter | None
) -> GroupedBatches | None:
    """Which training rows make a batch, as the first of `processes` takes them; None where rows are all of one kind and
    their length does not matter, so that the Trainer's own random order serves.

    Args:
        counter: the model family, which counts tokens; only where rows of like length are to meet.

    Raises:
        DataError: a source or a task has too few rows for a batch.
    """
    like = recipe.data.meets_by_length
    groups = groups_of(rows, negatives(recipe)[0], counter if like else None)
    if len(groups) == 1 and not like:
        return None
    training = recipe.training
    try:
        return GroupedBatches(
            groups,
            batch_size=training["per_device_train_batch_size"],
            processes=processes,
            seed=training["data_seed"] if training.get("data_seed") is not None else training["seed"],
            drop_last=training["dataloader_drop_last"],
            max_tokens=recipe.data.max_tokens_per_batch,
            by_length=recipe.data.group_by_length,
        )
    except DataError as error:
        raise DataError(f"data.train: {error}") from error


def evaluation_set(recipe: Recipe, name: str, held_out: Sequence[Example]) -> EvaluationSet:
    """The queries of `held_out`, the rows of `data.{name}`, against their pages, all documents that the source keeps
    apart, and those of `data.{name}.corpus`."""
    section = recipe.data.held_out[name]
    return EvaluationSet.from_examples(held_out, more_documents(section, section.corpus), name=f"data.{name}")


def more_documents(section: SourceSection, corpus: str | None) -> list[tuple[str, ModelInput]]:
    """Id and document of all that the source keeps apart from its rows, and of those of `corpus`.

    Raises: DataError, where one of them cannot be read.
    """
    documents = load_own_documents(source(section))
    if corpus is not None:
        split = None if Path(corpus).is_file() else section.split
        changes = {
            "path": corpus,
            "split": split,
            "max_samples": None,
            "sample_seed": None,
            "documents": None,
            "streaming": False,
        }
        documents += load_documents(source(section, **changes))
    return documents
