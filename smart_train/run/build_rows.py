"""From a recipe's `data` section to rows and batches; `smart_train.run.build` hands these on."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

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
from smart_train.data.input_checks import check_documents
from smart_train.data.lengths import Fits, TokenCounter
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


def usable_rows(
    recipe: Recipe,
    name: str,
    *,
    on_error: Literal["fail", "skip"] | None = None,
    workers: int | None = None,
    decode: Callable[[Any], None] = verify_image,
    reads: Collection[str] | None = None,
    fits: Fits | None = None,
) -> tuple[Sequence[Example], CheckReport]:
    """The rows of `data.{name}` after `data.on_error`, every image decoded that is not known to decode, and the report
    on the others. Several sources give a `Mixture`.

    Args:
        on_error: in the place of the recipe's. workers, decode, reads, fits: as `check_examples`.

    Raises:
        DataError, Unreachable: as `each_source`: a source, a column or a row cannot be used, or none is left.
    """
    options = {
        "on_error": on_error or recipe.data.on_error,
        "workers": workers,
        "decode": decode,
        "reads": reads,
        "fits": fits,
    }
    with remembered_files(recipe, name):
        return _joined(recipe, name, _checked(recipe, name, {}, options))


def usable_rows_of_ranks(
    recipe: Recipe,
    name: str,
    *,
    decode: Callable[[Any], None] = verify_image,
    reads: Collection[str] | None = None,
    fits: Fits | None = None,
) -> tuple[Sequence[Example], CheckReport]:
    """`usable_rows`, on every rank; all must call it. Every rank reads its share of the images and videos, then the
    main rank checks the rows. The rows are sent once, and after the check no more than which of them are usable.

    Args:
        decode, reads, fits: as `check_examples`. Another `decode` than `verify_image` is not shared.

    Raises:
        DataError, Unreachable: as `usable_rows`; or machines of the run have other files under the same names.
    """
    if world_size() == 1:
        return usable_rows(recipe, name, decode=decode, reads=reads, fits=fits)
    options = {"on_error": recipe.data.on_error, "decode": decode, "reads": reads, "fits": fits}
    with remembered_files(recipe, name):
        loaded = on_main(partial(_loaded, recipe, name))
        if decode is verify_image:
            try:
                read_shares(list(loaded.values()))
            except DataError as error:
                error.args = (f"data.{name}: {error}",)
                raise

        def check() -> list[tuple[Sequence[int] | Sequence[Example], CheckReport]]:
            checked = _checked(recipe, name, loaded, options)
            # Positions suffice, unless it is a source that could not be loaded before, and could now.
            return [
                (cast(ExampleRows, rows).chosen if place in loaded else rows, report)
                for place, (rows, report) in enumerate(checked)
            ]

        sent = on_main(check)
    checked = [
        (loaded[place].view(cast(Sequence[int], rows)) if place in loaded else cast(Sequence[Example], rows), report)
        for place, (rows, report) in enumerate(sent)
    ]
    return _joined(recipe, name, checked)


def _loaded(recipe: Recipe, name: str) -> dict[int, ExampleRows]:
    """Place among the sources of `data.{name}` -> its rows. Sources that cannot be loaded are left to the check, which
    says what is wrong with each."""
    loaded = {}
    for place, section in enumerate(sources(recipe)[name]):
        with contextlib.suppress(DataError):
            loaded[place] = examples(section)
    return loaded


def _checked(
    recipe: Recipe, name: str, loaded: Mapping[int, ExampleRows], options: dict[str, Any]
) -> list[tuple[Sequence[Example], CheckReport]]:
    """The usable rows of every source of `data.{name}`. `options`: of `check_examples`."""
    sections, needed = sources(recipe)[name], _needed(recipe, name)

    def read(key: str, place: int) -> tuple[Sequence[Example], CheckReport]:
        return check_examples(
            loaded[place] if place in loaded else examples(sections[place]),
            negatives_per_query=needed[place],
            scores=needed[place] > 0 and recipe.objective.needs_teacher,
            # Of held-out rows every document is searched; of the others the model is given those that are negatives.
            documents_used=1 + needed[place] if name == "train" else None,
            **options,
        )

    return each_source(name, sections, read)


def _needed(recipe: Recipe, name: str) -> list[int]:
    """Explicit negatives used of each row. Held-out rows are queries and answers; negatives are asked of training rows
    only."""
    return negatives(recipe) if name == "train" else [0]


def _joined(
    recipe: Recipe, name: str, checked: Sequence[tuple[Sequence[Example], CheckReport]]
) -> tuple[Sequence[Example], CheckReport]:
    if len(checked) == 1:
        return checked[0]
    parts = [
        MixturePart(section.path, rows, count, getattr(section, "weight", None))
        for section, count, (rows, _) in zip(sources(recipe)[name], _needed(recipe, name), checked, strict=True)
    ]
    return Mixture(parts), CheckReport.joined([report for _, report in checked], [part.name for part in parts])


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


def check_more_documents(
    recipe: Recipe, name: str, *, reads: Collection[str] | None = None, fits: Fits | None = None
) -> None:
    """Looks at the documents that the queries of `data.{name}` are ranked against beside those of its rows, as
    `usable_rows` does at these. What cannot be reached now is passed over: it is told where it is read.

    Args:
        name: "train", which has none, "evaluation" or "test". reads, fits: as `check_examples`.

    Raises:
        DataError: one of them cannot be read or used.
    """
    section = recipe.data.held_out.get(name)
    if section is None:
        return
    try:
        with remembered_files(recipe, name):
            check_documents(more_documents(section, section.corpus), reads=reads, fits=fits)
    except Unreachable:
        return


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
