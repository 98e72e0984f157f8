"""`smart-train benchmark`: published benchmarks, run by the library mteb."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from smart_train.cli.arguments import READING, BatchSize, ModelPath, Workers, open_model
from smart_train.cli.option_groups import grouped
from smart_train.cli.output import check_folder, plain_console, print_pairs
from smart_train.cli.typed_options import naming_options
from smart_train.errors import RunError
from smart_train.utils.defaults import BATCH_SIZE
from smart_train.utils.terms import NUMBER_FORMATS

if TYPE_CHECKING:
    from smart_train.evaluation.suites import BenchmarkRun, Chosen, MtebModel
    from smart_train.models import SmartModel

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
SuiteNames = Annotated[
    list[str],
    typer.Option(
        help="vidore-v1, vidore-v2, vidore-v3, vidore-v3.1, visrag, mmeb-image, mmeb-video, mmeb-ood, mmeb-visdoc, or "
        "a benchmark or task of mteb by its name there. Repeat the option for more."
    ),
]
Output = Annotated[Path, typer.Option(help="The folder for the results. A later call with it continues there.")]
Scoring = Annotated[
    list[str] | None,
    typer.Argument(help="Changes to the scoring, as in scoring.late_weight=0.5.", metavar="[KEY=VALUE]..."),
]
Data = Annotated[
    Path | None,
    typer.Option(exists=True, file_okay=False, help="Folder of downloaded data sets, each in OWNER/NAME below it."),
]
Cache = Annotated[
    Path | None,
    typer.Option(help="Folder to keep the embeddings in. Default: OUTPUT/embeddings.", show_default=False),
]
Candidates = Annotated[
    int | None,
    typer.Option(
        min=1, help="Let the pooled score preselect this many documents. Default: exact search over all documents."
    ),
]
Store = Annotated[
    str, typer.Option(metavar=f"<{'|'.join(NUMBER_FORMATS)}>", help="Data type of the token states on disk.")
]
TaskPrompts = Annotated[
    bool,
    typer.Option("--task-prompts", help="Instruct the model with mteb's instruction of each task, not with its own."),
]
Predictions = Annotated[
    bool, typer.Option("--predictions", help="Also write the ranked documents of each query, as mteb does.")
]
Discard = Annotated[
    bool, typer.Option("--discard-embeddings", help="Delete the embeddings of a task when its result is written.")
]
Name = Annotated[
    str | None,
    typer.Option(metavar="OWNER/NAME", help="The model's name in results. Default: its Hub id.", show_default=False),
]
Published = Annotated[
    str | None,
    typer.Option(
        metavar="MODEL",
        help="The published model to compare with. Default: the one that MODEL or its base is.",
        show_default=False,
    ),
]


@grouped
def benchmark(
    model: ModelPath,
    overrides: Scoring = None,
    *,
    suite: SuiteNames,
    output: Output,
    data: Data = None,
    cache: Cache = None,
    candidates: Candidates = None,
    store: Store = "float32",
    batch_size: BatchSize = BATCH_SIZE,
    workers: Workers = None,
    task_prompts: TaskPrompts = False,
    predictions: Predictions = False,
    discard_embeddings: Discard = False,
    name: Name = None,
    published: Published = None,
    reading: Mapping[str, Any] = READING,
) -> None:
    """Run published benchmarks on MODEL: pooled, late and hybrid score of every task, beside published figures.

    Needs the extra mteb. A call that was interrupted continues where it stopped. Several processes
    (accelerate launch -m smart_train benchmark ...) share the encoding.
    """
    from smart_train.cli.process_group import joined_processes
    from smart_train.distributed import is_main, on_main
    from smart_train.distributed.stages import on_every_rank
    from smart_train.evaluation.suites import MtebModel, RunSettings, choose, run_tasks, write_summary
    from smart_train.evaluation.suites.page import benchmark_report
    from smart_train.evaluation.suites.published import published_model
    from smart_train.evaluation.suites.store import check_store
    from smart_train.report.html import REPORT_FILE, write_report

    def checked() -> dict[str, object]:
        """The scoring keys. All that needs no model is said before it is loaded, and by one process."""
        if name is not None and not _HUB_ID.fullmatch(name):
            raise RunError(f"--name {name}: must read OWNER/NAME, as the id of a model on the Hub does")
        choose(suite)
        published_model(published, ())
        with naming_options("store"):
            check_store(store)
        scoring = _scoring(overrides or [])
        _check_places(output, cache)
        return scoring

    if not sys.stderr.isatty():
        import datasets

        datasets.disable_progress_bars()  # one for each of dozens of small steps
    with joined_processes():
        scoring = on_main(checked)
        suites = choose(suite)
        loaded = on_every_rank(lambda: open_model(model, reading, scoring))
        named, revision = _identity(model, loaded, name)
        ranker = MtebModel(
            loaded,
            cache=cache or output / "embeddings",
            store=store,
            candidates=candidates,
            task_prompts=task_prompts,
            name=named,
            revision=revision,
        )
        settings = RunSettings(output, data, batch_size, workers, predictions, not discard_embeddings)
        run = run_tasks(ranker, suites, settings, plain_console().print)
        held = published_model(published, _names(model, loaded))
        if is_main():
            if run.scores:
                write_summary(output, ranker, suites, run, held)
                write_report(benchmark_report(ranker, suites, run, held, output), output / REPORT_FILE)
                _show(ranker, suites, run, held, output)
            run.check(len({task.metadata.name for one in suites for task in one.tasks}), data)


def _check_places(output: Path, cache: Path | None) -> None:
    """Raises RunError or BusyError where results or embeddings cannot be written, or another process writes them."""
    from smart_train.evaluation.suites.run import check_output_folder
    from smart_train.utils.locks import LOCK_NAME, check_free

    check_output_folder(output)
    check_folder("--output", output)
    if cache is not None:
        check_folder("--cache", cache)
    check_free(output / LOCK_NAME)


def _scoring(overrides: Sequence[str]) -> dict[str, object]:
    """The scoring keys that KEY=VALUE arguments give. Raises RunError for others, which would change nothing."""
    from smart_train.recipe.reader import read_overrides

    for text in overrides:
        if not text.startswith("scoring."):
            raise RunError(f"{text}: has no effect on a benchmark; benchmark accepts scoring.*")
    return read_overrides(overrides).get("scoring", {})


def _identity(model: str, loaded: SmartModel, name: str | None) -> tuple[str, str | None]:
    """By what the results are filed: OWNER/NAME, and the commit of a whole model from the Hub (else None)."""
    on_hub = not Path(model).exists() and _HUB_ID.fullmatch(model) is not None
    commit = loaded.base_revision if on_hub and loaded.owns_backbone else None
    folder = re.sub(r"[^\w.-]", "-", Path(model).absolute().name)
    return name or (model if on_hub else f"smart_train/{folder}"), commit


def _names(model: str, loaded: SmartModel) -> list[str]:
    """What the weights are called, the surest name first; a path's last part only, as folders above may be called
    anything."""
    # A trained model is not the published one: its figures are held against others only where that is asked for.
    untouched = loaded.owns_backbone and loaded.trained_from is None
    return [Path(model).name, Path(loaded.base or "").name] if untouched else []


def _show(ranker: MtebModel, suites: Sequence[Chosen], run: BenchmarkRun, held: str | None, output: Path) -> None:
    from smart_train.evaluation.suites import published_table, score_table, settings_lines
    from smart_train.evaluation.suites.summary import differing
    from smart_train.report.html import REPORT_FILE

    console = plain_console()
    console.print(score_table(suites, run))
    table = published_table(run, held)
    if table is not None:
        console.print(table)
    print_pairs(settings_lines(ranker))
    for note in (*differing(suites), *run.notes):
        console.print(note)
    console.print(f"{output}: mteb's results, values per query, summary.json and {REPORT_FILE}")
