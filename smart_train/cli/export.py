"""`smart-train export`: a run's trained model as a standard transformers folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from smart_train.cli.output import plain_console
from smart_train.errors import RunError


def export(
    run: Annotated[Path, typer.Argument(help="A run folder, or an adapter or checkpoint.", metavar="RUN")],
    output: Annotated[Path | None, typer.Option(help="Where to write; RUN/export if not given.")] = None,
    dtype: Annotated[
        Literal["float32", "bfloat16", "float16"] | None,
        typer.Option(help="Of the exported weights; what the run's recipe says if not given."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing output.")] = False,
) -> None:
    """Merge what RUN trained into its base, and refuse to finish unless the result scores like the trained model."""
    from smart_train.build import card_facts
    from smart_train.export import export_model
    from smart_train.run_folder import RUN_FILE, fingerprints, open_finished

    trained, facts = run, None
    if (run / RUN_FILE).is_file():
        recipe = open_finished(run)
        trained, output, dtype = run / "final", output or run / "export", dtype or recipe.export.dtype
        facts = card_facts(recipe, run, fingerprints(run))
    if output is None:
        raise RunError(f"{run}: no run folder, so the place to write is not known; name it with --output")
    report = export_model(trained, output, dtype=dtype or "float32", overwrite=overwrite, facts=facts)
    plain_console().print(f"Exported to {output}; {report}")
