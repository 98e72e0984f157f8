"""`smart-train probe`: what the hidden states of models hold, layer by layer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from smart_train.cli.arguments import READING, BatchSize, open_model
from smart_train.cli.option_groups import grouped
from smart_train.cli.output import check_folder, plain_console
from smart_train.cli.rows import HELD_OUT, read_rows, rows_to_measure
from smart_train.cli.typed_options import naming_options, rewritten
from smart_train.errors import RunError
from smart_train.utils.defaults import BATCH_SIZE, BINDING_QUERIES, PROBE_PAIRS
from smart_train.utils.terms import HEADLINE

if TYPE_CHECKING:
    from smart_train.evaluation.probe import ProbeResult

_CONTROL_SEED = 1  # not 0, the default of recipes: a run that starts from random weights would be its own control


@grouped
def probe(
    models: Annotated[
        list[str],
        typer.Argument(
            help="Model folders, Hub ids or run folders. Of a run: the model that it started from, every checkpoint "
            "that is there, and the trained model.",
            metavar="MODEL...",
        ),
    ],
    data: Annotated[
        str | None, typer.Option(help="Held-out rows: a file, folder or Hub data set. Default: those of the first run.")
    ] = None,
    rows: Mapping[str, Any] = HELD_OUT,
    control: Annotated[
        bool, typer.Option("--control", help="Also a model of the first one's configuration with random weights.")
    ] = False,
    metric: Annotated[str, typer.Option(help="ndcg@K, recall@K or mrr@10.")] = HEADLINE,
    layers: Annotated[
        str | None, typer.Option(help="Comma-separated layers; 0 is the embeddings. Default: all.")
    ] = None,
    pairs: Annotated[int, typer.Option(min=2, help="Queries of the batch whose gradient is measured.")] = PROBE_PAIRS,
    binding_queries: Annotated[
        int,
        typer.Option(
            min=0,
            help="Queries of the local-binding test, with three small pages each, which are drawn (or written, for a "
            "model that reads no images). 0 leaves the test out.",
        ),
    ] = BINDING_QUERIES,
    output: Annotated[Path | None, typer.Option(help="Write probe.json and probe.png to this folder.")] = None,
    batch_size: BatchSize = BATCH_SIZE,
    reading: Mapping[str, Any] = READING,
) -> None:
    """Measure every layer: how well late interaction over its states retrieves, how the states lie in space, how many
    document tokens ever win, how much of a pooled loss's gradient reaches each kind of token, and whether scores keep
    what stands beside what.
    """
    from smart_train.evaluation.probe import check_probe_folder, probe, save_probes
    from smart_train.evaluation.probe_tables import binding_table, gradient_table, probe_table
    from smart_train.evaluation.tuning_grid import check_metric
    from smart_train.models import SmartModel
    from smart_train.recipe.sections import filled
    from smart_train.run import build
    from smart_train.utils.console import bars

    with naming_options("metric"):
        check_metric(metric)
    if output is not None:
        check_folder("--output", output)
        with rewritten("--output {}".format):
            check_probe_folder(output)
    layer_numbers = _numbers(layers)
    members = [member for model in models for member in _members(model)]
    meant = rows_to_measure(models[0], "measure", data=data, rows=rows, reading=reading)
    name = filled(meant.data.reported)
    usable = read_rows(meant, name, None if data is None else "--data")
    held_out = build.evaluation_set(meant, name, usable)
    results: list[ProbeResult] = []
    for label, folder in members:
        model = open_model(folder, reading)
        named = [(label, model)]
        if control and not results:
            drawn = SmartModel.from_config(
                model.family.folder,
                family=model.family.name,
                prompts=model.family.prompts,
                scoring=model.scoring,
                seed=_CONTROL_SEED,
            )
            named.insert(0, ("random weights", drawn))
        for title, one in named:
            with naming_options("layers"):
                measured = probe(
                    one,
                    held_out,
                    name=title,
                    metric=metric,
                    layers=layer_numbers,
                    pairs=pairs,
                    binding_queries=binding_queries,
                    batch_size=batch_size,
                    show_progress_bar=bars(),
                )
            results.append(measured)
    console = plain_console()  # a model's name may hold brackets
    console.print(probe_table(results))
    console.print(gradient_table(results))
    if binding_queries:
        console.print(binding_table(results))
    if output is not None:
        console.print(f"Every figure: {save_probes(results, output)}")


def _members(model: str) -> list[tuple[str, str]]:
    """Name in tables, and folder or Hub id, of what is measured for MODEL. Of a run: its start, checkpoints, result."""
    from smart_train.run.folder import RUN_FILE, open_finished
    from smart_train.training.checkpoint_search import checkpoints, step_of
    from smart_train.utils.manifest import fault

    run = Path(model)
    if not (run / RUN_FILE).is_file():
        return [(run.name or model, model)]
    recipe = open_finished(run)
    start = str(run / "base") if recipe.model.from_config is not None else recipe.model.name_or_path
    members = [(f"{run.name}, start", start)]
    for checkpoint in reversed(checkpoints(run)):
        broken = fault(checkpoint, contents=False)  # as after a kill while it was written
        if broken is None:
            members.append((f"{run.name}, step {step_of(checkpoint)}", str(checkpoint)))
        else:
            plain_console().print(f"{checkpoint}: left out, {broken}")
    return [*members, (f"{run.name}, trained", str(run / "final"))]


def _numbers(layers: str | None) -> list[int] | None:
    try:
        return None if layers is None else [int(part) for part in layers.split(",")]
    except ValueError as error:
        raise RunError(f"--layers {layers}: must be whole numbers, separated by commas") from error
