"""`projection.state_cache`: a run that encodes each input once is the run that encodes it every time."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import smart_train.run.stages
import smart_train.run.state_cache
from smart_train import SmartModel
from smart_train.errors import RecipeError, RunError
from smart_train.models.stored_states import is_stored
from smart_train.recipe import Recipe
from smart_train.recipe.reader import merge
from smart_train.run import build, train
from smart_train.run.plan import make_plan
from smart_train.run.state_cache import prepare
from tests.near_ties import assert_within, metric_ranges
from tests.runs import HELD_OUT_ROWS, MODES, TRAIN_ROWS, logged, metrics, tiny_recipe
from tests.training.batches import tiny

EPOCHS = 3
INPUTS = 2 * TRAIN_ROWS + 2 * HELD_OUT_ROWS
THREE_EPOCHS: dict[str, Any] = merge(
    MODES["projection"],
    {
        "training": {"max_steps": -1, "num_train_epochs": EPOCHS, "eval_strategy": "epoch", "eval_steps": None},
        "export": {"enabled": False},
    },
)


class Trained(NamedTuple):
    run: Path
    encoded: int
    ranges: list[Any]
    said: str


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("plot_run", "write_run_report"):
        monkeypatch.setattr(smart_train.run.stages, name, lambda *_, **__: None)


def trained(recipe: Recipe, capsys: pytest.CaptureFixture[str]) -> Trained:
    encoded, original = [0], SmartModel.read_states

    def counted(model: SmartModel, features: Any, layers: Any = None) -> Any:
        encoded[0] += 0 if is_stored(features) else len(features["input_ids"])
        return original(model, features, layers)

    with pytest.MonkeyPatch.context() as counting, metric_ranges() as ranges:
        counting.setattr(SmartModel, "read_states", counted)
        run = train(recipe)
    return Trained(run, encoded[0], ranges, capsys.readouterr().out)


@pytest.mark.slow
def test_three_epochs_encode_each_input_once(
    quick: None, tiny_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def recipe(name: str, cache: str) -> Recipe:
        return tiny_recipe(tiny_data, tmp_path / name, **merge(THREE_EPOCHS, {"projection": {"state_cache": cache}}))

    without = trained(recipe("without", "off"), capsys)
    # Once before, and twice after each epoch: for its figures, and for what the log watches.
    assert without.encoded == EPOCHS * 2 * TRAIN_ROWS + (1 + 2 * EPOCHS) * 2 * HELD_OUT_ROWS
    folder = tmp_path / "states"
    kept = trained(recipe("kept", str(folder)), capsys)
    assert kept.encoded == INPUTS
    assert (
        f"{TRAIN_ROWS + HELD_OUT_ROWS} documents and {TRAIN_ROWS + HELD_OUT_ROWS} queries are encoded once, into "
        in (kept.said)
    )
    assert len(logged(kept.run)) == EPOCHS * TRAIN_ROWS // 4
    # The shape of a batch decides the last bits of what a backbone gives, and an optimiser adds them up.
    assert logged(kept.run) == pytest.approx(logged(without.run), rel=1e-4)
    assert_within(metrics(kept.run, "before"), without.ranges[0])
    figures = logged(without.run, "eval_hybrid_ndcg@5")
    best = list(figures.values()).index(max(figures.values()))
    assert_within(metrics(kept.run), without.ranges[1 + best])


def test_auto_keeps_states_in_the_users_cache_where_they_pay_and_fit(
    quick: None, tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SMART_TRAIN_CACHE", str(tmp_path / "cache"))
    short = {"training": {"eval_strategy": "no", "save_strategy": "no"}, "evaluation": {"before": False}}
    unmeasured = {"evaluation": {"after": False}, "data": {"evaluation": None}}

    def recipe(epochs: int) -> Recipe:
        sections = merge(THREE_EPOCHS, merge(short, merge(unmeasured, {"training": {"num_train_epochs": epochs}})))
        return tiny_recipe(tiny_data, tmp_path / f"run-{epochs}", **sections)

    once, rows = recipe(1), build.usable_rows(recipe(1), "train")[0]
    arguments = build.training_arguments(once)
    assert prepare(once, arguments, tiny("projection"), rows, [], None, trains=True, say=print) is None
    assert make_plan(recipe(1)).lines["state cache"].startswith("off: auto keeps states where there is more than one")

    full = shutil.disk_usage(tmp_path)._replace(free=1000)
    with monkeypatch.context() as filled:
        filled.setattr(smart_train.run.state_cache.shutil, "disk_usage", lambda _: full)
        said = make_plan(recipe(2)).lines["state cache"]
        assert said.startswith("off: about ") and said.endswith("1000 B are free; auto takes at most half of that")
        unkept = trained(recipe(2), capsys)
    assert unkept.encoded == 2 * 2 * TRAIN_ROWS
    assert "States of the frozen backbone are not kept: 24 documents and 24 queries would take " in unkept.said
    assert "auto takes at most half of the 1000 B that are free" in unkept.said


def test_a_named_folder_without_room_is_refused(
    tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    section = {"projection": {"state_cache": str(tmp_path / "states")}}
    recipe = tiny_recipe(tiny_data, tmp_path / "run", **merge(THREE_EPOCHS, section))
    planned = make_plan(recipe)
    assert planned.problems == []
    assert f"for 34 documents and 34 queries in {tmp_path / 'states'}, where " in planned.lines["state cache"]
    full = shutil.disk_usage(tmp_path)._replace(free=2**11)
    monkeypatch.setattr(smart_train.run.state_cache.shutil, "disk_usage", lambda _: full)
    expected = r"projection.state_cache .*states.*: the states take about \d+ KiB, and 2 KiB are free there; .*float16"
    (problem,) = make_plan(recipe).problems
    with pytest.raises(RunError, match=expected):
        raise RunError(problem)
    with pytest.raises(RunError, match=expected):
        train(recipe)
    assert not list((tmp_path / "states").glob("*/states-*"))


def test_a_narrower_number_takes_less(tiny_data: Path, tmp_path: Path) -> None:
    def said(**projection: Any) -> float:
        section = {"projection": {"state_cache": str(tmp_path / "states"), **projection}}
        text = make_plan(tiny_recipe(tiny_data, tmp_path / "run", **merge(THREE_EPOCHS, section))).lines["state cache"]
        return float(text.split()[1])

    assert said(state_dtype="int8") < said(state_dtype="float16") < said() == said(state_dtype="float32")
    assert said(layers=[1, 2]) > 1.5 * said()


@pytest.mark.parametrize("strategy", ["zero1", "zero3", "fsdp2"])
def test_an_engine_that_shards_reads_them_too(tiny_data: Path, tmp_path: Path, strategy: str) -> None:
    """Steps and evaluations: tests/training/test_across_ranks.py."""
    section = {"projection": {"state_cache": str(tmp_path / "states")}, "distributed": {"num_processes": 2}}
    said = []
    for name in ("ddp", strategy):
        sections = merge(merge(THREE_EPOCHS, section), {"distributed": {"strategy": name}})
        planned = make_plan(tiny_recipe(tiny_data, tmp_path / "run", **sections))
        assert planned.problems == []
        said.append(planned.lines["state cache"].partition(", where ")[0])  # so much is free: others write, too
    assert said[0] == said[1] and said[1].endswith(f"for 34 documents and 34 queries in {tmp_path / 'states'}")


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"projection": {"state_cache": "off", "state_dtype": "int8"}},
            "projection.state_dtype: 'int8'; projection.state_cache is off, so no states are kept",
        ),
        ({"projection": {"state_dtype": "float8"}}, "projection.state_dtype: 'float8'"),
        ({"projection": {"state_cache": ""}}, "projection.state_cache: ''"),
        (
            {"training": {"neftune_noise_alpha": 5.0}},
            "training.neftune_noise_alpha: 5.0; a projection's backbone is frozen and runs without dropout and noise",
        ),
    ],
)
def test_what_makes_no_cache_is_named(tiny_data: Path, tmp_path: Path, changes: dict[str, Any], line: str) -> None:
    with pytest.raises(RecipeError) as refused:
        tiny_recipe(tiny_data, tmp_path / "run", **merge(THREE_EPOCHS, changes))
    assert line in str(refused.value)


def test_where_states_lie_is_not_the_run_and_what_they_lose_is(tiny_data: Path, tmp_path: Path) -> None:
    def fingerprint(**projection: Any) -> str:
        sections = merge(THREE_EPOCHS, {"projection": projection})
        return tiny_recipe(tiny_data, tmp_path / "run", **sections).fingerprint

    assert fingerprint() == fingerprint(state_cache="off") == fingerprint(state_cache="states")
    assert fingerprint() != fingerprint(state_dtype="int8")
