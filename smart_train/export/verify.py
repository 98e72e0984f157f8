"""Does a folder still give what it gave when it was exported, in every library that is installed here?"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from smart_train.errors import ExportError, first_line
from smart_train.export.golden import Golden
from smart_train.export.parity_record import REPORT_NAME, check_record
from smart_train.export.routes import Reading, Route, routes_of
from smart_train.utils.defaults import TOLERANCE


@dataclass(frozen=True)
class RouteReport:
    """How far one library is from `golden.safetensors`.

    Attributes:
        differences: what -> largest absolute difference; infinite where numbers are missing or too many. Empty where
            the route was not run.
        skipped: why it was not run, None where it was.
        failure: what the library said instead of giving an answer, None where it gave one.
        needs: what else must be installed for it, and why; None where nothing.
    """

    route: str
    differences: dict[str, float]
    skipped: str | None = None
    failure: str | None = None
    needs: str | None = None

    @property
    def largest(self) -> float:
        return math.inf if self.failure is not None else max(self.differences.values(), default=0.0)

    def __str__(self) -> str:
        if self.skipped is not None:
            return f"{self.route}: not run, {self.skipped}"
        if self.failure is not None:
            return f"{self.route}: fails, {self.failure}"
        parts = ", ".join(f"{name} {value:.1e}" for name, value in self.differences.items())
        needs = f"; {self.needs}" if self.needs is not None else ""
        return f"{self.route}: largest difference {self.largest:.1e} ({parts}){needs}"

    def to_dict(self) -> dict[str, Any]:
        """For JSON, which cannot hold infinity: it is written as null."""
        if self.skipped is not None:
            return {"skipped": self.skipped}
        if self.failure is not None:
            return {"failure": self.failure}
        return {name: value if math.isfinite(value) else None for name, value in self.differences.items()}


def verify_folder(
    folder: str | Path, *, tolerance: float = TOLERANCE, base: str | Path | None = None
) -> list[RouteReport]:
    """Reads `folder` through every library that is installed and compares with its `golden.safetensors`.

    Args:
        folder: an export: merged weights, or an adapter with its base in reach.
        tolerance: largest absolute difference of a coordinate or a score.
        base: where an adapter's base lies, if not where its folder says.

    Returns:
        A report per route, those that could not be run here included.

    Raises:
        ExportError: no export, a route beyond `tolerance` (every route is named), or a file that is not what was
            verified then.
    """
    reports = measure_routes(Path(folder), base=base)
    check_reports(Path(folder), reports, tolerance)
    return reports


def check_reports(folder: Path, reports: Iterable[RouteReport], tolerance: float = TOLERANCE) -> None:
    """Raises ExportError when a route of `folder` is beyond `tolerance`, or its files are not those on record: what is
    damaged need not show in the few inputs that are compared."""
    failed = [str(report) for report in reports if not report.largest <= tolerance]
    if failed:
        raise ExportError(
            f"FAILED: {folder}: its results differ from those at export; allowed {tolerance:.0e}:\n" + "\n".join(failed)
        )
    if (folder / REPORT_NAME).is_file():
        check_record(folder)


def measure_routes(folder: Path, others: Sequence[Route] = (), *, base: str | Path | None = None) -> list[RouteReport]:
    """As `verify_folder`, without a verdict, and through `others` too."""
    if not folder.is_dir():
        raise ExportError(f"{folder}: no such folder")
    golden = Golden.load(folder)
    return [_measure(route, folder, golden) for route in (*routes_of(folder, base), *others)]


def _measure(route: Route, folder: Path, golden: Golden) -> RouteReport:
    obstacle, needs = route.obstacle(folder), route.needs(folder)
    if obstacle is not None:
        return RouteReport(route.name, {}, skipped=obstacle, needs=needs)
    try:
        reading = route.read(folder, golden)
    except Exception as error:  # whatever a library raises, that it cannot read the folder is the finding
        return RouteReport(route.name, {}, failure=f"{type(error).__name__}: {first_line(error)}")
    return RouteReport(route.name, _differences(reading, golden), needs=needs)


def _differences(reading: Reading, golden: Golden) -> dict[str, float]:
    queries, documents = golden.embeddings["query"], golden.embeddings["document"]
    expected = golden.scores
    if reading.documents is not None:
        documents = documents[reading.documents]
        expected = {name: scores[:, reading.documents] for name, scores in golden.scores.items()}
    differences = {}
    if reading.pooled is not None:
        pairs = zip(reading.pooled, (queries.pooled, documents.pooled), strict=True)
        differences["pooled vectors"] = max(_distance(mine, theirs) for mine, theirs in pairs)
        differences["pooled scores"] = _distance(reading.pooled[0] @ reading.pooled[1].T, expected["pooled"])
    if reading.tokens is not None:
        pairs = zip((*reading.tokens[0], *reading.tokens[1]), (*queries.tokens, *documents.tokens), strict=True)
        differences["tokens"] = max(_distance(mine, theirs) for mine, theirs in pairs)
    for name in ("late", "hybrid"):
        scores = getattr(reading, name)
        if scores is not None:
            differences[f"{name} scores"] = _distance(scores, expected[name])
    return differences


def _distance(mine: Tensor, theirs: Tensor) -> float:
    """Largest absolute difference; infinite where the shapes differ (other tokens were kept) or a number is NaN."""
    if mine.shape != theirs.shape or not bool(mine.isfinite().all()):
        return math.inf
    return float((mine.float() - theirs).abs().max()) if mine.numel() else 0.0
