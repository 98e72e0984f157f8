"""`smart-train verify`: does an exported folder still give what it gave when it was exported?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from smart_train.cli.output import plain_console


def verify(
    folder: Annotated[Path, typer.Argument(help="What `smart-train export` wrote.", metavar="DIR")],
    tolerance: Annotated[
        float, typer.Option(min=0.0, help="Largest difference of a coordinate or a score that passes.")
    ] = 1e-4,
    vllm: Annotated[
        str | None, typer.Option(help="Also through the vLLM server at this address, which holds DIR.", metavar="URL")
    ] = None,
) -> None:
    """Read DIR through every library that is installed and compare with its golden.safetensors.

    Prints the largest difference of each; ends with status 2 when one is larger than the tolerance.
    """
    from smart_train.export.routes import vllm_route
    from smart_train.export.verify import check_reports, measure_routes

    reports = measure_routes(folder, [] if vllm is None else [vllm_route(vllm)])
    for report in reports:
        plain_console().print(str(report))
    check_reports(folder, reports, tolerance)
