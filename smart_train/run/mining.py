"""Negatives for every source of a recipe's training rows, each against its own corpus; a recipe that trains on them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smart_train.data import CheckReport, check_examples
from smart_train.data.input_checks import check_documents
from smart_train.errors import DataError
from smart_train.recipe import Recipe
from smart_train.recipe.reader import RECIPE_FILE, dump_yaml, merge, read_overrides
from smart_train.recipe.sections import TrainSourceSection
from smart_train.retrieval import MiningSummary
from smart_train.retrieval.mining import SUMMARY_FILE, WORK_FOLDER
from smart_train.run import build_rows
from smart_train.types import Example, ModelInput
from smart_train.utils.edited_files import write_unless_edited
from smart_train.utils.locks import LOCK_NAME
from smart_train.utils.model_folders import find_model


@dataclass(frozen=True)
class MiningSource:
    """One source of training rows, read.

    Attributes:
        name: its key in the recipe, `data.train` or `data.train.N`. folder: where what is mined for it goes.
        rows: the usable ones. extra: (id, document) of further candidates. report: on the rows left out.
    """

    name: str
    folder: Path
    section: TrainSourceSection
    rows: Sequence[Example]
    extra: list[tuple[str, ModelInput]]
    report: CheckReport


def check_mining_folder(output: Path) -> None:
    """Raises DataError unless `output` is absent, empty, or holds what was mined before: a run's own recipe.yaml must
    not be replaced, nor rows be written among files of something else."""
    if not output.exists():
        return
    if not output.is_dir():
        raise DataError(f"--output {output}: is a file; name a folder")
    # A kill may leave the lock, or a temporary file, alone.
    files = sorted(file.name for file in output.iterdir() if file.name != LOCK_NAME and file.suffix != ".tmp")
    sources = [output / name for name in files if re.match(r"\d+-", name)]  # as `mining_sources` calls them
    if files and not any(_is_mined(folder) for folder in (output, *sources)):
        named = ", ".join(files[:3]) + (", ..." if len(files) > 3 else "")
        raise DataError(f"--output {output}: holds no mined rows, but other files ({named}); name another folder")


def _is_mined(folder: Path) -> bool:
    return (folder / SUMMARY_FILE).is_file() or (folder / WORK_FOLDER).is_dir()


def mining_sources(recipe: Recipe, output: Path, corpus: Path | None = None) -> list[MiningSource]:
    """Every source of `data.train`: its usable rows, whatever negatives they have, and as further candidates the
    documents that it keeps apart from its rows and those of `corpus`. One source goes into `output` itself, each of
    several into a folder there.

    Raises:
        DataError, Unreachable: as `build_rows.each_source`: a source or `corpus` cannot be read, or rows not be used.
    """
    sections = recipe.data.training

    def read(key: str, place: int) -> MiningSource:
        section = sections[place]
        folder = output / f"{place}-{_word(section)}" if len(sections) > 1 else output
        rows, report = check_examples(build_rows.examples(section), on_error=recipe.data.on_error)
        extra = build_rows.more_documents(section, str(corpus) if corpus else None)
        check_documents(extra)
        return MiningSource(key, folder, section, rows, extra, report)

    return build_rows.each_source("train", sections, read)


def write_recipe(
    recipe: Path,
    output: Path,
    mined: Mapping[Path, tuple[TrainSourceSection, MiningSummary]],
    *,
    model: str | None,
    output_dir: str,
    overrides: Sequence[str] = (),
) -> Path:
    """Writes `output/recipe.yaml`, which extends `recipe`: it trains on what was mined, from the model that mined, into
    a run folder of its own. One that was edited since stays, and the new one is written beside it.

    Args:
        mined: folder -> the source it was mined for, and what was found.
        model: what searched; None: the recipe's base, where training then starts again (also where what searched can
            only be a teacher).
        output_dir: that of the recipe; the new one is called OUTPUT_DIR-mined.
        overrides: of the recipe, kept but for its training rows.

    Returns:
        The file that was written.
    """
    rows = []
    for folder, (section, summary) in mined.items():
        used = {"path": str(folder), "negatives_per_query": summary.negatives_in_every_row}
        rows.append(used if section.weight is None else {**used, "weight": section.weight})
    settings = read_overrides([override for override in overrides if not override.startswith("data.train")])
    values: dict[str, Any] = {"extends": os.path.relpath(recipe.resolve(), output.resolve())}
    values |= merge(settings, {"data": {"train": rows}, "training": {"output_dir": f"{Path(output_dir)}-mined"}})
    if model is not None:
        # A folder by its absolute path: from another directory, a relative one means another model or one on the Hub.
        model_folder = find_model(model)
        name = os.path.abspath(model_folder) if Path(model_folder).is_dir() else model_folder
        values = merge(values, {"model": {"name_or_path": name, "from_config": None}})
    return write_unless_edited(output / RECIPE_FILE, dump_yaml(values))


def _word(section: TrainSourceSection) -> str:
    """A source's path in letters that every file system takes."""
    return re.sub(r"[^\w-]+", "-", Path(section.path).stem).strip("-") or "source"
