"""The outcome of one evaluation, query by query."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

from smart_train.errors import DataError
from smart_train.utils.atomic import write_json
from smart_train.utils.counts import counted


@dataclass(frozen=True)
class EvaluationResult:
    """What every query scored, under each of the three scores.

    Args:
        query_ids: the queries, in order.
        per_query: score ("pooled", "late", "hybrid"; of a model that is late only, "late" alone) -> metric -> one value
            per query, in the order of `query_ids`.
        documents: size of the corpus.
        chance: metric -> expectation of a random ranking of this corpus.
        scoring: the `ScoringConfig` in force, as a dictionary (its weights make "hybrid").
        measured_on: the name of the evaluation set; empty where it has none.
        own: how many queries are documents of the corpus themselves, each left out of its own ranking.
        query_texts: what each query asks, in the order of `query_ids`; an image or a video in words. Empty in results
            of version 0.1.0, as are the four below.
        relevant: per query {document id: grade}, of the documents that answer it.
        found: score -> per query the ids of the first documents of its ranking, best first.
        document_texts: id -> the beginning of the text, of documents without an image or a video in `found` and
            `relevant`: their ids are often digests, which tell a reader nothing.
        document_bytes: mean bytes of a document's embeddings as they were scored: of "pooled" (its vector) and of
            "tokens" (its kept token states).
    """

    query_ids: list[str]
    per_query: dict[str, dict[str, list[float]]]
    documents: int
    chance: dict[str, float]
    scoring: dict[str, Any]
    measured_on: str = ""
    own: int = 0
    query_texts: list[str] = field(default_factory=list)
    relevant: list[dict[str, int]] = field(default_factory=list)
    found: dict[str, list[list[str]]] = field(default_factory=dict)
    document_texts: dict[str, str] = field(default_factory=dict)
    document_bytes: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for score, columns in self.per_query.items():
            for metric, values in columns.items():
                if len(values) != len(self.query_ids):
                    raise DataError(
                        f"evaluation result: {score} {metric} has {len(values)} values for "
                        f"{len(self.query_ids)} queries"
                    )
        listed: dict[str, Sequence[Any]] = {"query_texts": self.query_texts, "relevant": self.relevant, **self.found}
        for name, items in listed.items():
            if items and len(items) != len(self.query_ids):
                raise DataError(f"evaluation result: {name} has {len(items)} entries for {len(self.query_ids)} queries")

    @property
    def own_score(self) -> str:
        """The score that the model ranks by: hybrid, or late where that is its only one."""
        return "hybrid" if "hybrid" in self.per_query else next(iter(self.per_query))

    @property
    def title(self) -> str:
        """How many queries were asked of how many documents, and which they were."""
        rows = f"{self.measured_on}: " if self.measured_on else ""
        queries, documents = counted(len(self.query_ids), "query", "queries"), counted(self.documents, "document")
        left_out = f" ({self.own} queries are documents too, each left out of its own ranking)" if self.own else ""
        return f"{rows}{queries} against {documents}{left_out}"

    @property
    def metrics(self) -> dict[str, dict[str, float]]:
        """Score -> metric -> mean over the queries."""
        return {
            score: {metric: math.fsum(values) / len(values) for metric, values in columns.items()}
            for score, columns in self.per_query.items()
        }

    def flat(self, prefix: str = "eval_") -> dict[str, float]:
        """The means under one name each, as a trainer logs them: {"eval_hybrid_ndcg@5": ...}."""
        return {
            f"{prefix}{score}_{metric}": value
            for score, columns in self.metrics.items()
            for metric, value in columns.items()
        }

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON. "metrics" and "queries" are there for the reader; `from_dict` derives them again."""
        return {
            "metrics": self.metrics,
            "queries": len(self.query_ids),
            "documents": self.documents,
            "chance": self.chance,
            "scoring": self.scoring,
            "measured_on": self.measured_on,
            **({"own": self.own} if self.own else {}),
            "query_ids": self.query_ids,
            "per_query": self.per_query,
            "query_texts": self.query_texts,
            "relevant": self.relevant,
            "found": self.found,
            "document_texts": self.document_texts,
            "document_bytes": self.document_bytes,
        }

    def records(self) -> list[dict[str, Any]]:
        """One plain record per query, for a data frame: its id, text, relevant documents, what each score found, and
        every metric as "hybrid_ndcg@5"."""
        rows: list[dict[str, Any]] = []
        for place, query in enumerate(self.query_ids):
            row: dict[str, Any] = {"query_id": query}
            row |= {"query": self.query_texts[place]} if self.query_texts else {}
            row |= {"relevant": list(self.relevant[place])} if self.relevant else {}
            row |= {f"found_{score}": documents[place] for score, documents in self.found.items()}
            row |= {
                f"{score}_{metric}": values[place]
                for score, columns in self.per_query.items()
                for metric, values in columns.items()
            }
            rows.append(row)
        return rows

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> EvaluationResult:
        """The result that `to_dict` wrote; DataError when a field is missing."""
        needed = [item.name for item in fields(cls) if item.default is MISSING and item.default_factory is MISSING]
        missing = [name for name in needed if name not in values]
        if missing:
            raise DataError(f"evaluation result: {', '.join(missing)} missing; this is not a saved evaluation result")
        return cls(**{item.name: values[item.name] for item in fields(cls) if item.name in values})

    def save(self, path: str | Path) -> Path:
        """Writes JSON through a temporary name and a move."""
        return write_json(path, self.to_dict())

    @classmethod
    def load(cls, path: str | Path) -> EvaluationResult:
        """Reads what `save` wrote; DataError with the path when the file is absent or something else."""
        try:
            values = json.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise DataError(f"evaluation result {path}: cannot be read ({error.strerror})") from error
        except ValueError as error:
            raise DataError(
                f"evaluation result {path}: is not JSON ({error}); name a file that `smart-train evaluate --output` or "
                "EvaluationResult.save wrote"
            ) from error
        if not isinstance(values, dict):
            raise DataError(f"evaluation result {path}: holds no JSON object")
        return cls.from_dict(values)
