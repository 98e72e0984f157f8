"""From a batch to its loss: which candidates count."""

import pytest
import torch

from smart_train import ScoringConfig
from smart_train.errors import ScoreError
from smart_train.losses import ContrastiveObjective
from smart_train.training.run_schedule import Schedule
from smart_train.training.step import contrastive_loss
from tests.training.batches import batch, tiny, training_module


@pytest.mark.parametrize(("shared", "candidates"), [(True, 9), (False, 5)])
def test_explicit_negatives_are_shared_or_their_own_querys(shared, candidates):
    model = tiny("full").eval()
    inputs = batch(model, rows=3, negatives=2)
    temperatures = dict.fromkeys(("pooled", "late", "hybrid"), 0.1)
    objective = ContrastiveObjective(
        "late", scoring=ScoringConfig(), temperatures=temperatures, shared_negatives=shared
    )
    with torch.no_grad():
        queries, documents = model.embed(inputs["query"]), model.embed(inputs["document"])
        output = contrastive_loss(objective, queries, documents, inputs)
        scores = model.similarity(queries, documents, scoring=ScoringConfig(pooled_weight=0.0)) / 0.1
    planned = Schedule(rows=3, processes=1, batch=3, negatives=2, shared=shared).candidates
    assert output.metrics["candidates"].item() == candidates == planned
    # Columns: three positives, then two negatives of each row in turn.
    own = [[*range(3), 3 + 2 * row, 4 + 2 * row] if not shared else list(range(9)) for row in range(3)]
    expected = -sum(torch.log_softmax(scores[row, own[row]], 0)[own[row].index(row)] for row in range(3)) / 3
    torch.testing.assert_close(output.total, expected, atol=1e-5, rtol=1e-5)


def test_the_teacher_judges_the_columns_of_a_querys_own_documents():
    model = tiny("full").eval()
    inputs = batch(model, rows=3, negatives=2)
    module = training_module(model, "late", taught=True).eval()
    with torch.no_grad():
        output = module(inputs)
        scores = model.similarity(model.embed(inputs["query"]), model.embed(inputs["document"]))
    expected = 0.0
    for row, teacher in enumerate(inputs["teacher_scores"]):
        own = [row, 3 + 2 * row, 4 + 2 * row]
        wanted, found = (teacher / 0.1).log_softmax(0), (scores[row, own] / 0.2).log_softmax(0)
        expected += (wanted.exp() * (wanted - found)).sum() / 3
    torch.testing.assert_close(output.parts["distillation"], expected, atol=1e-5, rtol=1e-5)
    above = (inputs["teacher_scores"][:, 1:] > 0.9 * inputs["teacher_scores"][:, :1]).sum().item()
    assert above and output.metrics["masked_late"].item() == pytest.approx(above / 24)


def test_rows_of_a_source_without_negatives_need_no_teacher():
    model = tiny("full").eval()
    inputs = batch(model, rows=3)
    output = training_module(model, "late", taught=True)(inputs)
    assert output.parts["distillation"].item() == 0 and output.total.isfinite()


def test_a_row_without_scores_is_named():
    model = tiny("full").eval()
    inputs = batch(model, rows=3, negatives=1)
    inputs["teacher_scores"][:] = float("nan")
    with pytest.raises(ScoreError, match="have no teacher's score.*made, row 0, made, row 1"):
        training_module(model, "late", taught=True)(inputs)
