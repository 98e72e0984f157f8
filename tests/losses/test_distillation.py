"""Distillation and the positive-aware mask, against naive loops and by hand."""

import math

import pytest
import torch

from smart_train.errors import ScoreError
from smart_train.losses import ContrastiveObjective, Distillation, PositiveAware, Teacher, check_teacher
from smart_train.scoring import EMPTY_DOCUMENT_SCORE, ScoringConfig
from smart_train.types import ScoreParts

SCORING = ScoringConfig(pooled_weight=0.5, late_weight=2.0)
TEMPERATURES = {"pooled": 0.05, "late": 0.1, "hybrid": 0.2}
COLUMNS = torch.tensor([[0, 3, 4], [1, 5, 6], [2, 7, 8]])  # three positives, then two negatives of each row
POSITIVE = torch.arange(3)


def assert_gradients_equal(found, expected, scores):
    """Of two terms of the loss, by the scores; nothing for the candidate that is left out."""
    got = torch.autograd.grad(found, scores, allow_unused=True)
    wanted = torch.autograd.grad(expected, scores, allow_unused=True)
    for one, other in zip(got, wanted, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-8)
            assert one.isfinite().all() and (one[1, 6] == 0)


def objective(name, **options):
    return ContrastiveObjective(name, scoring=SCORING, temperatures=TEMPERATURES, **options)


@pytest.fixture
def scores():
    torch.manual_seed(0)
    return ScoreParts(*(torch.rand(3, 9, dtype=torch.float64, requires_grad=True) for _ in range(2)))


@pytest.fixture
def teacher():
    torch.manual_seed(1)
    return Teacher(COLUMNS, torch.rand(3, 3))


@pytest.fixture
def excluded():
    mask = torch.zeros(3, 9, dtype=torch.bool)
    mask[0, 2] = mask[1, 6] = True  # the second is one of row 1's own
    return mask


def naive_divergence(student, teacher, excluded, temperature, teacher_temperature):
    """Sum by sum; differentiable, so that its gradient can be compared too."""
    total = torch.zeros((), dtype=student.dtype)
    for i, columns in enumerate(teacher.columns.tolist()):
        kept = [k for k, column in enumerate(columns) if not excluded[i, column]]
        wanted = [math.exp(teacher.scores[i, k].item() / teacher_temperature) for k in kept]
        found = [(student[i, columns[k]] / temperature).exp() for k in kept]
        for w, f in zip(wanted, found, strict=True):
            p = w / sum(wanted)
            total = total + p * (math.log(p) - (f / sum(found)).log())
    return total / len(student)


@pytest.mark.parametrize("score", ["hybrid", "late", "pooled"])
def test_a_document_without_tokens_is_not_taught_where_it_has_no_score(scores, teacher, excluded, score):
    """Row 0's second document: the late score of every query against it is that of nothing."""
    late = scores.late.detach().index_fill(1, torch.tensor([3]), EMPTY_DOCUMENT_SCORE)
    given = ScoreParts(scores.pooled, late.requires_grad_())
    distillation = Distillation(score, temperature=0.3, teacher_temperature=0.7)
    made = objective("joint", distillation=distillation)
    part = made(given, POSITIVE, excluded, teacher).parts["distillation"]
    matrix = {"pooled": given.pooled, "late": late, "hybrid": 0.5 * given.pooled + 2.0 * late}[score]
    left_out = excluded.clone()
    left_out[:, 3] |= score != "pooled"
    torch.testing.assert_close(part, naive_divergence(matrix, teacher, left_out, 0.3, 0.7), rtol=1e-5, atol=0)


@pytest.mark.parametrize("score", ["hybrid", "late", "pooled"])
@pytest.mark.parametrize("name", ["joint", "late"])
def test_the_divergence_and_its_gradient_are_those_of_a_loop(scores, teacher, excluded, name, score):
    distillation = Distillation(score, temperature=0.3, teacher_temperature=0.7, weight=1.5)
    chosen = objective(name, distillation=distillation)
    assert set(chosen.needs) >= ({"pooled", "late"} if score == "hybrid" else {score})
    part = chosen(scores, POSITIVE, excluded, teacher).parts["distillation"]
    matrix = {"pooled": scores.pooled, "late": scores.late, "hybrid": 0.5 * scores.pooled + 2.0 * scores.late}[score]
    expected = 1.5 * naive_divergence(matrix, teacher, excluded, 0.3, 0.7)
    torch.testing.assert_close(part, expected, rtol=1e-5, atol=0)
    assert_gradients_equal(part, expected, scores)


