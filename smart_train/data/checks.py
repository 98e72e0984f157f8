"""Reads every row once before a run starts: what cannot be used is found now, not at step 9,000."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from tqdm.auto import tqdm

from smart_train.data.contents import Fewest, RowContents, kinds_listed
from smart_train.data.input_checks import InputCheck
from smart_train.data.lengths import Fits, Side
from smart_train.data.rows import ExampleRows
from smart_train.errors import DataError, MissingExtra, causes, listing
from smart_train.inputs.images import verify_image
from smart_train.types import Example
from smart_train.utils.counts import counted
from smart_train.utils.cpu import usable_cores
from smart_train.utils.threads import in_threads


@dataclass
class CheckReport:
    """What the check of one source found: `kept` of `total` rows are usable; `problems` names the others, one line each
    with source, row and rule. `pages`: further rows that ask nothing and are documents to be found.

    Of the usable rows, `kinds` says how many "queries", "positives" and "negatives" are text, image or video,
    `documents` how many different documents they bring as candidates (of several sources: at least so many), and
    `fewest` how many of them may meet in a batch.
    `columns`: a line for each source that has columns, which are used and which ignored.
    """

    total: int
    kept: int
    problems: list[str] = field(default_factory=list)
    pages: int = 0
    kinds: dict[str, dict[str, int]] = field(default_factory=dict)
    documents: int | None = None
    fewest: Fewest | None = None
    columns: list[str] = field(default_factory=list)

    @classmethod
    def joined(cls, reports: Sequence[CheckReport], names: Sequence[str]) -> CheckReport:
        """The report on several sources of these names together."""
        kinds: dict[str, Counter[str]] = {}
        for report in reports:
            for side, counts in report.kinds.items():
                kinds.setdefault(side, Counter()).update(counts)
        return cls(
            total=sum(report.total for report in reports),
            kept=sum(report.kept for report in reports),
            pages=sum(report.pages for report in reports),
            problems=[problem for report in reports for problem in report.problems],
            kinds={side: dict(counts) for side, counts in kinds.items()},
            # Of them all there are at least as many as of one source; two sources may bring the same ones.
            documents=max((report.documents for report in reports if report.documents is not None), default=None),
            fewest=min(
                (
                    report.fewest._replace(kind=", ".join(filter(None, [name, report.fewest.kind])))
                    for name, report in zip(names, reports, strict=True)
                    if report.fewest is not None
                ),
                default=None,
            ),
            columns=[line for report in reports for line in report.columns],
        )

    def summary(self) -> str:
        """One line for clean data; otherwise the count and the first problems, one per line."""
        if not self.problems:
            pages = f", and {counted(self.pages, 'page')} without a query" if self.pages else ""
            return f"{counted(self.total, 'row')}{pages}"
        skipped = self.total - self.kept
        return f"{self.kept} of {counted(self.total, 'row')}, {skipped} skipped:\n{listing(causes(self.problems))}"

    def details(self) -> list[tuple[str, str]]:
        """What the rows hold, and the columns that are used and ignored: labels and values, to be printed below the
        summary."""
        lines = {"inputs": kinds_listed(self.kinds), "columns": "; ".join(self.columns)}
        return [(label, line) for label, line in lines.items() if line]


def check_examples(
    examples: Sequence[Example],
    on_error: Literal["fail", "skip"] = "fail",
    *,
    negatives_per_query: int = 0,
    scores: bool = False,
    workers: int | None = None,
    decode: Callable[[Any], None] = verify_image,
    reads: Collection[str] | None = None,
    fits: Fits | None = None,
    documents_used: int | None = None,
) -> tuple[Sequence[Example], CheckReport]:
    """Builds every row, decodes every image and video, and looks for queries and documents that say nothing.

    Args:
        examples: the rows, as `load_examples` gives them.
        on_error: "fail" raises when any row has a problem; "skip" leaves such rows out.
        negatives_per_query: rows with fewer explicit negatives than this have a problem.
        scores: rows without a teacher's score of the positive and of each of these negatives have a problem.
        workers: threads (Pillow decodes outside Python's global lock); default: one per core, at most 16.
        decode: called with every image reference, raises DataError; files named by many rows are decoded once.
        reads: what the model reads of "text", "image" and "video": rows that hold another of them have a problem. None
            takes all of them.
        fits: asked of every query, and of the first `documents_used` documents of a row (None: all of them): rows with
            an input that is too long for the model have a problem. None takes every length.

    Returns:
        The usable rows (a view, still lazy, when `examples` is one) and the report.

    Raises:
        DataError: lists all problems found, the first 20 in full; or no row is left.
        MissingExtra: a row holds a video file, and nothing that could read it is installed. Whatever `on_error` is.
    """
    checker = _RowChecker(examples, decode, negatives_per_query, scores, reads, fits, documents_used)
    checked = in_threads(checker, range(len(examples)), workers or min(usable_cores(), 16))
    # disable=None shows the bar on a terminal only
    problems = list(tqdm(checked, total=len(examples), desc="checking rows", leave=False, disable=None))
    for index, problem in checker.clashes().items():
        problems[index] = problems[index] or problem
    listed = [problem for problem in problems if problem is not None]
    usable = [index for index, problem in enumerate(problems) if problem is None]
    if listed and on_error == "fail":
        raise DataError(
            f"{len(listed)} of {len(examples)} rows cannot be used (data.on_error: skip leaves them out):\n"
            + listing(causes(listed))
        )
    if not usable:
        raise DataError(
            f"no rows are left of {len(examples)}:\n{listing(causes(listed))}" if listed else "there are no rows"
        )
    report = CheckReport(
        total=len(examples),
        kept=len(usable),
        problems=listed,
        pages=len(examples.pages) if isinstance(examples, ExampleRows) else 0,
        kinds=checker.contents.kinds(usable),
        documents=checker.contents.different_documents(usable),
        fewest=checker.contents.fewest_documents(usable),
        columns=examples.columns_used() if isinstance(examples, ExampleRows) else [],
    )
    if not listed:
        return examples, report
    if isinstance(examples, ExampleRows):
        return examples.select(usable), report
    return [examples[index] for index in usable], report


class _RowChecker:
    """index -> what is wrong with that row, or None. Safe to call from many threads."""

    def __init__(
        self,
        examples: Sequence[Example],
        decode: Callable[[Any], None],
        negatives: int,
        scores: bool,
        reads: Collection[str] | None,
        fits: Fits | None,
        documents_used: int | None,
    ) -> None:
        self.examples, self.negatives, self.scores, self.documents_used = examples, negatives, scores, documents_used
        self.inputs = InputCheck(decode, reads, fits)
        self.contents = RowContents(negatives)

    def __call__(self, index: int) -> str | None:
        try:
            example = self.examples[index]
            problem = self._problem(example)
            if problem is None:
                self.contents.add(index, example)
        except MissingExtra:  # no fault of the row
            raise
        except DataError as error:
            return str(error)
        return f"{example.where}: {problem}" if problem else None

    def clashes(self) -> dict[int, str]:
        """Row -> what is wrong with its document id, for rows whose id another row gives to another document. Training
        would take them all for the same document, and so for answers that must not be negatives."""
        problems = {}
        for index, (identity, other) in self.contents.clashes().items():
            problems[index] = (
                f"{self.examples[index].where}: the document id {identity!r} is given to another document in "
                f"{self.examples[other].where}{self._id_column()}; give each document its own id (a page of a PDF "
                "file: FILE.pdf#page=N), or name a column that does"
            )
        return problems

    def _id_column(self) -> str:
        """` (column NAME)` where the ids come from one."""
        reader = self.examples.reader if isinstance(self.examples, ExampleRows) else None
        name = None if reader is None else reader.called(reader.columns.document_id)
        return "" if name is None else f" (column {name!r})"

    def _problem(self, example: Example) -> str | None:
        if example.query.is_blank:
            return f"the query is empty{self._column(0)}; write one, or remove the row"
        for position, document in enumerate(example.documents):
            if document.is_blank:
                name = "positive" if position == 0 else f"negative {position - 1}"
                return f"the {name} is empty{self._column(position + 1)}; name a document, or remove the row"
        if len(example.documents) - 1 < self.negatives:
            return (
                f"has {len(example.documents) - 1} explicit negatives, but data.negatives_per_query is "
                f"{self.negatives}; add negatives, or lower it"
            )
        used = example.scores[: 1 + self.negatives] or (None,)
        if self.scores and None in used:
            place = used.index(None)
            return (
                f"has no score for its {f'negative {place - 1}' if place else 'positive'}; objective.distillation and "
                "positive_aware.by: teacher need a teacher's scores (smart-train mine writes them)"
            )
        for position, item in enumerate((example.query, *example.documents)):
            problem = self.inputs.fault(item, partial(self._column, position), "row")
            if problem:
                return problem
        for position, item in enumerate((example.query, *example.documents[: self.documents_used])):
            name = ("query", "positive")[position] if position < 2 else f"negative {position - 2}"
            role: Side = "document" if position else "query"
            problem = self.inputs.excess(item, role, name, partial(self._column, position), "row")
            if problem:
                return problem
        return None

    def _column(self, position: int, kind: str = "text") -> str:
        """` (column NAME)` of the query (0), the positive (1) or a negative (2, ...), where the source has columns and
        one alone can be meant. `kind`: of what is in it."""
        if not isinstance(self.examples, ExampleRows):
            return ""
        columns = self.examples.reader.columns
        asked_with = columns.query_image if kind == "image" and columns.query_image is not None else columns.query
        names = [asked_with, columns.positive]
        if len(columns.negatives) == 1:
            names += [columns.negatives[0]] * max(0, position - 1)
        name = names[position] if position < len(names) else None
        return "" if name is None else f" (column {self.examples.reader.called(name)!r})"
