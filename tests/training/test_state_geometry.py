"""What is measured of the states at an evaluation, against hand-made sets, and the stop of a run that has collapsed."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch

from smart_train.errors import DivergedError, Notice, RunError
from smart_train.evaluation import EvaluationSet
from smart_train.run import train
from smart_train.scoring.embeddings import Embeddings
from smart_train.scoring.geometry import effective_rank
from smart_train.training.state_geometry import NEAR_RANK, check, measure, near_collapse
from smart_train.training.training_log import LOG_NAME, read_log
from smart_train.types import ModelInput
from tests.runs import tiny_recipe

NAMES = ("rank_pooled", "rank_tokens", "alignment", "winning", "uniformity", "spread_pooled", "spread_late")


class Fixed:
    """An encoder whose vectors are given: item "i" has row i of them, and as many tokens as that row's matrix."""

    def __init__(self, queries: list[torch.Tensor], documents: list[torch.Tensor]) -> None:
        self.sides = {"query": queries, "document": documents}

    def encode_query(self, items: list[ModelInput], **_: object) -> Embeddings:
        return self._encode("query", items)

    def encode_document(self, items: list[ModelInput], **_: object) -> Embeddings:
        return self._encode("document", items)

    def _encode(self, side: str, items: list[ModelInput]) -> Embeddings:
        tokens = [self.sides[side][int(item.text)] for item in items]
        offsets = torch.tensor([0, *(len(one) for one in tokens)]).cumsum(0)
        return Embeddings(torch.stack([one[0] for one in tokens]), torch.cat(tokens), offsets)


def numbered(count: int, relevant: list[str]) -> EvaluationSet:
    inputs, ids = [ModelInput(str(place)) for place in range(count)], [str(place) for place in range(count)]
    return EvaluationSet(inputs[: len(relevant)], ids[: len(relevant)], inputs, ids, [{name} for name in relevant])


