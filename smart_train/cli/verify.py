"""`smart-train verify`: does an exported folder still give what it gave when it was exported?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from smart_train.cli.arguments import BasePath
from smart_train.cli.output import plain_console


def verify(
    folder: Annotated[Path, typer.Argument(help="A folder that `smart-train export` wrote.", metavar="DIR")],
    tolerance: Annotated[
        float, typer.Option(min=0.0, help="Largest difference of a coordinate or a score that is allowed.")
    ] = 1e-4,
    vllm: Annotated[
        str | None,
        typer.Option(help="Also check the vLLM server at this address, which must serve DIR.", metavar="URL"),
    ] = None,
    base: BasePath = None,
) -> None:
    """Load DIR with every library that is installed, and compare its vectors with golden.safetensors.

    Prints the largest difference for each library; exits with status 2 if one is above the tolerance.
    """
    from smart_train.export.routes import vllm_route
    from smart_train.export.verify import check_reports, measure_routes

    reports = measure_routes(folder, [] if vllm is None else [vllm_route(vllm)], base=base)
    for report in reports:
        plain_console().print(str(report))
    check_reports(folder, reports, tolerance)