def test_a_student_that_agrees_has_nothing_to_learn(scores, excluded):
    hybrid = (0.5 * scores.pooled + 2.0 * scores.late).detach()
    agreeing = Teacher(COLUMNS, 3.0 * hybrid.gather(1, COLUMNS))
    parts = Distillation("hybrid", 0.1, 0.3, margin_weight=2.0)(hybrid, agreeing, excluded)
    assert {name: part.item() for name, part in parts.items()} == {
        "distillation": pytest.approx(0, abs=1e-6),
        "distillation_margin": pytest.approx(0, abs=1e-9),
    }


def test_distillation_adds_a_part_and_changes_no_other(scores, teacher, excluded):
    plain = objective("hybrid")(scores, POSITIVE, excluded)
    both = objective("hybrid", distillation=Distillation("hybrid", 0.2, 0.2))(scores, POSITIVE, excluded, teacher)
    assert set(both.parts) == {"hybrid", "distillation"}
    torch.testing.assert_close(both.parts["hybrid"], plain.parts["hybrid"])
    torch.testing.assert_close(both.total, plain.total + both.parts["distillation"])


def test_two_margins_by_hand():
    """Margins over their temperatures: the teacher's 2 and 4, the student's 1 and 4, so (1 + 0) / 2."""
    scores = torch.tensor([[0.9, 0.8, 0.5, 7.0]])
    teacher = Teacher(torch.tensor([[0, 1, 2]]), torch.tensor([[5.0, 4.0, 3.0]]))
    taught = Distillation("late", temperature=0.1, teacher_temperature=0.5, margin_weight=3.0)
    none_left_out = torch.zeros(1, 4, dtype=torch.bool)
    assert taught(scores, teacher, none_left_out)["distillation_margin"].item() == pytest.approx(3 * 0.5, rel=1e-5)
    one = torch.tensor([[False, False, True, False]])
    assert taught(scores, teacher, one)["distillation_margin"].item() == pytest.approx(3 * 1.0, rel=1e-5)
    both = torch.tensor([[False, True, True, False]])
    assert taught(scores, teacher, both)["distillation_margin"].item() == 0


def naive_margins(student, teacher, excluded, temperature, teacher_temperature):
    """Negative by negative; differentiable, so that its gradient can be compared too."""
    total = torch.zeros((), dtype=student.dtype)
    for i, columns in enumerate(teacher.columns.tolist()):
        kept = [k for k in range(1, len(columns)) if not excluded[i, columns[k]]]
        for k in kept:
            wanted = (teacher.scores[i, 0] - teacher.scores[i, k]).item() / teacher_temperature
            total = total + (wanted - (student[i, columns[0]] - student[i, columns[k]]) / temperature) ** 2 / len(kept)
    return total / len(student)


@pytest.mark.parametrize("score", ["hybrid", "late", "pooled"])
@pytest.mark.parametrize("empty", [False, True])
def test_margins_and_their_gradient_are_those_of_a_loop(scores, teacher, excluded, score, empty):
    """With a document without tokens, row 0's second, too: its score is that of nothing."""
    late = scores.late
    if empty:
        late = late.detach().index_fill(1, torch.tensor([3]), EMPTY_DOCUMENT_SCORE).requires_grad_()
    given = ScoreParts(scores.pooled, late)
    distillation = Distillation(score, temperature=0.3, teacher_temperature=0.7, margin_weight=1.5)
    parts = objective("joint", distillation=distillation)(given, POSITIVE, excluded, teacher).parts
    matrix = {"pooled": given.pooled, "late": late, "hybrid": 0.5 * given.pooled + 2.0 * late}[score]
    left_out = excluded.clone()
    left_out[:, 3] |= empty and score != "pooled"
    expected = 1.5 * naive_margins(matrix, teacher, left_out, 0.3, 0.7)
    torch.testing.assert_close(parts["distillation_margin"], expected, rtol=1e-5, atol=0, check_dtype=False)
    assert_gradients_equal(parts["distillation_margin"], expected, given)


