"""The combined score teaches its parts: against a loop, by hand, and who gets a gradient."""

import math

import pytest
import torch

from smart_train.errors import ScoreError
from smart_train.losses import ContrastiveObjective, SelfDistillation
from smart_train.scoring import ScoringConfig
from smart_train.types import ScoreParts

SCORING = ScoringConfig(pooled_weight=0.5, late_weight=2.0)
TEMPERATURES = {"pooled": 0.5, "late": 0.25, "hybrid": 0.2}
POSITIVE = torch.arange(3)


def objective(name="joint", **options):
    settings = {"temperature": 0.4, "weight": 1.5, "warmup": 0.0, **options}
    return ContrastiveObjective(
        name, scoring=SCORING, temperatures=TEMPERATURES, self_distillation=SelfDistillation(**settings)
    )


@pytest.fixture
def scores():
    torch.manual_seed(0)
    return ScoreParts(*(torch.rand(3, 5, dtype=torch.float64, requires_grad=True) for _ in range(2)))


@pytest.fixture
def excluded():
    mask = torch.zeros(3, 5, dtype=torch.bool)
    mask[0, 2] = mask[1, 4] = True
    return mask


def naive(combined, student, excluded):
    """KL(softmax(combined) || softmax(student)) by sums over the columns that are left, mean over the rows."""
    total = torch.zeros((), dtype=student.dtype)
    for i in range(len(student)):
        kept = [j for j in range(student.shape[1]) if not excluded[i, j]]
        wanted = [math.exp(combined[i, j].item()) for j in kept]
        found = [student[i, j].exp() for j in kept]
        for w, f in zip(wanted, found, strict=True):
            p = w / sum(wanted)
            total = total + p * (math.log(p) - (f / sum(found)).log())
    return total / len(student)


@pytest.mark.parametrize("learners", [("pooled", "late"), ("pooled",), ("late",)])
@pytest.mark.parametrize("name", ["joint", "hybrid"])
def test_the_loss_and_its_gradient_are_those_of_a_loop(scores, excluded, name, learners):
    part = objective(name, learners=learners)(scores, POSITIVE, excluded).parts["self_distillation"]
    combined = (0.5 * scores.pooled + 2.0 * scores.late) / 0.4
    # In `hybrid` a term's logits are its share of the one softmax.
    logits = {"pooled": scores.pooled / 0.5, "late": scores.late / 0.25}
    if name == "hybrid":
        logits = {"pooled": 0.5 * scores.pooled / 0.2, "late": 2.0 * scores.late / 0.2}
    expected = 1.5 * sum(naive(combined, logits[term], excluded) for term in learners)
    torch.testing.assert_close(part, expected, rtol=1e-5, atol=0)
    got = torch.autograd.grad(part, scores, allow_unused=True)
    wanted = torch.autograd.grad(expected, scores, allow_unused=True)
    for term, one, other in zip(("pooled", "late"), got, wanted, strict=True):
        assert (one is not None) == (other is not None) == (term in learners)
        if one is not None:
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-8)


def test_two_candidates_by_hand():
    """One query, two pages. The tokens prefer the first by 1, the pooled vector neither: the teacher is 0.88 to 0.12,
    and the pooled softmax, which is even, is log 2 less the teacher's entropy away from it."""
    even = ScoreParts(torch.zeros(1, 2), torch.tensor([[1.0, 0.0]]))
    made = SelfDistillation(temperature=1.0, warmup=0.0, learners=("pooled",))
    part = made(2.0 * even.late, {"pooled": even.pooled}, torch.zeros(1, 2, dtype=torch.bool), 1.0)
    p = 1 / (1 + math.exp(-2.0))
    assert p == pytest.approx(0.8808, abs=1e-4)
    assert part.item() == pytest.approx(math.log(2) + p * math.log(p) + (1 - p) * math.log(1 - p), abs=1e-6)


def test_a_part_that_says_what_the_whole_says_has_nothing_to_learn(scores, excluded):
    made = SelfDistillation(temperature=0.4, warmup=0.0)
    combined = (0.5 * scores.pooled + 2.0 * scores.late).detach()
    agreeing = dict.fromkeys(("pooled", "late"), combined / 0.4)
    assert made(combined, agreeing, excluded, 1.0).item() == pytest.approx(0, abs=1e-9)


def test_the_weight_rises_while_it_warms_up(scores, excluded):
    warming = objective(warmup=0.2)
    found = []
    for progress in (0.0, 0.1, 0.2, 0.9):
        warming.progress = progress
        found.append(warming(scores, POSITIVE, excluded).parts["self_distillation"].item())
    full = objective()(scores, POSITIVE, excluded).parts["self_distillation"].item()
    assert found == pytest.approx([0.0, full / 2, full, full]) and full > 0


def test_columns_left_out_are_inert(scores, excluded):
    loud = ScoreParts(*(part.detach().masked_fill(excluded, 1e3) for part in scores))
    for name in ("joint", "hybrid"):
        torch.testing.assert_close(
            objective(name)(loud, POSITIVE, excluded).total, objective(name)(scores, POSITIVE, excluded).total
        )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": 0.0}, "self_distillation temperature is 0.0; it must be a number above 0"),
        ({"temperature": float("inf")}, "self_distillation temperature is inf"),
        ({"weight": -1.0}, "self_distillation weight is -1.0; it must be a number above 0"),
        ({"warmup": 1.0}, "self_distillation warmup is 1.0; it is a share of the training steps, from 0 to below 1"),
        ({"learners": ()}, r"self_distillation learners are \(\); choose from pooled, late"),
        ({"learners": ("hybrid",)}, r"self_distillation learners are \('hybrid',\); choose from pooled, late"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ScoreError, match=message):
        SelfDistillation(**{"temperature": 0.1, **settings})


@pytest.mark.parametrize("name", ["late", "pooled"])
def test_one_score_alone_has_nothing_to_combine(name):
    with pytest.raises(ScoreError, match=f"needs both scores: objective joint or hybrid, not '{name}'"):
        objective(name)


def test_a_term_without_a_weight_is_refused():
    with pytest.raises(ScoreError, match="self_distillation: scoring gives one of the two terms the weight 0"):
        ContrastiveObjective(
            "joint",
            scoring=ScoringConfig(late_weight=0),
            temperatures=TEMPERATURES,
            self_distillation=SelfDistillation(0.1),
        )
