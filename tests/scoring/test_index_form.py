"""The form in which an index keeps documents, and that of queries to it."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from smart_train.errors import ScoreError
from smart_train.scoring import ScoringConfig
from smart_train.scoring.embeddings import Embeddings
from smart_train.scoring.index_form import documents_for_index, queries_for_index


def embeddings(*lengths: int) -> Embeddings:
    tokens = [F.normalize(torch.randn(length, 4), dim=1) for length in lengths]
    return Embeddings(F.normalize(torch.randn(len(lengths), 4), dim=1), tokens)


def test_what_the_scoring_leaves_is_the_same_object() -> None:
    items = embeddings(3, 2)
    assert documents_for_index(items, ScoringConfig()) is items
    assert queries_for_index(items, ScoringConfig()) is items


def test_tokens_are_pooled_by_all_dimensions_before_any_is_cut() -> None:
    """Two pairs of tokens: alike in all four dimensions, and the other way round in the first two."""
    rows = torch.tensor([[0.6, 0.0, 0.8, 0.0], [0.0, 0.6, 0.8, 0.0], [0.6, 0.0, 0.0, 0.8], [0.0, 0.6, 0.0, 0.8]])
    items = Embeddings(F.normalize(torch.ones(1, 4), dim=1), [rows])
    kept = documents_for_index(items, ScoringConfig(width=2, pool_factor=2, stored_as="bfloat16"))

    # The mean of a pair is (0.3, 0.3, 0.8, 0) or (0.3, 0.3, 0, 0.8): cut and normalised, both are (1, 1) / sqrt(2).
    # Cut first, the pairs would be the first and third row and the others: (1, 0) and (0, 1).
    assert kept.packed.dtype == torch.bfloat16
    torch.testing.assert_close(kept.packed.float(), torch.full((2, 2), 0.5**0.5), atol=2**-9, rtol=0)
    torch.testing.assert_close(kept.pooled, torch.full((1, 2), 0.5**0.5))


def test_queries_are_cut_and_keep_their_tokens_and_bits() -> None:
    items = embeddings(3, 2)
    asked = queries_for_index(items, ScoringConfig(width=2, pool_factor=2, stored_as="int8"))
    assert asked.packed.dtype == torch.float32 and asked.lengths.tolist() == [3, 2]
    torch.testing.assert_close(asked.packed, F.normalize(items.packed[:, :2], dim=1))
    torch.testing.assert_close(asked.pooled, F.normalize(items.pooled[:, :2], dim=1))


def test_a_width_beyond_the_models_own_is_refused() -> None:
    with pytest.raises(ScoreError, match=r"scoring\.width 5: the model's vectors are 4 wide; choose a width of"):
        documents_for_index(embeddings(3), ScoringConfig(width=5))
