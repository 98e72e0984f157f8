"""Examples -> one batch of features, in the data loader's workers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, Protocol

import torch

from smart_train.data.keys import content_key, id_key
from smart_train.data.page_cache import PageCache
from smart_train.errors import DataError, SmartTrainError
from smart_train.types import Example, ModelInput

Role = Literal["query", "document"]


class Featurizer(Protocol):
    """What the collator needs of a model family."""

    def featurize(
        self, inputs: Sequence[ModelInput], role: Literal["query", "document"]
    ) -> dict[str, torch.Tensor]: ...


class PairCollator:
    """Rows -> queries, their positives, then their explicit negatives.

    Args:
        featurizer: turns inputs into the tensors of one forward (a model family).
        negatives_per_query: explicit negatives used of each row, the first ones. None: all that the rows have, which
            must be as many in each row of a batch; the rows of a mixture are cut to what their source uses.
        cache: keeps images on disk at the size that the model sees; None: they are decoded and resized every time.

    A batch of Q rows with n negatives each, and so N = Q * (1 + n) documents, is a dict of
        query, document: features; documents are the positives in row order, then the negatives row by row.
        positive: int64 [Q], the column of each query's positive, 0 .. Q - 1.
        query_keys: int64 [Q], equal for queries that ask the same.
        document_keys: int64 [N], equal for documents with the same id.
        document_contents: int64 [N], equal for documents with the same content, whatever their ids.
        owner: int64 [N], the query key of the row a document came with.
        teacher_scores: fp32 [Q, 1 + n], a teacher's scores of each query with its own documents, in
            the order of `own_documents`; NaN where the teacher gave none.
        own_documents: int64 [Q, 1 + n], the columns of each query's own documents: its positive,
            then its explicit negatives.
        rows: list of Q names, source and row, for messages.
    """

    def __init__(
        self, featurizer: Featurizer, *, negatives_per_query: int | None = 0, cache: PageCache | None = None
    ) -> None:
        if negatives_per_query is not None and negatives_per_query < 0:
            raise DataError(f"negatives_per_query is {negatives_per_query}; it must be at least 0")
        self.featurizer = featurizer
        self.negatives_per_query = negatives_per_query
        self.cache = cache

    def __call__(self, examples: Sequence[Example]) -> dict[str, Any]:
        """Raises DataError, which names the rows, when an image can no longer be read, a row has too few negatives or
        the model cannot take an input."""
        documents = [example.documents[0] for example in examples]
        identities = [example.document_ids[0] for example in examples]
        owners = list(range(len(examples)))
        negatives = self._negatives(examples)
        for index, example in enumerate(examples):
            stop = 1 + negatives
            if len(example.documents) < stop:
                raise DataError(
                    f"{example.where}: has {len(example.documents) - 1} explicit negatives, negatives_per_query is "
                    f"{negatives}"
                )
            documents.extend(example.documents[1:stop])
            identities.extend(example.document_ids[1:stop])
            owners.extend([index] * negatives)
        rows = [example.where for example in examples]
        try:
            query_keys = torch.tensor([content_key(example.query) for example in examples], dtype=torch.int64)
            contents = torch.tensor([content_key(document) for document in documents], dtype=torch.int64)
            query = self.featurizer.featurize(self._cached([example.query for example in examples]), "query")
            document = self.featurizer.featurize(self._cached(documents), "document")
        except SmartTrainError as error:
            raise DataError(f"{error} ({self._where(examples, negatives)})") from error
        return {
            "query": query,
            "document": document,
            "positive": torch.arange(len(examples)),
            "query_keys": query_keys,
            "document_keys": torch.tensor([id_key(identity) for identity in identities], dtype=torch.int64),
            "document_contents": contents,
            "owner": query_keys[torch.tensor(owners)],
            "teacher_scores": torch.tensor([_scores(example, negatives) for example in examples], dtype=torch.float32),
            "own_documents": _own_documents(len(examples), negatives),
            "rows": rows,
        }

    def _where(self, examples: Sequence[Example], negatives: int) -> str:
        """The rows of a batch that cannot be used each by itself; all where only the whole batch fails."""
        failing = [example.where for example in examples if not self._is_usable(example, negatives)]
        if failing:
            return f"in {'; '.join(failing)}"
        return f"in the batch of {'; '.join(example.where for example in examples)}"

    def _is_usable(self, example: Example, negatives: int) -> bool:
        try:
            self.featurizer.featurize(self._cached([example.query]), "query")
            self.featurizer.featurize(self._cached(list(example.documents[: 1 + negatives])), "document")
        except SmartTrainError:
            return False
        return True

    def _cached(self, inputs: list[ModelInput]) -> list[ModelInput]:
        return inputs if self.cache is None else [self.cache(item) for item in inputs]

    def _negatives(self, examples: Sequence[Example]) -> int:
        if self.negatives_per_query is not None:
            return self.negatives_per_query
        counts = {len(example.documents) - 1: example.where for example in examples}
        if len(counts) > 1:
            named = "; ".join(f"{where} has {count}" for count, where in counts.items())
            raise DataError(f"rows of one batch have different numbers of explicit negatives: {named}")
        return next(iter(counts))


def _scores(example: Example, negatives: int) -> list[float]:
    used = example.scores[: 1 + negatives] or (None,) * (1 + negatives)
    return [math.nan if score is None else score for score in used]


def _own_documents(queries: int, negatives: int) -> torch.Tensor:
    """int64 [Q, 1 + n]."""
    positives = torch.arange(queries).unsqueeze(1)
    return torch.cat([positives, queries + torch.arange(queries * negatives).view(queries, negatives)], dim=1)
