"""The whole road in one process: what a run does, writes and reports, in each way of training."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import smart_train.run.stages
import smart_train.utils.cpu
from smart_train import SmartModel
from smart_train.evaluation import EvaluationResult, RetrievalEvaluator
from smart_train.recipe import Recipe, load_recipe
from smart_train.run import build, train
from smart_train.run.plan import make_plan
from smart_train.training.training_log import LOG_NAME, read_log
from tests.near_ties import assert_within, metric_ranges
from tests.runs import HELD_OUT_ROWS, MODES, SCORES, logged, metrics, tiny_recipe

METRICS = ["ndcg@1", "ndcg@5", "ndcg@10", "recall@1", "recall@5", "recall@10", "mrr@10"]
PNG = b"\x89PNG\r\n\x1a\n"
SHORT = {"export": {"enabled": False}, "evaluation": {"before": False, "after": False}}


@pytest.fixture(scope="module", params=MODES)
def finished(request: pytest.FixtureRequest, tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    """The recipe of a run that has ended, in each way of training, with a learned temperature."""
    output = tmp_path_factory.mktemp(request.param) / "run"
    recipe = tiny_recipe(tiny_data, output, **MODES[request.param], objective={"learn_temperature": True})
    assert train(recipe) == output
    return recipe


@pytest.fixture
def short(tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Trains the tiny recipe, changed, without evaluation, checkpoints, plots and export; returns the run folder."""
    monkeypatch.setattr(smart_train.run.stages, "plot_run", lambda *_, **__: None)

    def run(name: str = "run", **sections: Any) -> Path:
        training = {"save_strategy": "no", "eval_strategy": "no", **sections.pop("training", {})}
        return train(tiny_recipe(tiny_data, tmp_path / name, **{**SHORT, **sections, "training": training}))

    return run


def test_a_run_leaves_these_files(finished: Recipe) -> None:
    run = build.run_folder(finished)
    names = {path.name for path in run.iterdir()}
    kept = {name for name in names if name.startswith("checkpoint-")}
    assert "checkpoint-6" in kept and len(kept) == 2, "the last one, and the best or the one before"
    assert names - kept == {
        *("recipe.yaml", "run.json", "run.json.copy", "contents.json", "log.jsonl", "base", "final", "export", "plots"),
        *("evaluation.before.json", "evaluation.after.json", "evaluation.json", "per_query.json", "report.html"),
    }
    weights = {"full": "model.safetensors", "lora": "adapter_model.safetensors", "projection": "projection.safetensors"}
    assert (run / "final" / weights[finished.mode]).is_file() and (run / "final" / "smart_config.json").is_file()
    assert not list(run.glob(".*")), "nothing half written is left"
    assert load_recipe(run / "recipe.yaml") == finished
    record = json.loads((run / "run.json").read_text())
    assert record["state"] == "finished" and record["fingerprint"] == finished.fingerprint
    assert record["versions"].keys() >= {"smart_train", "torch", "transformers", "peft", "accelerate"}


def test_the_report_shows_what_was_run_and_queries_before_and_after(finished: Recipe) -> None:
    run = build.run_folder(finished)
    text = (run / "report.html").read_text(encoding="utf-8")
    titles = re.findall(r"<h2>(.*?)</h2>", text)
    shown_queries = text.count("<b>after</b>")
    # A projection alone raises none in six steps that is not among the worst.
    assert shown_queries == 6 or (shown_queries >= 3 and finished.mode == "projection")
    gained = ["Queries that gained most"] if shown_queries > 3 else []
    assert titles == ["What was run", "Result", "Curves", "Worst queries", *gained, "Recipe"]
    shown = metrics(run)["hybrid"]["ndcg@5"]
    assert f"{shown:.3f} over {HELD_OUT_ROWS} queries" in text and f"<dd>{finished.fingerprint}" not in text
    assert f"recipe {finished.fingerprint}, data " in text and "<dt>versions</dt><dd>smart_train " in text
    assert text.count("<b>before</b>") == text.count('alt="after, image 1 of 1"') == shown_queries
    assert "no heat can be shown" not in text and "<script" not in text
    pictures = re.findall(r'src="([^"]{40})', text)
    assert len(pictures) == 4 + 2 * shown_queries and all(picture.startswith("data:image/") for picture in pictures)


def test_the_evaluation_has_the_promised_shape(finished: Recipe) -> None:
    report = json.loads((build.run_folder(finished) / "evaluation.json").read_text())
    assert set(report) == {
        *("before", "after", "comparison", "selection"),
        *("measured_on", "queries", "documents", "chance", "scoring"),
    }
    for when in ("before", "after"):
        assert list(report[when]) == list(SCORES)
        for score in SCORES:
            assert list(report[when][score]) == METRICS
            assert all(0 <= value <= 1 for value in report[when][score].values())
    assert report["queries"] == report["documents"] == HELD_OUT_ROWS
    per_query = json.loads((build.run_folder(finished) / "per_query.json").read_text())
    assert len(per_query["query_ids"]) == HELD_OUT_ROWS
    mean = math.fsum(per_query["after"]["late"]["mrr@10"]) / HELD_OUT_ROWS
    assert report["after"]["late"]["mrr@10"] == pytest.approx(mean)


