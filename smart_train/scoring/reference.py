"""The score spelled out, one query and one document at a time. Slow on purpose: the oracle of the fast paths.

    late(q, d) = (1 / |M_q|) * sum over i in M_q of  max over j in M_d of  <h_i, h_j>

M are the kept tokens, h their states. The mean over the query's tokens keeps the late term on the cosine's scale,
beside the pooled cosine; `reduction="sum"` is ColBERT's.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

EMPTY_DOCUMENT_SCORE = -1e9
"""Late score of a document that keeps no token.

A maximum over nothing has no value. 0 would rank an empty document above every document with negative similarities;
-inf turns `0 * -inf` in the gradient of a learned temperature into NaN. A finite value far below any similarity ranks
the document last and gets exactly no weight and no gradient from a softmax.
"""


def maxsim_reference(
    queries: Sequence[Tensor], documents: Sequence[Tensor], *, reduction: str = "mean", normalize: bool = False
) -> Tensor:
    """Late scores of every query against every document, in fp64 and differentiable.

    Args:
        queries: one [T_i, d] float tensor per query. A query without tokens scores 0 against every document.
        documents: one [T_j, d] float tensor per document. A document without tokens scores `EMPTY_DOCUMENT_SCORE`.
        reduction: "mean" or "sum" over the query's tokens.
        normalize: divide every token state by its L2 norm first.

    Returns: fp64 [Q, N].
    """
    queries = [_prepared(item, normalize) for item in queries]
    documents = [_prepared(item, normalize) for item in documents]
    rows = [torch.stack([_one_score(query, item, reduction) for item in documents]) for query in queries if documents]
    return torch.stack(rows) if rows else torch.zeros(len(queries), len(documents), dtype=torch.float64)


def _prepared(tokens: Tensor, normalize: bool) -> Tensor:
    tokens = tokens.double()
    return torch.nn.functional.normalize(tokens, dim=1) if normalize else tokens


def _one_score(query: Tensor, document: Tensor, reduction: str) -> Tensor:
    if not len(document):
        return query.new_tensor(EMPTY_DOCUMENT_SCORE)
    if not len(query):
        return query.new_tensor(0.0)
    best = torch.stack([torch.stack([token @ state for state in document]).max() for token in query])
    return best.mean() if reduction == "mean" else best.sum()
