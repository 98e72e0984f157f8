"""Plots are drawn for what is there, and hold the points that were logged."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from smart_train.evaluation import EvaluationSet, RetrievalEvaluator, plots, run_figures
from smart_train.evaluation.plots import SHOWN_OVER_STEPS, _metric_series, _series, plot_run
from smart_train.types import ModelInput

RECORDS = [
    {"step": 10, "loss": 3.0, "loss_pooled": 2.0, "loss_late": 1.0, "learning_rate": 1e-4, "grad_norm": 0.5},
    {"step": 10, "eval_pooled_ndcg@5": 0.2, "eval_late_ndcg@5": 0.3, "eval_hybrid_ndcg@5": 0.4, "epoch": 1.0},
    {"step": 20, "loss": 2.0, "loss_pooled": 1.5, "loss_late": 0.5, "learning_rate": 5e-5},
    {"step": 20, "eval_pooled_ndcg@5": 0.3, "eval_late_ndcg@5": 0.5, "eval_hybrid_ndcg@5": 0.6, "epoch": 2.0},
    {"train_runtime": 3.0},
]


@pytest.fixture
def results(evaluation_set, make_model):
    evaluator = RetrievalEvaluator(evaluation_set)
    return evaluator(make_model(constant=True)), evaluator(make_model())


def test_a_whole_run_gives_four_pictures(tmp_path, results):
    before, after = results
    drawn = plot_run(RECORDS, tmp_path / "plots", before=before, after=after)
    assert [path.name for path in drawn] == ["loss.png", "learning_rate.png", "metrics.png", "before_after.png"]
    assert sorted(tmp_path.joinpath("plots").iterdir()) == sorted(drawn)
    for path in drawn:
        with Image.open(path) as picture:
            assert picture.format == "PNG" and picture.width > 600
            assert len(picture.convert("RGB").getcolors(1 << 20)) > 10


def test_figures_are_handed_over_and_not_only_written(results):
    before, after = results
    figures = run_figures(RECORDS, before=before, after=after)
    assert list(figures) == ["loss", "learning_rate", "metrics", "before_after"]
    assert all(isinstance(figure, Figure) for figure in figures.values())
    line = next(line for line in figures["loss"].axes[0].lines if line.get_label() == "total")
    assert list(line.get_ydata()) == [3.0, 2.0]


def test_each_seed_is_a_line_of_its_own_and_the_chosen_one_is_thicker():
    logs = {3: RECORDS, 8: [{"step": 10, "loss": 2.5}, {"step": 10, "eval_late_ndcg@5": 0.7}]}
    figures = plots.seed_figures(logs, "ndcg@5", chance=0.1, chosen=8)
    assert list(figures) == ["pooled", "late", "hybrid", "loss"]
    first, second, chance = figures["late"].axes[0].lines
    assert (first.get_label(), list(first.get_xdata()), list(first.get_ydata())) == ("seed 3", [10, 20], [0.3, 0.5])
    assert (second.get_label(), list(second.get_ydata())) == ("seed 8 (chosen)", [0.7])
    assert second.get_linewidth() > first.get_linewidth() and chance.get_ydata()[0] == 0.1
    assert [line.get_label() for line in figures["pooled"].axes[0].lines] == ["seed 3", "chance"]
    assert [list(line.get_ydata()) for line in figures["loss"].axes[0].lines] == [[3.0, 2.0], [2.5]]
    many = plots.seed_figures(dict.fromkeys(range(9), RECORDS), "ndcg@5")["loss"].axes[0].lines
    assert len({(line.get_color(), line.get_linestyle()) for line in many}) == 9, "two seeds look alike"
    assert plots.seed_figures({0: [{"train_runtime": 3.0}]}, "ndcg@5") == {}


def test_a_seed_that_diverged_ends_in_a_cross_and_does_not_press_the_others_down():
    logs = {3: RECORDS, 8: [{"step": 10, "loss": 2.5}, {"step": 20, "loss": 1e9}, {"step": 30, "loss": math.nan}]}
    axes = plots.seed_figures(logs, "ndcg@5", failed=[8])["loss"].axes[0]
    lines = {line.get_label(): line for line in axes.lines}
    assert lines["seed 8 (diverged)"].get_linestyle() == "--" and lines["seed 3"].get_linestyle() == "-"
    (cross,) = (line for line in axes.lines if line.get_marker() == "X")
    assert axes.get_ylim() == pytest.approx((0, 1.1 * 3.0))
    assert (list(cross.get_xdata()), list(cross.get_ydata())) == ([20], [pytest.approx(1.1 * 3.0)])
    assert cross.get_color() == lines["seed 8 (diverged)"].get_color()
    # A score is not cut off: a seed may have led before it failed.
    logs = {3: RECORDS, 8: [{"step": 10, "eval_hybrid_ndcg@5": 0.9}]}
    lines = plots.seed_figures(logs, "ndcg@5", failed=[8])["hybrid"].axes[0].lines
    assert [list(line.get_ydata()) for line in lines if line.get_marker() == "X"] == [[0.9]]
    # No number at all: a line without points, and no cross.
    axes = plots.seed_figures({3: RECORDS, 8: [{"step": 1, "loss": math.nan}]}, "ndcg@5", failed=[8])["loss"].axes[0]
    assert [line.get_marker() for line in axes.lines].count("X") == 0


def test_models_that_are_late_only_have_one_bar_each(results):
    before, after = (dataclasses.replace(one, per_query={"late": one.per_query["late"]}) for one in results)
    axes = run_figures([], before=before, after=after)["before_after"].axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["late"] and len(axes.texts) == 2


def test_chance_of_other_rows_knows_that_a_query_is_left_out_of_its_own_ranking():
    """Of three documents one is the query itself: with two left, the right one is first in half of all orders."""
    texts = [ModelInput(text=text) for text in "abc"]
    steering = EvaluationSet(texts[:1], ["a"], texts, ["a", "b", "c"], [{"b"}], name="steering")
    axes = run_figures(RECORDS + [{"step": 20, "eval_late_recall@1": 0.5}], steering=steering)["metrics"].axes[1]
    (line,) = [line for line in axes.lines if line.get_label() == "chance"]
    assert line.get_ydata()[0] == pytest.approx(1 / 2)


@pytest.mark.parametrize(
    ("records", "names"),
    [
        ([], []),
        ([{"train_runtime": 3.0}], []),
        ([{"step": 1, "loss": 3.0, "loss_hybrid": 3.0}], ["loss.png"]),
        ([{"step": 1, "learning_rate": 0.1}], ["learning_rate.png"]),
        ([{"step": 1, "eval_late_recall@1": 0.5}], ["metrics.png"]),
    ],
)
def test_only_what_was_logged_is_drawn(tmp_path, records, names):
    assert [path.name for path in plot_run(records, tmp_path)] == names


def test_a_repeated_step_counts_once_with_its_last_value():
    records = [{"step": 2, "loss": 5.0}, {"step": 1, "loss": 6.0}, {"step": 2, "loss": 4.0}, {"loss": 9.0}]
    assert _series(records, ["loss", "absent"]) == {"loss": ([1, 2], [6.0, 4.0])}


def test_curves_of_other_rows_do_not_begin_with_the_result_before(tmp_path, results, evaluation_set, monkeypatch):
    drawn = {}
    monkeypatch.setattr(plots, "_metrics_figure", lambda *arguments: drawn.update(arguments=arguments) or Figure())
    steering = EvaluationSet(
        evaluation_set.queries[:5],
        evaluation_set.query_ids[:5],
        evaluation_set.documents,
        evaluation_set.document_ids,
        evaluation_set.qrels,
        name="data.evaluation",
    )
    plot_run(RECORDS, tmp_path, before=results[0], after=results[1])
    metrics, name, chance, chosen = drawn["arguments"]
    assert metrics["ndcg@5"]["late"][0] == [0, 10, 20] and name == "" and chance == results[1].chance
    assert chosen is None
    plot_run(RECORDS, tmp_path, before=results[0], after=results[1], steering=steering, chosen_step=10)
    metrics, name, chance, chosen = drawn["arguments"]
    assert chosen == 10
    assert metrics["ndcg@5"]["late"][0] == [10, 20] and name == "data.evaluation"
    assert set(SHOWN_OVER_STEPS) <= set(chance)


def test_the_result_before_is_step_zero():
    start = [{"step": 0, "eval_late_ndcg@5": 0.1}]
    assert _metric_series(start, RECORDS, "ndcg@5")["late"] == ([0, 10, 20], [0.1, 0.3, 0.5])
    assert _metric_series(start, [], "ndcg@5") == {}


def test_the_chosen_step_is_marked():
    metrics = {"ndcg@5": {"late": ([0, 10, 20], [0.1, 0.5, 0.4])}}
    marked = plots._metrics_figure(metrics, "", {}, 10).axes[0]
    (line,) = [line for line in marked.lines if line.get_label() == "chosen: step 10"]
    assert list(line.get_xdata()) == [10, 10]
    assert not any("chosen" in str(line.get_label()) for line in plots._metrics_figure(metrics, "", {}).axes[0].lines)


def test_bars_carry_their_interval_and_the_decimals_that_tell_them_apart(results):
    before, after = results
    values = np.random.default_rng(0).random(30)
    first = dataclasses.replace(before, per_query={**before.per_query, "late": _columns(before, values)})
    close = dataclasses.replace(after, per_query={**after.per_query, "late": _columns(after, values + 0.004)})
    axes = plots._before_after_figure(first, close).axes[0]
    shown = [text.get_text() for text in axes.texts]
    assert shown[2:4] == [f"{values.mean():.3f}", f"{values.mean() + 0.004:.3f}"]
    assert all(len(text) == 4 for text in shown[4:]), "hybrid values differ in their first two decimals"
    low, high = plots._interval(first, "late", "ndcg@5")
    error = 1.96 * values.std() / 30**0.5
    assert (low, high) == (
        pytest.approx(values.mean() - error, abs=0.02),
        pytest.approx(values.mean() + error, abs=0.02),
    )
    assert len(axes.collections) == 6, "one interval for each bar"


def _columns(result, values):
    return {metric: list(values) for metric in result.per_query["late"]}
