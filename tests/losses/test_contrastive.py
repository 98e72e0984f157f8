"""Objectives against naive loops; false-negative masks by hand."""

import math

import pytest
import torch

from smart_train.errors import ScoreError
from smart_train.losses import ContrastiveObjective, check_positives, false_negatives, others_negatives
from smart_train.losses.contrastive import info_nce
from smart_train.scoring import ScoringConfig
from smart_train.types import ScoreParts

TEMPERATURES = {"pooled": 0.05, "late": 0.1, "hybrid": 0.2}


def objective(name, **kwargs):
    return ContrastiveObjective(name, scoring=ScoringConfig(), temperatures=TEMPERATURES, **kwargs)


def naive(scores, positive, excluded, temperature):
    total = 0.0
    for i, target in enumerate(positive.tolist()):
        kept = [j for j in range(scores.shape[1]) if not excluded[i, j]]
        exps = [math.exp(scores[i, j].item() / temperature) for j in kept]
        total -= math.log(exps[kept.index(target)] / sum(exps))
    return total / len(positive)


@pytest.fixture
def batch():
    torch.manual_seed(0)
    scores = ScoreParts(torch.rand(3, 5) - 0.5, torch.rand(3, 5) - 0.5)
    excluded = torch.zeros(3, 5, dtype=torch.bool)
    excluded[0, 4] = excluded[2, 1] = True
    return scores, torch.tensor([0, 1, 2]), excluded


@pytest.mark.parametrize("name", ["pooled", "late"])
def test_single_terms_equal_a_naive_loop(batch, name):
    scores, positive, excluded = batch
    out = objective(name)(scores, positive, excluded)
    expected = naive(getattr(scores, name), positive, excluded, TEMPERATURES[name])
    assert out.total.item() == pytest.approx(expected, rel=1e-5)


def test_hybrid_is_one_softmax_over_the_weighted_sum(batch):
    scores, positive, excluded = batch
    chosen = ContrastiveObjective(
        "hybrid", scoring=ScoringConfig(pooled_weight=0.5, late_weight=2.0), temperatures=TEMPERATURES
    )
    expected = naive(0.5 * scores.pooled + 2.0 * scores.late, positive, excluded, 0.2)
    assert chosen(scores, positive, excluded).total.item() == pytest.approx(expected, rel=1e-5)


def test_joint_sums_weighted_named_parts(batch):
    scores, positive, excluded = batch
    out = objective("joint", pooled_weight=0.25, late_weight=3.0)(scores, positive, excluded)
    pooled = objective("pooled")(scores, positive, excluded).total
    late = objective("late")(scores, positive, excluded).total
    assert set(out.parts) == {"pooled", "late"}
    torch.testing.assert_close(out.parts["pooled"], 0.25 * pooled)
    torch.testing.assert_close(out.parts["late"], 3.0 * late)
    torch.testing.assert_close(out.total, 0.25 * pooled + 3.0 * late)


def test_excluded_columns_are_inert(batch):
    scores, positive, excluded = batch
    loud = ScoreParts(scores.pooled.masked_fill(excluded, 1e3), scores.late.masked_fill(excluded, 1e3))
    for name in ("joint", "hybrid", "late", "pooled"):
        torch.testing.assert_close(
            objective(name)(loud, positive, excluded).total, objective(name)(scores, positive, excluded).total
        )


def harder_naive(scores, positive, excluded, temperature, hardness):
    """InfoNCE whose negatives count exp(hardness s / T) times, over the mean of that over the query's negatives."""
    total = 0.0
    for i, target in enumerate(positive.tolist()):
        logits = [scores[i, j].item() / temperature for j in range(scores.shape[1])]
        negatives = [j for j in range(scores.shape[1]) if j != target and not excluded[i, j]]
        raw = [math.exp(hardness * logits[j]) for j in negatives]
        mean = sum(raw) / len(raw)
        weighted = sum(weight / mean * math.exp(logits[j]) for weight, j in zip(raw, negatives, strict=True))
        total -= math.log(math.exp(logits[target]) / (math.exp(logits[target]) + weighted))
    return total / len(positive)


