"""Figures of how token states lie in space, against cases worked out by hand."""

import math

import pytest
import torch
from torch.nn import functional as F

from smart_train.errors import ScoreError
from smart_train.scoring.geometry import effective_rank, mean_cosine, winners


def test_mean_cosine_is_over_tokens_of_different_items_only():
    """Items {x, x} and {x, y}: the four pairs between them are 1, 0, 1, 0; the pairs inside an item do not count."""
    x, y = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    assert mean_cosine(torch.stack([x, x, x, y]), torch.tensor([0, 2, 4])) == pytest.approx(0.5)
    assert mean_cosine(torch.stack([x, -x]), torch.tensor([0, 1, 2])) == pytest.approx(-1.0)


def test_mean_cosine_equals_a_loop_over_all_pairs():
    states, offsets = F.normalize(torch.randn(11, 5), dim=-1), torch.tensor([0, 4, 4, 7, 11])
    item = torch.tensor([0] * 4 + [2] * 3 + [3] * 4)
    pairs = [float(states[i] @ states[j]) for i in range(11) for j in range(11) if item[i] != item[j]]
    assert mean_cosine(states, offsets) == pytest.approx(sum(pairs) / len(pairs), abs=1e-6)


def test_mean_cosine_of_one_item_is_refused():
    with pytest.raises(ScoreError, match="fewer than two items have tokens"):
        mean_cosine(torch.eye(3), torch.tensor([0, 3, 3]))


def test_effective_rank_counts_the_directions_around_the_mean():
    assert effective_rank(torch.cat([torch.eye(4), -torch.eye(4)])) == pytest.approx(4.0)
    assert effective_rank(torch.tensor([[1.0, 2.0], [3.0, 2.0], [8.0, 2.0]])) == pytest.approx(1.0)
    # Around the mean 0, variances of 9 and 1: shares 9/10 and 1/10.
    wanted = math.exp(-(0.9 * math.log(0.9) + 0.1 * math.log(0.1)))
    assert effective_rank(torch.tensor([[3.0, 0.0], [-3.0, 0.0], [0.0, 1.0], [0.0, -1.0]])) == pytest.approx(wanted)


def test_states_that_do_not_vary_have_one_direction():
    assert effective_rank(torch.ones(6, 4)) == 1.0


def test_winners_counts_the_query_tokens_that_choose_each():
    query = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]])
    document = torch.tensor([[0.0, 1.0], [0.5, 0.5], [1.0, 0.0]])
    assert winners(query, document).tolist() == [1, 0, 2]
