"""One query and one document, and what each token adds to their score.

    score = pooled_weight * pooled + sum over the query's tokens i of share_i
    share_i = late_weight * best_i / |M_q|        best_i = max over the document's tokens j of <q_i, d_j>

All numbers come from `smart_train.scoring`: the similarity of two tokens is the late score of a query of one token and
a document of one token.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from smart_train.errors import DataError
from smart_train.explain.tokens import SeenToken, seen_tokens
from smart_train.inputs.model_input import as_model_input
from smart_train.models import SmartModel
from smart_train.scoring import ScoringConfig, combine, maxsim, score_parts
from smart_train.scoring.embeddings import Embeddings
from smart_train.types import ModelInput


@dataclass(frozen=True)
class Explanation:
    """The score of one query and one document, token by token.

    Shapes: Tq and Td are the kept tokens of the query and of the document.

    Attributes:
        query, document: what was encoded.
        query_prompt, document_prompt: all tokens of their prompts, as the model saw them.
        similarities: fp32 [Tq, Td], of every kept token of the query and every one of the document.
        best: fp32 [Tq], the largest of each row: what late interaction counts.
        pooled, late, score: the two parts, and their sum under the weights of `scoring`. `pooled` is None of a model
            that is late only.
    """

    query: ModelInput
    document: ModelInput
    query_prompt: tuple[SeenToken, ...]
    document_prompt: tuple[SeenToken, ...]
    similarities: Tensor
    best: Tensor
    pooled: float | None
    late: float
    score: float
    scoring: ScoringConfig

    @cached_property
    def query_tokens(self) -> list[SeenToken]:
        """The kept tokens of the query, parallel to the rows of `similarities`."""
        return [token for token in self.query_prompt if token.kept]

    @cached_property
    def document_tokens(self) -> list[SeenToken]:
        """The kept tokens of the document, parallel to the columns of `similarities`."""
        return [token for token in self.document_prompt if token.kept]

    @cached_property
    def winners(self) -> list[int]:
        """For each kept token of the query, the place among `document_tokens` of the one that it matches best; of
        several that match equally well, the first."""
        return self.similarities.argmax(dim=1).tolist()

    @property
    def shares(self) -> Tensor:
        """fp32 [Tq]: what each kept token of the query adds to the score."""
        return self.scoring.late_weight * self.best / len(self.best)

    @property
    def pooled_share(self) -> float:
        """What the pooled vectors add to the score; 0 where there are none."""
        return 0.0 if self.pooled is None else self.scoring.pooled_weight * self.pooled

    @property
    def sum(self) -> str:
        """The score as its parts and their weights, for readers."""
        weights = self.scoring
        pooled = "" if self.pooled is None else f"{weights.pooled_weight:g} x pooled {self.pooled:.4f} + "
        return f"{self.score:.4f} = {pooled}{weights.late_weight:g} x late {self.late:.4f}"

    @property
    def shares_text(self) -> str:
        """What both parts add to the score, for readers."""
        pooled = "" if self.pooled is None else f"pooled {self.pooled_share:.3f} + "
        return f"{pooled}late {self.score - self.pooled_share:.3f}"

    def heat(self, token: int | None) -> Tensor:
        """fp32 [Td]: how well each kept token of the document matches one of the query (its place among
        `query_tokens`). None: how much of the late part each of them wins; it adds up to `late`. (The mean over the
        query's tokens was rejected: what is alike to every word, such as blank paper, is darkest then.)"""
        if token is not None:
            return self.similarities[token]
        won = self.best.new_zeros(self.similarities.shape[1])
        return won.index_add_(0, torch.tensor(self.winners, device=won.device), self.best / len(self.best))

    def won(self) -> dict[int, list[int]]:
        """Place of each document token that wins anything -> places of the query tokens that it wins for."""
        tokens_won: dict[int, list[int]] = {}
        for token, winner in enumerate(self.winners):
            tokens_won.setdefault(winner, []).append(token)
        return tokens_won

    @property
    def on_images(self) -> float:
        """The share of the query's tokens whose best match lies on an image, 0 to 1."""
        return sum(self.document_tokens[winner].image is not None for winner in self.winners) / len(self.winners)

    def records(self) -> list[dict[str, Any]]:
        """One plain record for each kept token of the query, as data frames take them: `token`, `best`, `share`,
        `match` and, where the match lies on an image, `image` (from 0) and `box`."""
        rows = []
        for token, best, share, winner in zip(
            self.query_tokens, self.best.tolist(), self.shares.tolist(), self.winners, strict=True
        ):
            match = self.document_tokens[winner]
            place = {} if match.image is None else {"image": match.image, "box": match.box}
            rows.append({"token": token.name, "best": best, "share": share, "match": match.name, **place})
        return rows


def explain(model: SmartModel, query: Any, document: Any) -> Explanation:
    """Why `document` scores as it does for `query`, by the model's own weights and token filters.

    Args:
        query, document: one of what `encode_query` takes: text, a page (path, address, bytes, PIL image), a mapping of
            text and images, or a ModelInput.

    Raises:
        DataError: several documents, one that holds nothing, or an image that cannot be read. ModelError: a video, or
            an image where the model reads none.
    """
    query_input, document_input = (_single(value, what) for value, what in ((query, "query"), (document, "document")))
    seen = seen_tokens(model.family, query_input, "query"), seen_tokens(model.family, document_input, "document")
    queries, documents = model.encode_query([query_input]), model.encode_document([document_input])
    for embeddings, tokens, what in ((queries, seen[0], "query"), (documents, seen[1], "document")):
        count = sum(token.kept for token in tokens)
        assert len(embeddings.packed) == count, f"{what}: {len(embeddings.packed)} states for {count} kept tokens"
    parts = score_parts(queries, documents, pooled=not queries.late_only)
    return Explanation(
        query=query_input,
        document=document_input,
        query_prompt=tuple(seen[0]),
        document_prompt=tuple(seen[1]),
        similarities=maxsim(_one_each(queries), _one_each(documents)),
        best=maxsim(_one_each(queries), (documents.packed, documents.offsets))[:, 0],
        pooled=None if parts.pooled is None else float(parts.pooled),
        late=float(parts.of("late")),
        score=float(combine(parts, model.scoring)),
        scoring=model.scoring,
    )


def _one_each(embeddings: Embeddings) -> tuple[Tensor, Tensor]:
    """The tokens of a set, each an item of its own."""
    return embeddings.packed, torch.arange(len(embeddings.packed) + 1, device=embeddings.device)


def _single(value: Any, what: str) -> ModelInput:
    if isinstance(value, (list, tuple)):
        raise DataError(f"explain: {len(value)} {what} inputs were given; it explains one query and one document")
    item = as_model_input(value)
    if item.is_blank:
        raise DataError(f"explain: the {what} holds nothing: no image, and no text but blanks")
    return item