@pytest.mark.parametrize("hardness", [0.25, 1.0, 10.0])
def test_hard_negatives_count_more(batch, hardness):
    scores, positive, excluded = batch
    out = objective("joint", hardness=hardness)(scores, positive, excluded)
    for name in ("pooled", "late"):
        expected = harder_naive(getattr(scores, name), positive, excluded, TEMPERATURES[name], hardness)
        assert out.parts[name].item() == pytest.approx(expected, rel=1e-5)


def test_hardness_by_hand():
    logits = torch.tensor([[1.0, 0.5, 0.0]])
    # Raw weights e^0.5 and 1 have the mean 1.3244; so e / (e + (e^0.5 e^0.5 + 1) / 1.3244) = 0.49187.
    loss = info_nce(logits, torch.tensor([0]), torch.zeros(1, 3, dtype=torch.bool), hardness=1.0)
    assert loss.item() == pytest.approx(-math.log(0.49187), abs=1e-4)


def test_hardness_is_a_balance_between_negatives_alone():
    """One negative, or equal ones, lose and gain nothing; and nothing flows back through the weights."""
    positive, excluded = torch.tensor([0, 1]), torch.tensor([[False, False, True], [False, False, True]])
    single = torch.tensor([[0.3, 0.9, 5.0], [0.2, 0.1, 5.0]])
    equal, none = torch.tensor([[0.3, 0.7, 0.7], [0.7, 0.1, 0.7]]), torch.zeros(2, 3, dtype=torch.bool)
    for logits, left_out in ((single, excluded), (equal, none)):
        torch.testing.assert_close(info_nce(logits, positive, left_out, 2.0), info_nce(logits, positive, left_out))
    alone = torch.tensor([[False, True, True], [True, False, True]])
    assert info_nce(single, positive, alone, 2.0).item() == 0.0
    logits = torch.tensor([[1.0, 0.5, 0.0]], requires_grad=True)
    (gradient,) = torch.autograd.grad(info_nce(logits, torch.tensor([0]), none[:1], 1.0), logits)
    # Of the softmax with fixed weights: the share of each candidate, less 1 for the positive.
    shares = torch.tensor([math.e, math.e / 1.32436, 1 / 1.32436])
    torch.testing.assert_close(gradient[0], shares / shares.sum() - torch.tensor([1.0, 0, 0]), atol=1e-4, rtol=0)


@pytest.mark.parametrize("value", [-0.1, 10.5, math.nan, math.inf])
def test_hardness_out_of_range_is_refused(value):
    with pytest.raises(ScoreError, match=r"objective 'joint': hardness is .*; it must be from 0 to 10"):
        objective("joint", hardness=value)


def test_learned_temperature_gets_a_gradient_and_a_fixed_one_does_not(batch):
    learned, fixed = objective("joint", learn_temperature=True), objective("joint")
    learned(*batch).total.backward()
    assert all(parameter.grad is not None and parameter.grad != 0 for parameter in learned.parameters())
    assert not any(parameter.requires_grad for parameter in fixed.parameters())
    assert learned(*batch).metrics["temperature_late"].item() == pytest.approx(0.1, rel=1e-5)


def test_accuracy_counts_a_tie_as_wrong():
    scores = ScoreParts(torch.tensor([[1.0, 1.0], [0.0, 1.0]]), None)
    out = objective("pooled")(scores, torch.tensor([0, 1]), torch.zeros(2, 2, dtype=torch.bool))
    assert out.metrics["accuracy_pooled"].item() == 0.5


def test_same_document_and_same_query_are_not_negatives():
    # Rows: q1->A, q2->B, q1->C (same query as row 0), q3->A (same page as row 0); one explicit negative, B again.
    query_keys = torch.tensor([1, 2, 1, 3])
    document_keys = torch.tensor([10, 20, 30, 10, 20])
    positive = torch.arange(4)
    excluded = false_negatives(query_keys, query_keys, [document_keys], positive, positive)
    expected = [
        [0, 0, 1, 1, 0],  # C answers the same query; column 3 is A again
        [0, 0, 0, 0, 1],  # the explicit negative is B again
        [1, 0, 0, 0, 0],  # A answers the same query (as row 0's positive)
        [1, 0, 0, 0, 0],  # column 0 is A again
    ]
    assert excluded.tolist() == [[bool(cell) for cell in row] for row in expected]


