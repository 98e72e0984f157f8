"""All that a validation found, as numbers and findings; printed, written as JSON, and judged."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from smart_train.errors import DataError
from smart_train.models import Family
from smart_train.utils.atomic import is_temporary, write_text
from smart_train.utils.counts import counted
from smart_train.validation.findings import Finding, find_between, find_between_held_out, find_in_part
from smart_train.validation.language import language_mix
from smart_train.validation.reading import Part
from smart_train.validation.tokens import Tokens, count_tokens

if TYPE_CHECKING:
    from rich.console import Console

TRAIN = "train"
REPORT_FILE = "report.json"
_QUANTILES = {"least": 0, "median": 50, "p95": 95, "most": 100}


@dataclass
class ValidationReport:
    """What a validation found.

    Attributes:
        source: what was validated. findings: the errors first.
        statistics: part -> quantity -> a number, {"least", "median", "p95", "most", "mean"}, {name: count}, or a text.
        plan: label -> value of what the recipe will do with this data, such as its steps. Empty without a recipe.
        unchecked: what could not be looked at, with the reason.
    """

    source: str
    findings: list[Finding]
    statistics: dict[str, dict[str, Any]]
    plan: dict[str, str] = field(default_factory=dict)
    unchecked: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether no finding is an error."""
        return not any(finding.severity == "error" for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "source": self.source,
            "passed": self.passed,
            "findings": [finding.to_dict() for finding in self.findings],
            "statistics": self.statistics,
            "plan": self.plan,
            "unchecked": self.unchecked,
        }

    def save(self, folder: Path) -> Path:
        """Writes `report.json` into `folder`, in one step."""
        return write_text(folder / REPORT_FILE, json.dumps(self.to_dict(), indent=2, ensure_ascii=False) + "\n")


def report_folder(named: Path | None, source: str) -> Path:
    """Where the report of `source` goes: never over that of another source, nor among other files.

    Args:
        named: what the user named; None takes the first of data_report, data_report-2, ... that may be written.

    Raises:
        DataError: `named` may not be written.
    """
    if named is not None:
        held = _held(named)
        if held not in (None, source):
            what = f"the report of {held}" if held else "other files than a report"
            raise DataError(f"--output {named}: holds {what}; name another folder")
        return named
    names = (f"data_report-{number}" if number > 1 else "data_report" for number in count(1))
    return next(folder for folder in map(Path, names) if _held(folder) in (None, source))


def _held(folder: Path) -> str | None:
    """The source whose report `folder` holds, "" where it holds something else, None where it holds nothing."""
    file = folder / REPORT_FILE
    if not folder.is_dir() or all(map(is_temporary, folder.iterdir())):
        return "" if folder.exists() and not folder.is_dir() else None
    try:
        return str(json.loads(file.read_text(encoding="utf-8"))["source"])
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return ""


def validate(
    parts: Sequence[Part],
    *,
    source: str,
    family: Family | None = None,
    skips: bool = False,
    plan: Mapping[str, str] | None = None,
    plan_problems: Sequence[str] = (),
    unchecked: Sequence[str] = (),
) -> ValidationReport:
    """Checks parts that were read, each by itself, and the held-out ones against the training rows and each other.

    Args:
        parts: the one called "train" is what the others are held out from.
        family: counts tokens; None leaves them out, which `unchecked` then says.
        skips: rows that cannot be used are left out of the run (data.on_error: skip).
        plan, plan_problems: what follows from a recipe, and why it cannot run.
    """
    findings = [Finding("error", "recipe", "all", 1, problem) for problem in plan_problems]
    statistics: dict[str, dict[str, Any]] = {}
    unchecked = list(unchecked)
    if family is None:
        unchecked.append("tokens, truncation and memory: no model is known (they are counted for a recipe)")
    for part in parts:
        findings += find_in_part(part, skips=skips)
        tokens = count_tokens(part, family) if family is not None else None
        if tokens is not None:
            findings += tokens.findings
            if tokens.videos:
                unchecked.append(f"{part.name}: tokens of {tokens.videos} videos, which depend on their frames")
        statistics[part.name] = _statistics(part, tokens)
    asking = sorted((part for part in parts if part.asks), key=lambda part: part.name != TRAIN)
    for one, other in combinations(asking, 2):
        findings += find_between(one, other) if one.name == TRAIN else find_between_held_out(one, other)
    findings.sort(key=lambda finding: finding.severity != "error")
    return ValidationReport(source, findings, statistics, dict(plan or {}), unchecked)


