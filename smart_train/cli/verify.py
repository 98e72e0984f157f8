"""`smart-train verify`: does an exported folder still give what it gave when it was exported?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from smart_train.cli.arguments import BasePath
from smart_train.cli.output import plain_console
from smart_train.utils.defaults import TOLERANCE
from smart_train.utils.model_folders import find_model

if TYPE_CHECKING:
    from smart_train.export.verify import RouteReport


def verify(
    folder: Annotated[
        Path, typer.Argument(help="A folder that `smart-train export` wrote, or the run folder of it.", metavar="DIR")
    ],
    tolerance: Annotated[
        float, typer.Option(min=0.0, help="Largest difference of a coordinate or a score that is allowed.")
    ] = TOLERANCE,
    vllm: Annotated[
        str | None,
        typer.Option(help="Also check the vLLM server at this address, which must serve DIR.", metavar="URL"),
    ] = None,
    base: BasePath = None,
) -> None:
    """Load DIR with every library that is installed, and compare its vectors with golden.safetensors.

    Prints the largest difference for each library, and a verdict; exits with status 2 if one is above the tolerance.
    """
    from smart_train.export.routes import vllm_route
    from smart_train.export.verify import check_reports, measure_routes

    folder = Path(find_model(folder))
    reports = measure_routes(folder, [] if vllm is None else [vllm_route(vllm)], base=base)
    for report in reports:
        plain_console().print(str(report))
    check_reports(folder, reports, tolerance)
    plain_console().print(_verdict(folder, reports, tolerance))


def _verdict(folder: Path, reports: Sequence[RouteReport], tolerance: float) -> str:
    """The last line, of reports that are all within `tolerance`."""
    run = [report.largest for report in reports if report.skipped is None]
    if not run:
        return f"NOT CHECKED: none of the {len(reports)} ways to read {folder} could be run here, as said above"
    left = f"; {len(reports) - len(run)} not run" if len(run) < len(reports) else ""
    return (
        f"PASSED: {len(run)} of {len(reports)} ways to read {folder} give what it gave at its export (differences up "
        f"to {max(run):.1e}; allowed {tolerance:.0e}){left}"
    )