def test_same_content_under_another_id_is_not_a_negative():
    ids, contents = torch.tensor([1, 2, 3]), torch.tensor([7, 8, 7])
    positive = torch.arange(3)
    excluded = false_negatives(torch.tensor([1, 2, 3]), torch.tensor([1, 2, 3]), [ids, contents], positive, positive)
    assert excluded.nonzero().tolist() == [[0, 2], [2, 0]]


def test_unshared_negatives_serve_their_own_query_alone():
    # Columns: the positives of rows 0 and 1, then one explicit negative of each.
    left_out = others_negatives(torch.tensor([5, 6]), torch.tensor([5, 6, 5, 6]), torch.tensor([0, 1]))
    assert left_out.tolist() == [[False, False, False, True], [False, False, True, False]]


def test_one_candidate_is_refused():
    with pytest.raises(ScoreError, match="1 candidate document.*per_device_train_batch_size"):
        objective("pooled")(ScoreParts(torch.ones(1, 1), None), torch.tensor([0]), torch.zeros(1, 1, dtype=torch.bool))


@pytest.mark.parametrize("value", [0.0, -1.0, math.inf, math.nan])
def test_weights_and_temperatures_out_of_range_are_refused(value):
    with pytest.raises(ScoreError, match=f"weight of late is {value}; it must be a number above 0"):
        objective("joint", late_weight=value)
    with pytest.raises(ScoreError, match=f"temperature of late is {value}; it must be a number above 0"):
        ContrastiveObjective("late", scoring=ScoringConfig(), temperatures={"late": value})


def test_unknown_products_are_named():
    with pytest.raises(
        ScoreError, match="objective 'late': products is 'tf32'; choose one of exact, bfloat16, float16"
    ):
        ContrastiveObjective("late", scoring=ScoringConfig(), temperatures={"late": 0.05}, products="tf32")


def test_unknown_objective_lists_the_known():
    with pytest.raises(ScoreError, match="'colbert' is unknown; choose joint, hybrid, late, pooled"):
        objective("colbert")


@pytest.mark.parametrize("term", ["pooled_weight", "late_weight"])
def test_hybrid_without_one_of_its_terms_is_refused(term):
    with pytest.raises(ScoreError, match="one of its two terms the weight 0; use pooled or late"):
        ContrastiveObjective("hybrid", scoring=ScoringConfig(**{term: 0}), temperatures={"hybrid": 0.05})


def test_temperature_must_be_positive():
    with pytest.raises(ScoreError, match="temperature of late is 0"):
        ContrastiveObjective("late", scoring=ScoringConfig(), temperatures={"late": 0.0})


def test_a_learned_temperature_does_not_begin_below_its_bound():
    with pytest.raises(ScoreError, match=r"temperature of late is 0\.001; learn_temperature keeps it at 0\.01 or more"):
        ContrastiveObjective("late", scoring=ScoringConfig(), temperatures={"late": 0.001}, learn_temperature=True)


def test_empty_positive_is_named():
    with pytest.raises(ScoreError, match="train.jsonl, row 7"):
        check_positives(torch.tensor([3, 0]), torch.tensor([0, 1]), ["train.jsonl, row 2", "train.jsonl, row 7"])


def test_a_learned_temperature_past_its_bound_can_only_come_back(batch):
    made = objective("late", learn_temperature=True)
    scale = made.log_scales["late"]
    with torch.no_grad():
        scale.fill_(-math.log(0.001))
    scores, positive, excluded = batch
    output = made(scores, positive, excluded)
    assert output.metrics["temperature_late"].item() == pytest.approx(0.01)
    output.total.backward()
    pull = scale.grad.clone()
    scale.grad = None
    (-made(scores, positive, excluded).total).backward()
    # The two pull opposite ways: exactly the one that would lead further out is gone.
    assert sorted([pull.item() > 0, scale.grad.item() > 0]) == [False, True]
    assert min(pull.item(), scale.grad.item()) == 0.0
