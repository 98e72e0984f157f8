"""`smart-train export`: a run's trained model as a standard transformers folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, cast

import typer

from smart_train.cli.arguments import BasePath, FamilyName, TrustRemoteCode
from smart_train.cli.output import plain_console
from smart_train.errors import ExportError, RunError


def export(
    run: Annotated[
        Path | None, typer.Argument(help="A run folder, or an adapter or checkpoint.", metavar="RUN")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Where to write; RUN/export (or RUN/adapter) if not given.")
    ] = None,
    dtype: Annotated[
        Literal["float32", "bfloat16", "float16"] | None,
        typer.Option(
            help="Data type of the merged weights. Default: the recipe's export.dtype, else that of the base "
            "checkpoint."
        ),
    ] = None,
    only: Annotated[
        Literal["merged", "adapter"],
        typer.Option(help="merged: the whole model. adapter: only the trained weights, with the name of their base."),
    ] = "merged",
    adapter: Annotated[
        list[str] | None,
        typer.Option(
            help="Instead of RUN: an adapter and its weight. Repeat the option for each adapter to mix.",
            metavar="DIR=WEIGHT",
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing output.")] = False,
    family: FamilyName = None,
    trust_remote_code: TrustRemoteCode = False,
    base: BasePath = None,
) -> None:
    """Merge the weights that RUN trained into its base. Fails unless the result scores like the trained model."""
    from smart_train.export import CardFacts, export_adapter, export_model
    from smart_train.run.build import card_facts, export_dtype
    from smart_train.run.folder import RUN_FILE, earlier_ends, fingerprints, open_finished

    if (run is None) == (not adapter):
        raise ExportError("give either RUN, or --adapter DIR=WEIGHT once for each adapter to mix")
    trained: Path | dict[str | Path, float] = run if run is not None else _weights(adapter or [])
    facts: CardFacts | None = None
    if run is not None and (run / RUN_FILE).is_file():
        recipe = open_finished(run)
        trained, output = run / "final", output or run / ("export" if only == "merged" else "adapter")
        facts = card_facts(recipe, run, fingerprints(run), earlier_ends(run))
        trust_remote_code = trust_remote_code or recipe.model.trust_remote_code
        if only == "merged":
            dtype = dtype or cast(Any, export_dtype(recipe, run))
    if output is None:
        raise RunError(f"{run or 'a mixture'}: not a run folder, so there is no default output; pass --output")
    how: dict[str, Any] = {"overwrite": overwrite, "facts": facts, "trust_remote_code": trust_remote_code, "base": base}
    if only == "merged":
        report = export_model(trained, output, dtype=dtype, family=family, **how)
        plain_console().print(f"Exported to {output}; {report}")
        return
    if family is not None:
        raise ExportError(
            "--family cannot change an adapter exported with --only adapter; leave it out, or use --only merged"
        )
    if isinstance(trained, dict):
        raise ExportError("--only adapter: a mixture of adapters can only be exported merged; leave the option out")
    reports = export_adapter(trained, output, **how)
    plain_console().print("\n  ".join([f"Exported to {output}", *map(str, reports)]))


def _weights(named: list[str]) -> dict[str | Path, float]:
    weights: dict[str | Path, float] = {}
    for item in named:
        name, _, weight = item.rpartition("=")
        try:
            weights[name] = float(weight)
        except ValueError:
            name = ""
        if not name:
            raise ExportError(f"--adapter {item!r}: must read DIR=WEIGHT, such as runs/a/final=0.7")
    return weights