def test_the_log_names_the_parts_and_they_add_up(finished: Recipe) -> None:
    run = build.run_folder(finished)
    terms = {"joint": ("late", "pooled"), "late": ("late",)}[finished.objective.name]
    records = [record for record in read_log(run / LOG_NAME) if "loss" in record]
    assert [record["step"] for record in records] == [1, 2, 3, 4, 5, 6]
    for record in records:
        assert {name for name in record if name.startswith("loss_")} == {f"loss_{term}" for term in terms}
        assert record["loss"] == pytest.approx(sum(record[f"loss_{term}"] for term in terms), abs=1e-5)
        assert all(0 <= record[f"accuracy_{term}"] <= 1 for term in terms)
        assert record["learning_rate"] >= 0 and record["grad_norm"] > 0
    assert logged(run, "cut_query") == logged(run, "cut_document") == {1: 0.0}  # on the first line alone
    assert list(logged(run, "eval_hybrid_ndcg@5")) == [2, 4, 6]
    assert list(logged(run, "train_runtime")) == [6]


def test_the_candidates_logged_are_those_planned(finished: Recipe) -> None:
    run = build.run_folder(finished)
    planned = make_plan(finished).lines
    assert planned["candidates per query"].startswith("4 documents")
    assert set(logged(run, "candidates").values()) == {4.0}
    assert planned["optimiser steps"].startswith(f"{max(logged(run))} ")


def test_the_plots_are_pictures(finished: Recipe) -> None:
    plots = list((build.run_folder(finished) / "plots").iterdir())
    assert len(plots) >= 3
    assert all(path.suffix == ".png" and path.read_bytes().startswith(PNG) for path in plots)


def test_the_trained_model_loads_and_scores_as_reported(finished: Recipe, tiny_data: Path) -> None:
    run = build.run_folder(finished)
    evaluator = build.evaluator(finished, "evaluation", build.usable_rows(finished, "evaluation")[0])
    for folder in ("final", "export"):
        with metric_ranges() as ranges:  # what is merged rounds differently
            evaluator(SmartModel.from_pretrained(run / folder, device="cpu"))
        assert_within(metrics(run), ranges[0])


def test_the_temperature_is_learned_and_kept(finished: Recipe) -> None:
    run = build.run_folder(finished)
    for term in {"joint": ("late", "pooled"), "late": ("late",)}[finished.objective.name]:
        values = logged(run, f"temperature_{term}")
        assert values[1] == pytest.approx(finished.objective.temperature)
        assert values[6] != values[1]
        saved = load_file(run / "checkpoint-6" / "objective.safetensors")[f"log_scales.{term}"]
        # Logged before the step, saved after it.
        assert 1 / saved.exp().item() == pytest.approx(values[6], rel=2e-3) and 1 / saved.exp().item() != values[6]


def test_a_finished_run_is_reported_and_left_alone(finished: Recipe, capsys: pytest.CaptureFixture[str]) -> None:
    run = build.run_folder(finished)
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    assert train(finished) == run
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before
    printed = capsys.readouterr().out
    assert "is already finished; pass --overwrite to start it again" in printed and "hybrid" in printed