def _statistics(part: Part, tokens: Tokens | None) -> dict[str, Any]:
    values: dict[str, Any] = {"rows": part.total, "usable rows": len(part.rows)}
    if part.asks:
        values["different queries"] = len({row.query for row in part.rows})
        values["documents with a query"] = len(part.positives)
    values["documents"] = len(part.documents)
    images = [facts for key in part.documents for facts in part.facts(key)]
    spread: dict[str, Sequence[float]] = {
        "queries of a document": [len(rows) for rows in part.positives.values()] if part.asks else [],
        "query characters": [len(row.query) for row in part.rows] if part.asks else [],
        "image width": [facts.width for facts in images],
        "image height": [facts.height for facts in images],
        "megapixels": [facts.pixels / 1e6 for facts in images],
        "query tokens": tokens.query if tokens is not None else [],
        "document tokens": tokens.document if tokens is not None else [],
        "visual tokens": tokens.visual if tokens is not None else [],
    }
    values |= {name: _quantiles(numbers) for name, numbers in spread.items() if numbers}
    if part.asks:
        values["languages of queries (estimate)"] = language_mix(row.query for row in part.rows)
        values |= {side: dict(counts) for side, counts in part.kinds.items() if counts}
        values |= {"columns": "; ".join(part.columns)} if part.columns else {}
    return values


def _quantiles(numbers: Sequence[float]) -> dict[str, float]:
    quantiles = {name: float(np.percentile(numbers, share)) for name, share in _QUANTILES.items()}
    return {name: round(value, 2) for name, value in {**quantiles, "mean": float(np.mean(numbers))}.items()}


def print_validation(report: ValidationReport, console: Console) -> None:
    """The numbers, the findings with their first examples, and whether it passed."""
    from rich.table import Table

    for part, values in report.statistics.items():
        table = Table(
            "", "count", "least", "median", "95 %", "most", "mean", title=part, title_justify="left", box=None
        )
        for name, value in values.items():
            if isinstance(value, dict) and "median" in value:
                table.add_row(name, "", *(f"{value[column]:,g}" for column in (*_QUANTILES, "mean")))
            elif not isinstance(value, dict | str):
                table.add_row(name, f"{value:,}")
        console.print(table)
        for name, value in values.items():
            if isinstance(value, dict) and value and "median" not in value:
                console.print(f"{name}: " + ", ".join(f"{key} {count:,}" for key, count in value.items()))
            elif isinstance(value, str):
                console.print(f"{name}: {value}")
        console.print()
    for label, value in report.plan.items():
        console.print(f"{label}: {value}")
    for reason in report.unchecked:
        console.print(f"not checked: {reason}")
    for finding in report.findings:
        console.print(
            f"\n{finding.severity.upper()} {finding.check} in {finding.part}, {finding.count}: {finding.message}"
        )
        for example in finding.examples[:5]:
            console.print(f"  {example}")
        if finding.count > 5 and len(finding.examples) > 5:
            console.print(f"  ... and {finding.count - 5} more")
    errors = sum(finding.severity == "error" for finding in report.findings)
    verdict = "PASSED" if report.passed else "FAILED"
    warnings = counted(len(report.findings) - errors, "kind of warning", "kinds of warnings")
    console.print(f"\n{verdict}: {counted(errors, 'kind of error', 'kinds of errors')}, {warnings}")
