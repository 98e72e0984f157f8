"""How much each score counts, learned: values, gradients, speed and bounds."""

import math

import pytest
import torch

from smart_train.errors import ScoreError
from smart_train.losses import ContrastiveObjective, info_nce
from smart_train.losses.learned_scales import LEARNED_RATE
from smart_train.scoring import ScoringConfig
from smart_train.types import ScoreParts

POSITIVE = torch.arange(3)
NONE_EXCLUDED = torch.zeros(3, 5, dtype=torch.bool)


def objective(name="joint", scoring=None, learn_weights=True, **temperatures):
    return ContrastiveObjective(
        name,
        scoring=scoring or ScoringConfig(),
        temperatures={"pooled": 0.2, "late": 0.05, "hybrid": 0.1, **temperatures},
        learn_weights=learn_weights,
    )


def moved(made, late):
    """`made` with a late temperature that a step of the optimiser took it to."""
    with torch.no_grad():
        made.log_scales["late"].fill_(-math.log(late) / LEARNED_RATE)
    return made


@pytest.fixture
def scores():
    torch.manual_seed(0)
    return ScoreParts(*(torch.rand(3, 5, requires_grad=True) for _ in range(2)))


def test_joint_begins_with_the_temperatures_given_and_says_what_they_weigh(scores):
    made, fixed = objective(), objective(learn_weights=False)
    out, expected = made(scores, POSITIVE, NONE_EXCLUDED), fixed(scores, POSITIVE, NONE_EXCLUDED)
    torch.testing.assert_close(out.total, expected.total)
    assert out.metrics["temperature_pooled"].item() == pytest.approx(0.2)
    assert out.metrics["temperature_late"].item() == pytest.approx(0.05)
    assert (made.learned_scoring.pooled_weight, made.learned_scoring.late_weight) == (1.0, pytest.approx(4.0))
    assert fixed.learned_scoring == ScoringConfig()


def test_hybrid_begins_as_the_weighted_sum_and_learns_both_of_its_parts(scores):
    scoring = ScoringConfig(pooled_weight=0.5, late_weight=2.0, query_tokens="text")
    made, fixed = (objective("hybrid", scoring, learn) for learn in (True, False))
    out = made(scores, POSITIVE, NONE_EXCLUDED)
    torch.testing.assert_close(out.total, fixed(scores, POSITIVE, NONE_EXCLUDED).total)
    learned = made.learned_scoring
    assert (learned.pooled_weight, learned.late_weight) == (1.0, pytest.approx(4.0)) and learned.query_tokens == "text"
    log_scales = {
        term: torch.tensor([value.item() * LEARNED_RATE], requires_grad=True) for term, value in made.log_scales.items()
    }
    by_hand = scores.pooled * log_scales["pooled"].exp() + scores.late * log_scales["late"].exp()
    wanted = torch.autograd.grad(info_nce(by_hand, POSITIVE, NONE_EXCLUDED), list(log_scales.values()))
    found = torch.autograd.grad(out.total, [made.log_scales[term] for term in log_scales])
    torch.testing.assert_close(found, wanted)


def test_one_step_of_adam_moves_log_t_by_the_rate_times_the_learning_rate(scores):
    made = objective()
    optimiser = torch.optim.Adam(made.parameters(), lr=0.01)
    made(scores, POSITIVE, NONE_EXCLUDED).total.backward()
    optimiser.step()
    metrics = made(scores, POSITIVE, NONE_EXCLUDED).metrics
    for term, before in (("pooled", 0.2), ("late", 0.05)):
        moved = (metrics[f"temperature_{term}"] / before).log().abs().item()
        assert moved == pytest.approx(LEARNED_RATE * 0.01, rel=1e-3)


@pytest.mark.parametrize(("temperature", "favoured"), [(0.004, True), (1.1, False)])
def test_a_temperature_past_its_bound_can_only_come_back(temperature, favoured):
    """A positive that wins pulls the temperature down, one that loses pushes it up."""
    made = moved(objective(pooled=0.5), temperature)
    late = torch.zeros(2, 2)
    late[:, 0] = 0.001 if favoured else -1.0
    excluded = torch.zeros(2, 2, dtype=torch.bool)
    target = torch.zeros(2, dtype=torch.int64)
    made(ScoreParts(torch.zeros(2, 2), late), target, excluded).total.backward()
    assert made.log_scales["late"].grad.item() == 0
    made.zero_grad()
    made(ScoreParts(torch.zeros(2, 2), -late), target, excluded).total.backward()
    assert made.log_scales["late"].grad.item() != 0


def test_beyond_a_bound_the_bound_counts(scores):
    made = moved(objective(), 0.001)
    assert made(scores, POSITIVE, NONE_EXCLUDED).metrics["temperature_late"].item() == pytest.approx(0.005)
    assert made.learned_scoring.late_weight == pytest.approx(40.0)


@pytest.mark.parametrize("name", ["late", "pooled"])
def test_one_score_alone_has_no_weight_to_learn(name):
    with pytest.raises(ScoreError, match=f"learn_weights needs both scores: objective joint or hybrid, not '{name}'"):
        objective(name)
    with pytest.raises(ScoreError, match="learn_weights: scoring gives one of the two terms the weight 0"):
        objective(scoring=ScoringConfig(pooled_weight=0))


@pytest.mark.parametrize("temperature", [0.004, 1.1])
def test_learning_does_not_begin_outside_its_bounds(temperature):
    told = f"temperature of late is {temperature}; learn_weights keeps it between 0.005 and 1.0, start there"
    with pytest.raises(ScoreError, match=told):
        objective(late=temperature)
    assert objective(late=temperature, learn_weights=False).log_scales["late"].exp().item() == pytest.approx(
        1 / temperature
    )


def test_weights_that_a_checkpoint_was_saved_with_may_not_begin_outside_either():
    """An earlier run may have learned that the late score counts 24.5 times as much."""
    saved = ScoringConfig(late_weight=24.5)
    told = (
        r"the model's scoring\.late_weight is 24\.5, so the temperature of that score would start at 0\.1 / 24\.5 = "
        r"0\.00408163; it must lie between 0\.005 and 1\.0: set objective\.temperature between 0\.1225 and 1, or take "
        "objective.name joint"
    )
    with pytest.raises(ScoreError, match=told):
        objective("hybrid", saved)
    made = objective("hybrid", saved, hybrid=0.1225)
    assert made.learned_scoring.late_weight == pytest.approx(24.5, rel=1e-5)
    assert objective("hybrid", saved, learn_weights=False).learned_scoring == saved
    with pytest.raises(
        ScoreError, match=r"pooled_weight is 0\.05, .* start at 0\.1 / 0\.05 = 2; .* 1\.0: take objective"
    ):
        objective("hybrid", ScoringConfig(pooled_weight=0.05, late_weight=20))