def test_the_export_uses_every_core_while_other_processes_sleep(
    short: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = torch.get_num_threads()
    threads = []

    class Exports(Exception):
        """The export would begin here."""

    def export(*_: Any, **__: Any) -> None:
        threads.append(torch.get_num_threads())
        raise Exports

    monkeypatch.setattr(smart_train.run.stages, "export_model", export)
    monkeypatch.setattr(smart_train.utils.cpu, "local_processes", lambda: 2)
    monkeypatch.setattr(smart_train.utils.cpu, "usable_cores", lambda: before + 1)
    with pytest.raises(Exports):
        short(export={"enabled": True}, training={"max_steps": 1})
    assert threads == [before + 1] and torch.get_num_threads() == before


def test_the_best_checkpoint_is_what_the_run_hands_out(
    tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted = iter([0.2, 0.7, 0.5])  # hybrid nDCG@5 after steps 2, 4 and 6
    measure = RetrievalEvaluator.__call__

    def script(self: RetrievalEvaluator, model: Any) -> EvaluationResult:
        result = measure(self, model)
        result.per_query["hybrid"]["ndcg@5"][:] = [next(scripted)] * HELD_OUT_ROWS
        return result

    monkeypatch.setattr(RetrievalEvaluator, "__call__", script)
    run = train(tiny_recipe(tiny_data, tmp_path / "run", **SHORT, training={"save_total_limit": 1}))
    weights = load_file(run / "final" / "model.safetensors")
    best = load_file(run / "checkpoint-4" / "model.safetensors")
    assert all(torch.equal(weights[name], best[name]) for name in best)
    assert [path.name for path in run.glob("checkpoint-*")] == ["checkpoint-4"]


def test_a_run_without_improvement_stops_early(tiny_data: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(
        tiny_data,
        tmp_path / "run",
        training={"learning_rate": 1e-12, "max_steps": 20},
        evaluation={"before": False, "after": False, "early_stopping_patience": 2},
        export={"enabled": False},
    )
    assert max(logged(train(recipe))) == 6  # the first evaluation sets the mark, two more do not beat it


def test_explicit_negatives_are_candidates(short: Callable[..., Path], tiny_data: Path) -> None:
    plain = short("plain")
    run = short("negatives", data={"negatives_per_query": 1})
    assert set(logged(run, "candidates").values()) == {8.0}
    assert logged(run)[1] > logged(plain)[1], "more candidates, a harder task"


def test_accumulated_batches_are_averaged_and_share_no_candidates(short: Callable[..., Path]) -> None:
    still = {"learning_rate": 1e-12, "lr_scheduler_type": "constant"}
    one = logged(short("one", training={**still, "max_steps": 4}))
    run = short("two", training={**still, "max_steps": 2, "gradient_accumulation_steps": 2})
    assert set(logged(run, "candidates").values()) == {4.0}
    assert logged(run) == pytest.approx({1: (one[1] + one[2]) / 2, 2: (one[3] + one[4]) / 2}, abs=1e-5)
    parts = logged(run, "loss_late")
    assert logged(run)[2] == pytest.approx(parts[2] + logged(run, "loss_pooled")[2], abs=1e-5)


@pytest.mark.parametrize("name", ["gradient_checkpointing", "activation_checkpointing"])
def test_checkpointed_activations_change_memory_and_not_the_loss(
    short: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLTextMLP as Layer

    calls: list[int] = []
    forward = Layer.forward

    def counted(self: Any, *args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        return forward(self, *args, **kwargs)

    monkeypatch.setattr(Layer, "forward", counted)
    plain, once = short("plain", **MODES["lora"]), len(calls)
    calls.clear()
    run = short("checkpointed", **MODES["lora"], training={name: True})
    assert logged(run) == pytest.approx(logged(plain), abs=1e-5)
    assert len(calls) == 2 * once, "every layer runs again in the backward pass"


def test_bf16_arithmetic_keeps_weights_and_scores_in_fp32(short: Callable[..., Path]) -> None:
    plain, run = logged(short("fp32")), short("bf16", training={"bf16": True})
    found = logged(run)
    assert found == pytest.approx(plain, rel=0.05) and found != plain
    assert all(value.dtype == torch.float32 for value in load_file(run / "final" / "model.safetensors").values())


def test_the_loaders_workers_change_nothing(short: Callable[..., Path]) -> None:
    none = short("none", **MODES["lora"])
    two = short("two", **MODES["lora"], training={"dataloader_num_workers": 2})
    assert logged(two) == logged(none)


def test_the_seed_draws_the_adapter_and_the_order(short: Callable[..., Path]) -> None:
    runs = [short(f"{i}", **MODES["lora"], training={"seed": seed}) for i, seed in enumerate((3, 3, 4))]
    first, again, other = (logged(run) for run in runs)
    assert first == again != other
    adapters = [load_file(run / "final" / "adapter_model.safetensors") for run in runs]
    name = next(name for name in adapters[0] if "lora_A" in name)
    assert torch.equal(adapters[0][name], adapters[1][name]) and not torch.equal(adapters[0][name], adapters[2][name])


def test_data_is_made_where_it_is_missing(tiny_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = tmp_path / "made"
    script = tmp_path / "make.py"
    script.write_text(
        "import shutil, sys\n"
        "assert sys.argv[1] == '--output' and sys.argv[3:] == ['--pages', '7'], sys.argv\n"
        f"shutil.copytree({str(tiny_data)!r}, sys.argv[2])\n"
    )
    prepare = {"script": str(script), "output": str(made), "args": ["--pages", 7]}
    recipe = tiny_recipe(
        made,
        tmp_path / "run",
        **SHORT,
        data={"prepare": prepare},
        training={"max_steps": 1, "eval_strategy": "no", "save_strategy": "no"},
    )
    train(recipe)
    assert f"Preparing data: {script} --output {made} --pages 7" in capsys.readouterr().out
    train(recipe, overwrite=True)
    assert "Preparing" not in capsys.readouterr().out
