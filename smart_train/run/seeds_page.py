"""`report.html` of several seeds: what they have in common, what each measured, their curves, and which is chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from smart_train.evaluation import EvaluationResult
from smart_train.evaluation.metrics import metric_label
from smart_train.evaluation.page import headline, result_section
from smart_train.evaluation.plots import seed_figures
from smart_train.report import Block, Code, Facts, Gallery, Paragraph, Picture, Report, Section, Table
from smart_train.report.html import REPORT_FILE
from smart_train.run.report import recipe_facts
from smart_train.run.seeds_result import SeedsResult, spread_of, summary
from smart_train.utils.terms import HEADLINE
from smart_train.utils.versions import versions

_WATCH_NOTE = (
    "Of a sample of the held-out rows, at the last evaluation while training. rank: effective rank of the documents' "
    "vectors and token states. alignment: mean squared distance of query and answer. uniformity: 0 where all documents "
    "are one point, -4 where they fill the sphere. winning: share of document tokens that are the best match of a "
    "query token. spread: standard deviation of a query's scores over documents, 0 where the model has collapsed."
)


def seeds_report(result: SeedsResult, folder: Path) -> Report:
    """The page of the runs in `folder`."""
    before, after = result.mean
    tested: list[Block] = []
    if result.comparison is not None:
        note = "before, after: for each query the mean of all seeds. The test asks about queries, not about seeds."
        tested = [Paragraph(note, note=True)]
    common = result_section(before, after, result.comparison)
    sections = [
        Section("What was run", [Facts(_facts(result))]),
        *_failed(result),
        Section(common.title, [*common.blocks, *tested, *_selections(result)]),
        Section("Each seed", [_by_seed(result), Paragraph(result.conclusion()), *_where(result)]),
        *_spreads(result),
        *_curves(result),
        *_watched(result),
        Section("Recipe", [Code(result.recipe.to_yaml())]),
    ]
    figures = spread_of(result.after)[after.own_score][HEADLINE]
    _, sd, lowest, highest = summary(figures)
    lead = (
        f"{headline(before, after, result.comparison)} The mean of {len(result.runs)} seeds; they end between "
        f"{lowest:.3f} and {highest:.3f} (sd {sd:.3f})."
    )
    if result.failed:
        lead += f" {_of_all(result)} failed and count nowhere."
    return Report(f"Seeds of {folder.name}: {result.recipe.model.name_or_path}", sections, lead)


def _facts(result: SeedsResult) -> list[tuple[str, str]]:
    return [
        *recipe_facts(result.recipe),
        ("seeds", ", ".join(map(str, [*result.runs, *result.failed]))),
        ("versions", ", ".join(f"{name} {number}" for name, number in versions().items())),
    ]


def _of_all(result: SeedsResult) -> str:
    return f"{len(result.failed)} of {len(result.runs) + len(result.failed)} seeds"


def _failed(result: SeedsResult) -> list[Section]:
    if not result.failed:
        return []
    table = Table(("seed", "why"), [(str(seed), why) for seed, why in result.failed.items()], left=2)
    note = f"{_of_all(result)} failed. All figures below are of the others, and so more favourable than the recipe is."
    return [Section("Seeds that failed", [Paragraph(note), table])]


def _selections(result: SeedsResult) -> list[Block]:
    """How the weights of the runs were chosen, once where all say the same."""
    measured_on = result.mean[1].measured_on
    chosen = [run.weights.selection for run in result.runs.values()]
    return [Paragraph(note) for note in dict.fromkeys(item.note(measured_on) for item in chosen if item is not None)]


def _by_seed(result: SeedsResult) -> Table:
    """A row for each seed: the headline metric of each score before and after, and what chooses."""
    scores, choice = list(result.mean[1].metrics), result.choice
    when = [("before", result.before), ("after", result.after)] if result.before else [("after", result.after)]
    columns = [f"{score} {name}" for score in scores for name, _ in when]
    rows = []
    for seed, run in result.runs.items():
        cells = [f"{measured[seed].metrics[score][HEADLINE]:.3f}" for score in scores for _, measured in when]
        rows.append((str(seed), str(run.weights.step), *cells, f"{choice.values[seed]:.4f}"))
    caption = (
        f"{metric_label(HEADLINE)} of each score. step: that the trained weights are of. choice: {choice.metric} on "
        f"{choice.rows}, by which the seed in bold is chosen."
    )
    marked = frozenset({list(result.runs).index(choice.seed)})
    return Table(("seed", "step", *columns, "choice"), rows, caption, marked=marked)


def _where(result: SeedsResult) -> list[Block]:
    """Where each run has a page of its own, with its queries."""
    places = [(f"seed {seed}", str(run.folder / REPORT_FILE)) for seed, run in result.runs.items()]
    return [Paragraph("The page of each run, with its queries under heat maps:", note=True), Facts(places)]


def _spreads(result: SeedsResult) -> list[Section]:
    """Every metric of every seed, after training, and before it where the seeds differ there."""
    sections = [Section("Spread after training", [_spread(result.after)])]
    if result.before:
        same = len({str(one.metrics) for one in result.before.values()}) == 1
        told: Block = Paragraph("All seeds have the same figures.") if same else _spread(result.before)
        sections.append(Section("Spread before training", [told]))
    return sections


def _spread(measured: Mapping[int, EvaluationResult]) -> Table:
    rows: list[tuple[str, ...]] = []
    marked = set()
    for score, columns in spread_of(measured).items():
        for metric, figures in columns.items():
            if metric == HEADLINE:
                marked.add(len(rows))
            numbers = [*summary(figures), *figures["by_seed"]]
            rows.append((score, metric_label(metric), *(f"{number:.3f}" for number in numbers)))
    seeds = [f"seed {seed}" for seed in measured]
    headings = ("score", "metric", "mean", "sd", "lowest", "highest", *seeds)
    return Table(headings, rows, "sd: standard deviation of a sample.", left=2, marked=frozenset(marked))


def _curves(result: SeedsResult) -> list[Section]:
    """The scores of all seeds over the steps, and the loss."""
    steering = result.recipe.data.reported == "evaluation"  # the rows of the curves are those that are reported
    logs: dict[int, Sequence[Mapping[str, Any]]] = {seed: run.log for seed, run in result.runs.items()}
    if steering and result.before:
        logs = {seed: [{"step": 0, **result.before[seed].flat()}, *log] for seed, log in logs.items()}
    logs |= result.failed_logs
    chance = result.mean[1].chance.get(HEADLINE) if steering else None
    figures = seed_figures(logs, HEADLINE, chance=chance, chosen=result.choice.seed, failed=result.failed_logs)
    names = {name: "training loss" if name == "loss" else f"{name} {metric_label(HEADLINE)}" for name in figures}
    pictures = [
        Picture.of_figure(figure, f"{names[name]} of each seed over the steps; the table of each seed has the ends")
        for name, figure in figures.items()
    ]
    if not pictures:
        return []
    note = "Scores are measured on data.evaluation."
    if result.failed_logs:
        note += " A dashed line that ends in a cross is of a seed that failed; values above the others are cut off."
    return [Section("Curves", [Paragraph(note, note=True), Gallery(pictures)])]


def _watched(result: SeedsResult) -> list[Section]:
    watched = {seed: run.watched for seed, run in result.runs.items()}
    names = list(dict.fromkeys(name for values in watched.values() for name in values))
    if not names:
        return []
    rows = [
        (str(seed), *(f"{values[name]:.4g}" if name in values else "" for name in names))
        for seed, values in watched.items()
    ]
    table = Table(("seed", *(name.replace("_", " ") for name in names)), rows)
    return [Section("What the states say", [table, Paragraph(_WATCH_NOTE, note=True)])]