def test_effective_rank_counts_directions() -> None:
    corners = torch.cat([torch.eye(3), -torch.eye(3)])
    assert effective_rank(corners) == pytest.approx(3.0)
    assert effective_rank(torch.stack([torch.ones(4), torch.zeros(4)])) == pytest.approx(1.0)
    assert effective_rank(torch.ones(5, 4)) == 1.0
    # Variances 4 and 1: exp of the entropy of 0.8 and 0.2.
    uneven = torch.tensor([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    assert effective_rank(uneven) == pytest.approx(math.exp(-0.8 * math.log(0.8) - 0.2 * math.log(0.2)))


def test_two_queries_and_two_documents_by_hand() -> None:
    """Query 0 is the first axis, query 1 the second. Document 0 keeps both axes and a third, document 1 the second."""
    x, y, z = torch.eye(3)
    model = Fixed([torch.stack([x]), torch.stack([y])], [torch.stack([x, y, z]), torch.stack([y, y])])
    found = measure(model, numbered(2, ["0", "1"]), batch_size=1)
    assert tuple(found) == NAMES
    # Pooled: every query is its answer; the two documents are sqrt(2) apart, in one direction.
    assert found["alignment"] == 0 and found["rank_pooled"] == pytest.approx(1.0)
    assert found["uniformity"] == pytest.approx(-4.0)
    # Won: x and y of document 0, the first y of document 1 (x meets two equal tokens there, and takes the first).
    assert found["winning"] == pytest.approx(3 / 5)
    half = 0.5**0.5  # standard deviation of 1 and 0
    assert found["spread_pooled"] == pytest.approx(half)
    assert found["spread_late"] == pytest.approx(half / 2)  # query 1 finds its axis in both


def test_documents_are_sampled_once_and_paired_with_their_own_queries() -> None:
    x, y, z = torch.eye(3)
    model = Fixed(
        [torch.stack([y]), torch.stack([y]), torch.stack([z])], [torch.stack([x]), torch.stack([y]), torch.stack([z])]
    )
    found = measure(model, numbered(3, ["1", "1", "2"]), batch_size=2)
    assert found["alignment"] == 0 and found["uniformity"] == pytest.approx(-4.0)


def test_one_document_cannot_be_told_apart() -> None:
    (x,) = torch.eye(1)
    found = measure(Fixed([x[None]], [x[None]]), numbered(1, ["0"]), batch_size=1)
    assert "spread_late" not in found
    check(found, found, ("pooled", "late"), 5, 1e-3)


def test_a_collapse_names_score_step_and_knob() -> None:
    measured = {"spread_pooled": 0.0, "spread_late": 0.1}
    check(measured, measured, ("late",), 5, 1e-3)
    check(None, measured, ("pooled", "late"), 5, 1e-3)
    check({"spread_pooled": 0.1, "spread_late": 0.0}, measured, ("pooled", "late"), 5, 1e-3)
    with pytest.raises(DivergedError) as caught:
        check(measured, measured, ("pooled", "late"), 5, 1e-3)
    said = str(caught.value)
    assert said.startswith(
        "step 5: the model has collapsed: at this evaluation and the one before, every held-out docu"
    )
    assert "1e-05: pooled (0.0e+00). " in said and "late (" not in said
    assert "Lower training.learning_rate (0.001; the quickstart collapses at 1e-2 and learns at 5e-4)" in said


NEAR = {"rank_pooled": 1.05, "uniformity": -0.002}
EIGHT = numbered(8, list("01234567"))


@pytest.mark.parametrize(
    ("before", "now", "needs", "data"),
    [
        (None, NEAR, ("pooled",), EIGHT),  # the first evaluation
        ({**NEAR, "rank_pooled": 1.6}, NEAR, ("pooled",), EIGHT),  # healthy a moment ago
        (NEAR, {**NEAR, "uniformity": -0.7}, ("pooled",), EIGHT),  # two groups of near-duplicates
        (NEAR, NEAR, ("late",), EIGHT),  # nothing trains the pooled vector
        (NEAR, NEAR, ("pooled",), numbered(8, list("01010101"))),  # two documents, always on a line
    ],
)
def test_what_is_not_a_near_collapse(before: dict | None, now: dict, needs: tuple, data: EvaluationSet) -> None:
    assert near_collapse(before, now, needs, data, 20, 1e-2) is None


def test_a_near_collapse_is_told_with_its_figures() -> None:
    told = near_collapse(NEAR, NEAR, ("pooled", "late"), EIGHT, 20, 1e-2)
    assert told is not None and told.startswith(
        "step 20: the model has nearly collapsed: at this evaluation and the one"
    )
    assert "8 held-out documents lie almost on one line (effective rank 1.050, below 1.5)" in told
    assert "(uniformity -2.0e-03, above -0.01)" in told and "lower training.learning_rate (0.01)" in told


def test_vectors_on_a_line_near_one_point_are_measured_so() -> None:
    """And such that are few directions, but far apart, are not near a point."""
    base, step = torch.eye(8)[0], torch.eye(8)[1]
    rows = [torch.nn.functional.normalize(base + 0.005 * place * step, dim=0)[None] for place in range(8)]
    found = measure(Fixed(rows, rows), EIGHT, batch_size=8)
    assert near_collapse(found, found, ("pooled",), EIGHT, 1, 1e-3) is not None
    far = [row if place % 2 else torch.eye(8)[2:3] for place, row in enumerate(rows)]
    found = measure(Fixed(far, far), EIGHT, batch_size=8)
    assert found["rank_pooled"] < NEAR_RANK and near_collapse(found, found, ("pooled",), EIGHT, 1, 1e-3) is None


def test_a_run_tells_a_near_collapse_once_and_goes_on(
    tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tiny_recipe(tiny_data, tmp_path / "run", export={"enabled": False}, evaluation={"before": False})
    real = measure
    monkeypatch.setattr("smart_train.training.state_geometry.measure", lambda *given: {**real(*given), **NEAR})
    with pytest.warns(Notice, match="the model has nearly collapsed") as told:
        train(recipe)
    (said,) = [str(one.message) for one in told if "nearly collapsed" in str(one.message)]
    assert said.startswith("step 4: ") and (tmp_path / "run" / "checkpoint-6").is_dir()


def test_a_run_logs_it_and_stops_when_all_pages_score_the_same(
    tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tiny_recipe(tiny_data, tmp_path / "run", export={"enabled": False}, evaluation={"before": False})
    told = [0.1, 0.0, 0.0]
    real = measure

    def fading(*arguments: object) -> dict[str, float]:
        return {**real(*arguments), "spread_late": told.pop(0)}

    monkeypatch.setattr("smart_train.training.state_geometry.measure", fading)
    with pytest.raises(RunError, match="step 6: the model has collapsed"):
        train(recipe)
    logged = {record["step"]: record for record in read_log(tmp_path / "run" / LOG_NAME) if "watch_winning" in record}
    assert list(logged) == [2, 4, 6] and logged[4]["watch_spread_late"] == 0.0
    assert all(f"watch_{name}" in logged[2] for name in NAMES) and logged[2]["watch_rank_tokens"] > 1
    assert (tmp_path / "run" / "checkpoint-4").is_dir() and not (tmp_path / "run" / "checkpoint-6").exists()
    json.dumps(logged[2], allow_nan=False)
