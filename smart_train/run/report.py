"""`report.html` of a run: what was run, what came out, the curves, and queries with their pages before and after."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from smart_train.evaluation import EvaluationResult, EvaluationSet, Selection, compare
from smart_train.evaluation.explained import explain_queries, or_reason
from smart_train.evaluation.page import ChosenQuery, chosen_queries, headline, query_sections, result_section
from smart_train.evaluation.tuning_page import PLOT_ALT
from smart_train.evaluation.tuning_result import TUNING_PLOT
from smart_train.explain import Explanation
from smart_train.export.routes import release
from smart_train.models import SmartModel
from smart_train.recipe import Recipe
from smart_train.report import Block, Code, Facts, Gallery, Paragraph, Picture, Report, Section, write_report
from smart_train.report.html import REPORT_FILE
from smart_train.run import build
from smart_train.run.folder import RunFolder, read_record
from smart_train.run.tuned import tuned_conclusion
from smart_train.training.training_log import LOG_NAME, read_log
from smart_train.utils.versions import versions

Loader = Callable[[], SmartModel]
# Of `plots/`, in the order in which they are shown, and what they show.
_PLOTS = {
    "metrics": "retrieval metrics over training steps",
    "before_after": "retrieval metrics before and after training",
}
_SMALL_PLOTS = {"loss": "training loss over steps", "learning_rate": "learning rate over steps"}


def write_run_report(
    recipe: Recipe,
    folder: RunFolder,
    before: EvaluationResult | None,
    after: EvaluationResult | None,
    held_out: EvaluationSet | None,
    selection: Selection | None,
    *,
    device: torch.device,
) -> Path:
    """Writes RUN/report.html. Models are loaded once more, one after the other, to explain the queries that it shows.

    Args:
        held_out: the rows of `before` and `after`; None where neither was measured.
        selection: how the trained weights were chosen, where there was a choice.
        device: where models are put.
    """
    sections = [Section("What was run", [Facts(_facts(recipe, folder))])]
    lead = "Nothing was evaluated."
    if held_out is not None and (before is not None or after is not None):
        comparison = compare(before, after) if before is not None and after is not None else None
        lead = headline(before, after, comparison)
        result = result_section(before, after, comparison)
        note: list[Block] = [Paragraph(selection.note(held_out.name))] if selection is not None and after else []
        sections.append(Section(result.title, [*result.blocks, *note]))
    sections += _tuned(folder.path)
    sections += _curves(folder.path / "plots")
    if held_out is not None and (before is not None or after is not None):
        worst, best = chosen_queries(held_out, before, after)
        models = _models(recipe, folder, before, after, device)
        explained = {name: explanations(load, [*worst, *best]) for name, load in models.items()}
        gained = before is not None and after is not None
        sections += query_sections(worst, best, explained, gained=gained)
    sections.append(Section("Recipe", [Code(recipe.to_yaml())]))
    title = f"Run {folder.path.name}: {recipe.model.name_or_path}"
    return write_report(Report(title, sections, lead), folder.path / REPORT_FILE)


def explanations(load: Loader, queries: Sequence[ChosenQuery]) -> dict[str, Explanation] | str:
    """`explain_queries` by the model that `load` gives, which is used up; or why there is none."""

    def explained() -> dict[str, Explanation]:
        model = load()
        found = explain_queries(model, queries)
        release(model.backbone)  # another takes its place in memory
        return found

    return or_reason(explained)


def write_evaluation_report(
    model: SmartModel, name: str, result: EvaluationResult, held_out: EvaluationSet, path: Path
) -> Path:
    """Writes what `smart-train evaluate` measured of one model, and its worst and best queries. Uses `model` up.

    Args:
        name: what to call the model.
        held_out: the rows of `result`.
    """
    worst, best = chosen_queries(held_out, None, result)
    explained = {"the document that answers it": explanations(lambda: model, [*worst, *best])}
    facts = [
        ("model", f"{name}, read as {model.family.name}"),
        ("rows", result.title),
        ("scoring", ", ".join(f"{key} {value}" for key, value in result.scoring.items())),
        ("versions", ", ".join(f"{library} {number}" for library, number in versions().items())),
    ]
    sections = [
        Section("What was evaluated", [Facts(facts)]),
        result_section(None, result),
        *query_sections(worst, best, explained, gained=False),
    ]
    return write_report(Report(f"Evaluation of {name}", sections, headline(None, result)), path)


def _models(
    recipe: Recipe,
    folder: RunFolder,
    before: EvaluationResult | None,
    after: EvaluationResult | None,
    device: torch.device,
) -> dict[str, Loader]:
    """Name -> what loads the model; of those that were evaluated. Weights drawn at random were kept in the run."""
    start = None if recipe.model.from_config is None else str(folder.base)
    models: dict[str, Loader] = {}
    if before is not None:
        models["before"] = partial(build.base_model, recipe, start, device=device)
    if after is not None:
        models["after"] = partial(build.base_model, recipe, str(folder.final), device=device)
    return models


def recipe_facts(recipe: Recipe) -> list[tuple[str, str]]:
    """Model, way of training and data, each with its label."""
    sources = [("training data", ", ".join(section.path for section in recipe.data.training))]
    for name in recipe.data.held_out:
        sources.append((f"data.{name}", getattr(recipe.data, name).path))
    trained = f"{recipe.mode}, objective {recipe.objective.name}"
    return [("model", recipe.model.name_or_path), ("trained as", trained), *sources]


def _facts(recipe: Recipe, folder: RunFolder) -> list[tuple[str, str]]:
    record: dict[str, Any] = read_record(folder.path) or {}
    log = read_log(folder.path / LOG_NAME)
    done = [entry for entry in log if "train_runtime" in entry][-1:]
    length = [("trained", f"{entry['step']} steps in {entry['train_runtime']:.0f} s") for entry in done]
    spread = f"{record['world_size']} process(es), {record['together']} rows at a time, strategy {record['strategy']}"
    return [
        *recipe_facts(recipe),
        *length,
        ("spread", spread),
        ("fingerprint", f"recipe {record['fingerprint']}, data {record['data']}"),
        ("versions", ", ".join(f"{name} {number}" for name, number in record.get("versions", {}).items())),
    ]


def _tuned(run: Path) -> list[Section]:
    """What the run's `tune` section chose, and the plot."""
    conclusion = tuned_conclusion(run)
    if conclusion is None:
        return []
    plot = [Picture.of_file(file, PLOT_ALT) for file in [run / TUNING_PLOT] if file.is_file()]
    return [Section("Scoring settings", [Paragraph(conclusion), *plot])]


def _curves(plots: Path) -> list[Section]:
    """The pictures that the run has drawn."""

    def drawn(names: dict[str, str]) -> list[Picture]:
        files = {plots / f"{name}.png": alt for name, alt in names.items()}
        return [Picture.of_file(file, alt) for file, alt in files.items() if file.is_file()]

    small = drawn(_SMALL_PLOTS)
    blocks: list[Block] = [*drawn(_PLOTS), *([Gallery(small)] if small else [])]
    return [Section("Curves", blocks)] if blocks else []
