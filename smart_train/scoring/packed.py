"""Documents packed once and kept resident, scored by batches of queries: for search and large evaluations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor
from tqdm.auto import tqdm

from smart_train.errors import ScoreError
from smart_train.scoring.document_groups import BLOCK_BYTES, groups
from smart_train.scoring.embeddings import Embeddings
from smart_train.scoring.hybrid import ScoringConfig, combine, pooled_scores
from smart_train.scoring.inputs import TokenSet, check_finite, packed_set, token_set
from smart_train.scoring.int8_products import Rotation, integer_products, quantized_documents, quantized_rows
from smart_train.scoring.number_formats import recoded
from smart_train.scoring.product import inner_products, multiplicand
from smart_train.scoring.reference import EMPTY_DOCUMENT_SCORE
from smart_train.scoring.segments import bag, largest
from smart_train.types import ScoreParts

AS_STORED = "stored"
STORAGE = {"float32": torch.float32, "bfloat16": torch.bfloat16, "int8": torch.int8}
LEAST_COLUMNS = 256  # documents per block where only pooled vectors are compared, however many queries there are
PROGRESS_FROM = 1 << 43  # multiply-adds (a minute or so on a CPU) from which a run shows its progress unasked
_MAGNITUDE, _LOW = 0x7FFFFFFF, 0xFFFFFFFF  # all bits but the sign's of 32, and the lower half of 64


class TopK(NamedTuple):
    """The best documents of each query: fp32 scores [Q, k], falling, and int64 places [Q, k] in the packed set."""

    scores: Tensor
    indices: Tensor


class PackedDocuments:
    """Documents ready to be scored again and again, without gradients; indifferent to autocast.

    Args:
        documents: N items; int8 or 16-bit sets are unpacked and stored as `dtype`.
        dtype: what token states are kept in: "float32" (exact), "bfloat16" (half the memory; late scores off by a few
            1e-4) or "int8" (a quarter; no further off at usual widths). They are multiplied in it where the device can,
            and else a block at a time in fp32 (`arithmetic` says which). "stored" keeps the states that `documents`
            has, without a copy; they are multiplied as fp32, a block at a time, so that the scores are those of
            "float32". Scores are fp32 in every case.
        device: where they live; None is where the documents are.

    Raises:
        ScoreError: an unknown `dtype`, or states that are NaN or infinite, named by document.

    Documents without tokens score `EMPTY_DOCUMENT_SCORE`, as in `maxsim`.
    """

    @torch.no_grad()
    def __init__(
        self, documents: Embeddings, *, dtype: str = "float32", device: str | torch.device | None = None
    ) -> None:
        if dtype not in (*STORAGE, AS_STORED):
            raise ScoreError(f"PackedDocuments: dtype is {dtype!r}; choose one of {', '.join((*STORAGE, AS_STORED))}")
        documents = documents.to(device or documents.device)
        self.dtype = dtype
        self.pooled = documents.pooled.detach().float()
        self.token_width = documents.packed.shape[1]
        tokens = _token_set(documents, "document")
        check_finite(tokens, "document")
        tokens, self._places = tokens.without_empty()
        self._starts, self._lengths = tokens.starts, tokens.lengths
        self._rotation = self._scales = self._row_scales = None
        if dtype == "int8":
            self._rotation = Rotation(self.token_width, documents.device)
            spans = (tokens.starts, tokens.lengths)
            self._states, self._scales = quantized_documents(tokens.values, *spans, self._rotation, tokens.scales)
        elif dtype == AS_STORED:
            self._states, self._row_scales = tokens.values.detach(), tokens.scales
        else:
            self._states = recoded(tokens.values.detach(), tokens.scales, dtype)[0]

    def __len__(self) -> int:
        return len(self.pooled)

    @property
    def device(self) -> torch.device:
        return self._states.device

    @property
    def nbytes(self) -> int:
        """What the set holds in memory."""
        held = [self.pooled, self._states, self._scales, self._row_scales]
        return sum(tensor.nbytes for tensor in held if tensor is not None)

    @torch.no_grad()
    def score_parts(
        self, queries: Embeddings, *, pooled: bool = True, late: bool = True, show_progress_bar: bool | None = None
    ) -> ScoreParts:
        """Both terms of the score, fp32 [Q, N] each on this set's device; a term not asked for is None.

        Args:
            queries: Q items, moved and cast as needed.
            show_progress_bar: None shows one when the run will take long.

        Raises:
            ScoreError: widths that differ, or queries that are NaN or infinite.
        """
        wanted = {"pooled": pooled, "late": late}
        full = {
            name: torch.empty(len(queries), len(self), device=self.device) if want else None
            for name, want in wanted.items()
        }
        for columns, block in self._blocks(queries, pooled, late, show_progress_bar):
            for name, scores in full.items():
                if scores is not None:
                    scores[:, columns] = getattr(block, name)
        return ScoreParts(**full)

    def scores(self, queries: Embeddings, scoring: ScoringConfig, *, show_progress_bar: bool | None = None) -> Tensor:
        """The SMART score of every query against every document, fp32 [Q, N]; otherwise as `score_parts`."""
        pooled, late = scoring.pooled_weight > 0, scoring.late_weight > 0
        parts = self.score_parts(queries, pooled=pooled, late=late, show_progress_bar=show_progress_bar)
        return combine(parts, scoring)

    @torch.no_grad()
    def top_k(
        self, queries: Embeddings, k: int, scoring: ScoringConfig, *, show_progress_bar: bool | None = None
    ) -> TopK:
        """Each query's `k` best documents (all N when there are fewer); of equal scores the earlier document first.

        The matrix [Q, N] is never held: only the best so far and one block's columns.

        Raises:
            ScoreError: `k` below 1, or what `score_parts` refuses.
        """
        if isinstance(k, bool) or not isinstance(k, int) or k < 1:
            raise ScoreError(f"top_k: k is {k!r}; it must be a whole number of at least 1")
        best = torch.empty(len(queries), 0, dtype=torch.int64, device=self.device)
        pooled, late = scoring.pooled_weight > 0, scoring.late_weight > 0
        for columns, block in self._blocks(queries, pooled, late, show_progress_bar):
            keys = torch.cat([best, _first_keys(combine(block, scoring), columns, k)], dim=1)
            best = keys.topk(min(k, keys.shape[1]), dim=1).values
        return _scores_and_places(best)

    def _blocks(
        self, queries: Embeddings, pooled: bool, late: bool, show: bool | None
    ) -> Iterator[tuple[Tensor, ScoreParts]]:
        """Columns int64 [g] and their scores [Q, g], until every document has come once."""
        queries = queries.to(self.device)
        vectors = queries.pooled.float()
        work = len(queries) * self.pooled.numel() if pooled else 0
        if late:
            work += len(queries.packed) * len(self._states) * self.token_width
        show = work >= PROGRESS_FROM if show is None else show
        done = 0
        with tqdm(total=len(self), desc="Scoring documents", unit="doc", disable=not show) as bar:
            for columns, block in self._late_blocks(queries) if late else self._plain_blocks(len(queries)):
                # A view where only pooled vectors are compared: all of them, in order.
                documents = self.pooled[columns] if late else self.pooled[done : done + len(columns)]
                yield columns, ScoreParts(pooled_scores(vectors, documents) if pooled else None, block)
                done += len(columns)
                bar.update(len(columns))

    def _plain_blocks(self, queries: int) -> Iterator[tuple[Tensor, None]]:
        # As many scores as late blocks have bytes: the best of a long row cost hardly more to find than of a short one.
        budget = BLOCK_BYTES["cpu" if self.device.type == "cpu" else "other"]
        size = max(budget // max(queries, 1), LEAST_COLUMNS)
        for columns in torch.arange(len(self), device=self.device).split(size):
            yield columns, None

    def _late_blocks(self, queries: Embeddings) -> Iterator[tuple[Tensor, Tensor]]:
        tokens = _token_set(queries, "query")
        if tokens.values.shape[1] != self.token_width:
            raise ScoreError(
                f"PackedDocuments: queries are {tokens.values.shape[1]} wide, documents {self.token_width}; widths "
                "must be equal"
            )
        check_finite(tokens, "query")
        states, scales = recoded(tokens.values, tokens.scales, "float32")[0], None
        if self._rotation is not None:
            states, scales = quantized_rows(self._rotation(states))
        if self.dtype != AS_STORED:
            states = multiplicand(states.to(self._states.dtype))
        lengths = queries.offsets.diff().clamp(min=1).unsqueeze(1)
        rows = torch.arange(len(states), device=self.device)
        places = torch.tensor(self._places, dtype=torch.int64, device=self.device)
        for group in groups(self._states, self._starts, self._lengths, len(states), factor=states.dtype):
            best = states.new_empty(len(states), len(group.spans), dtype=torch.float32)
            for top in range(0, len(states), group.query_rows):
                part = slice(top, top + group.query_rows)
                largest(self._products(states[part], group.start, group.stop), group.spans, best[part])
            if scales is not None and self._scales is not None:
                best *= scales.unsqueeze(1) * self._scales[group.columns]
            yield places[group.columns], bag(best, rows, offsets=queries.offsets) / lengths
        if len(self._places) < len(self):
            empty = torch.ones(len(self), dtype=torch.bool, device=self.device)
            empty[places] = False
            columns = empty.nonzero().flatten()
            yield columns, torch.full((len(queries), len(columns)), EMPTY_DOCUMENT_SCORE, device=self.device)

    def _products(self, states: Tensor, start: int, stop: int) -> Tensor:
        if states.dtype == torch.int8:
            return integer_products(states, self._states[start:], stop - start)
        row_scales = None if self._row_scales is None else self._row_scales[start:stop]
        with torch.autocast(self.device.type, enabled=False):
            return inner_products(states, self._states[start:stop], row_scales)


def _token_set(embeddings: Embeddings, what: str) -> TokenSet:
    """Token states in the dtype they have, without a copy."""
    if embeddings.scales is not None:
        return replace(packed_set(embeddings.packed, embeddings.offsets, what), scales=embeddings.scales)
    tokens = token_set((embeddings.packed, embeddings.offsets), None, what)
    assert tokens is not None  # a pair always has a width
    return tokens


def _keys(scores: Tensor, columns: Tensor) -> Tensor:
    """int64 [Q, g] that rank as fp32 scores [Q, g] do; of equal scores the smaller of columns [g] ranks higher.

    `topk` promises no order among equals, and keys are never equal. A stable sort would do too, of everything.
    """
    bits = (scores + 0.0).view(torch.int32).long()  # the sum makes -0.0 the equal of 0.0
    rising = torch.where(bits < 0, bits ^ _MAGNITUDE, bits)  # negative floats fall as their bits rise
    return (rising << 32) + (_LOW - columns)


def _first_keys(scores: Tensor, columns: Tensor, k: int) -> Tensor:
    """`_keys` of scores [Q, g], at least of the first `k` of each row: keys of all would cost more than the products of
    single vectors."""
    if scores.shape[1] <= 4 * k:
        return _keys(scores, columns)
    near = scores.topk(k + 1, dim=1)
    keys = _keys(near.values, columns[near.indices])
    # Where the last two are equal, others may be too, and an earlier one of them was perhaps not taken.
    crowded = (near.values[:, -1] == near.values[:, -2]).nonzero()[:, 0]
    keys[crowded] = _keys(scores[crowded], columns).topk(k + 1, dim=1).values
    return keys


def _scores_and_places(keys: Tensor) -> TopK:
    """What `_keys` was made of."""
    rising = keys >> 32
    bits = torch.where(rising < 0, rising ^ _MAGNITUDE, rising)
    return TopK(bits.int().view(torch.float32), _LOW - (keys & _LOW))