@pytest.mark.parametrize(
    "values",
    [
        {"score": "best"},
        {"temperature": 0.0},
        {"teacher_temperature": -1.0},
        {"weight": 0},
        {"margin_weight": 0.0},
        {"margin_weight": math.inf},
    ],
)
def test_a_wrong_distillation_is_named(values):
    with pytest.raises(ScoreError, match=f"distillation {next(iter(values))}"):
        Distillation(**{"score": "late", "temperature": 0.1, "teacher_temperature": 0.1, **values})


def test_rows_without_a_teachers_scores_are_named():
    scores = torch.tensor([[1.0, 0.5], [1.0, math.nan]])
    with pytest.raises(ScoreError, match=r"1 row\(s\) have no teacher's score.*mined.jsonl, row 7"):
        check_teacher(scores, ["mined.jsonl, row 2", "mined.jsonl, row 7"])


def test_what_outdoes_the_positive_is_masked_by_the_students_own_scores():
    pooled = torch.tensor([[0.8, 0.79, 0.7], [-0.5, -0.2, -0.205]])
    mask = PositiveAware(margin=0.95).by_student(pooled, torch.tensor([0, 1]))
    # Above 0.76 for the first; for the second above -0.21, 0.05 of 0.2 below the positive.
    assert mask.tolist() == [[False, True, False], [False, False, True]]
    lenient = PositiveAware(margin=1.2).by_student(pooled, torch.tensor([2, 1]))
    assert lenient.tolist() == [[False, False, False], [False, False, False]]


def test_each_term_masks_by_its_own_scores(scores, excluded):
    chosen = objective("joint", positive_aware=PositiveAware(margin=0.9))
    out = chosen(scores, POSITIVE, excluded)
    for term in ("pooled", "late"):
        matrix = getattr(scores, term).detach()
        own = matrix.gather(1, POSITIVE[:, None])
        masked = (matrix > 0.9 * own) & ~excluded
        masked[torch.arange(3), POSITIVE] = False
        assert masked.any() and not masked.all()
        expected = objective("joint")(scores, POSITIVE, excluded | masked)
        torch.testing.assert_close(out.parts[term], expected.parts[term])
        assert out.metrics[f"masked_{term}"].item() == pytest.approx(masked.sum().item() / (27 - 3 - 2))
        assert (
            out.metrics[f"accuracy_{term}"]
            == objective("joint")(scores, POSITIVE, excluded).metrics[f"accuracy_{term}"]
        )


def test_a_teacher_masks_a_querys_own_negatives_alone(scores, excluded):
    teacher = Teacher(COLUMNS, torch.tensor([[1.0, 0.96, 0.5], [1.0, 0.2, 0.3], [0.5, 0.4, 0.9]]))
    masked = torch.zeros(3, 9, dtype=torch.bool)
    masked[0, 3] = masked[2, 8] = True
    chosen = objective("late", positive_aware=PositiveAware(by="teacher"))
    assert chosen.needs_teacher and not objective("late", positive_aware=PositiveAware()).needs_teacher
    expected = objective("late")(scores, POSITIVE, excluded | masked)
    torch.testing.assert_close(chosen(scores, POSITIVE, excluded, teacher).total, expected.total)


def test_a_query_whose_negatives_are_all_masked_teaches_nothing(scores):
    chosen = objective("late", positive_aware=PositiveAware(margin=1e-6))
    out = chosen(scores, POSITIVE, torch.zeros(3, 9, dtype=torch.bool))
    assert out.total.item() == 0 and out.metrics["masked_late"].item() == 1
    assert torch.autograd.grad(out.total, scores.late)[0].abs().sum() == 0


@pytest.mark.parametrize("values", [{"margin": 0.0}, {"margin": math.inf}, {"by": "both"}])
def test_a_wrong_mask_is_named(values):
    with pytest.raises(ScoreError, match=f"positive_aware {next(iter(values))}"):
        PositiveAware(**values)
