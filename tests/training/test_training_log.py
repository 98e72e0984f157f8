"""What a run says: its lines, its bar, its log."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from transformers import TrainerControl, TrainerState, TrainingArguments

from smart_train.errors import RunError
from smart_train.training.training_log import (
    LOG_NAME,
    ConsoleLogger,
    FlushAtCheckpoints,
    JsonlLogger,
    duration,
    evaluation_line,
    read_log,
    training_line,
)

LOGS = {
    "loss": 3.125,
    "loss_late": 1.0,
    "loss_pooled": 2.125,
    "accuracy_late": 0.5,
    "accuracy_pooled": 0.0625,
    "temperature_late": 0.05,
    "candidates": 22.5,
    "learning_rate": 5e-4,
    "grad_norm": 12.3456,
    "epoch": 1.5,
}
LINE = (
    "loss 3.1250 (late 1.0000, pooled 2.1250)  accuracy late 0.500, pooled 0.062  temperature late 0.0500  "
    "candidates 22.5  lr 5.00e-04  grad_norm 12.3"
)
MEASURED = {"eval_pooled_ndcg@5": 0.25, "eval_late_ndcg@5": 0.5, "eval_hybrid_ndcg@5": 0.75, "eval_late_mrr@10": 0.1}


def arguments(folder: Path, **changes: Any) -> TrainingArguments:
    return TrainingArguments(output_dir=str(folder), use_cpu=True, report_to="none", **changes)


@pytest.fixture
def args(tmp_path: Path) -> TrainingArguments:
    return arguments(tmp_path, disable_tqdm=False, metric_for_best_model="hybrid_ndcg@5")


def state(step: int, *, main: bool = True, best: float | None = None) -> TrainerState:
    return TrainerState(
        global_step=step, max_steps=20, is_world_process_zero=main, is_local_process_zero=main, best_metric=best
    )


def test_a_log_is_one_line() -> None:
    assert training_line(LOGS) == LINE
    assert training_line({"loss": 2.0, "learning_rate": 0.0}) == "loss 2.0000  lr 0.00e+00"
    cut = {"loss": 2.0, "cut_query": 0.0, "cut_document": 0.123}
    assert training_line(cut) == "loss 2.0000  cut document 12.3%, query 0.0%"
    padding = {"loss": 2.0, "padding_query": 0.25, "padding_document": 0.004}
    assert training_line(padding) == "loss 2.0000  padding document 0.4%, query 25.0%"
    assert training_line(MEASURED) is None and training_line({"train_runtime": 3.0, "train_loss": 1.0}) is None


def test_an_evaluation_is_one_line(args: TrainingArguments, tmp_path: Path) -> None:
    line = "held out nDCG@5  pooled 0.2500  late 0.5000  hybrid 0.7500"
    assert evaluation_line(MEASURED, args, state(4)) == f"{line}  best so far"
    assert evaluation_line(MEASURED, args, state(4, best=0.7)) == f"{line}  best so far"
    assert evaluation_line(MEASURED, args, state(4, best=0.75)) == line
    assert evaluation_line(LOGS, args, state(4)) is None
    other = arguments(tmp_path, metric_for_best_model="late_mrr@10")
    assert evaluation_line(MEASURED, other, state(4, best=0.2)) == f"{line}  late_mrr@10 0.1000"
    assert evaluation_line(MEASURED, arguments(tmp_path), state(4)) == line


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def say(args: TrainingArguments, *, main: bool = True, resumed_at: int = 0) -> None:
    """A short run, as its callbacks see it."""
    logger, control = ConsoleLogger(clock=lambda: 0.0), TrainerControl()
    logger.on_train_begin(args, state(resumed_at, main=main), control)
    for step in range(resumed_at + 1, resumed_at + 3):
        logger.on_step_end(args, state(step, main=main), control)
        logger.on_log(args, state(step, main=main), control, logs=LOGS)
    logger.on_log(args, state(resumed_at + 2, main=main), control, logs=MEASURED)
    logger.on_log(args, state(resumed_at + 2, main=main), control, logs={"train_runtime": 2.0})
    logger.on_train_end(args, state(resumed_at + 2, main=main), control)


def test_without_a_terminal_there_are_lines_alone(args: TrainingArguments, capsys: pytest.CaptureFixture[str]) -> None:
    say(args, resumed_at=10)
    told = capsys.readouterr()
    assert told.out.splitlines() == [
        f"step 11/20  {LINE}  1 s left",
        f"step 12/20  {LINE}  1 s left",
        "step 12/20  held out nDCG@5  pooled 0.2500  late 0.5000  hybrid 0.7500  best so far",
    ]
    assert told.err == ""


def test_on_a_terminal_a_bar_goes_on_where_the_run_was_cut_off(
    args: TrainingArguments, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    say(args, resumed_at=10)
    drawn = terminal.getvalue()
    assert "Training:  50%" in drawn and "10/20" in drawn and "12/20" in drawn and " 0/20" not in drawn
    assert capsys.readouterr().out.count(LINE) == 2


def test_disable_tqdm_drops_the_bar_and_keeps_the_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    say(arguments(tmp_path, disable_tqdm=True))
    assert terminal.getvalue() == "" and capsys.readouterr().out.count(LINE) == 2


def test_other_ranks_are_silent(
    args: TrainingArguments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    say(args, main=False)
    logger = JsonlLogger(tmp_path)
    logger.on_train_begin(args, state(0, main=False), TrainerControl())
    logger.on_log(args, state(1, main=False), TrainerControl(), logs=LOGS)
    assert terminal.getvalue() == "" == capsys.readouterr().out and not (tmp_path / LOG_NAME).exists()


def test_a_resumed_log_has_every_step_once(args: TrainingArguments, tmp_path: Path) -> None:
    for resumed_at in (0, 2):
        logger = JsonlLogger(tmp_path)
        logger.on_train_begin(args, state(resumed_at), TrainerControl())
        for step in range(resumed_at + 1, 4):
            logger.on_log(args, state(step), TrainerControl(), logs={"loss": resumed_at + step / 10})
    assert read_log(tmp_path / LOG_NAME) == [
        {"step": 1, "loss": 0.1},
        {"step": 2, "loss": 0.2},
        {"step": 3, "loss": 2.3},
    ]
    JsonlLogger(tmp_path).on_train_begin(args, state(0), TrainerControl())
    assert read_log(tmp_path / LOG_NAME) == [], "a run that starts over starts its log over"


def test_a_log_cut_off_within_a_line_is_read_to_the_line_before(tmp_path: Path) -> None:
    path = tmp_path / LOG_NAME
    assert read_log(path) == []
    path.write_text('{"step": 1, "loss": 2.0}\n{"step": 2, "lo')
    assert read_log(path) == [{"step": 1, "loss": 2.0}]
    path.write_text('{"step": 1, "lo\n{"step": 2, "loss": 2.0}\n')
    with pytest.raises(RunError, match=r"log\.jsonl, line 1: damaged \(.*\); delete this line"):
        read_log(path)


@pytest.mark.parametrize(
    ("asked", "best", "expected"),
    [
        ({}, True, set()),
        ({"should_save": True}, True, {"should_save", "should_log"}),
        ({"should_evaluate": True}, True, {"should_save", "should_evaluate", "should_log"}),
        ({"should_evaluate": True}, False, {"should_evaluate", "should_log"}),
    ],
)
def test_a_checkpoint_ends_a_span_of_logging(tmp_path: Path, asked: dict, best: bool, expected: set) -> None:
    options = {"eval_strategy": "steps", "eval_steps": 2, "save_steps": 2, "load_best_model_at_end": best}
    control = TrainerControl(**asked)
    for event in (FlushAtCheckpoints().on_step_end, FlushAtCheckpoints().on_epoch_end):
        control = event(arguments(tmp_path, **options), state(1), control)
    assert {name for name, value in vars(control).items() if value} == expected


def test_the_log_holds_one_object_a_line(args: TrainingArguments, tmp_path: Path) -> None:
    logger = JsonlLogger(tmp_path)
    logger.on_log(args, state(3), TrainerControl(), logs=LOGS)
    logger.on_log(args, state(3), TrainerControl(), logs={})
    assert [json.loads(line) for line in (tmp_path / LOG_NAME).read_text().splitlines()] == [{"step": 3, **LOGS}]


def test_lines_say_how_long_it_still_takes(
    args: TrainingArguments, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def lines() -> list[str]:
        times = iter([100.0, 130.0, 500.0])
        logger, control = ConsoleLogger(clock=lambda: next(times)), TrainerControl()
        logger.on_train_begin(args, state(10), control)
        for step in (11, 15, 20):  # the last has nothing left
            logger.on_log(args, state(step), control, logs={"loss": 1.0})
        return capsys.readouterr().out.splitlines()

    assert lines() == [
        "step 11/20  loss 1.0000  4 min left",
        "step 15/20  loss 1.0000  7 min left",
        "step 20/20  loss 1.0000",
    ]
    monkeypatch.setattr("sys.stderr", Terminal())  # the bar tells it there
    assert lines() == [f"step {step}/20  loss 1.0000" for step in (11, 15, 20)]


def test_durations_are_as_exact_as_they_matter() -> None:
    assert [duration(seconds) for seconds in (0.2, 59.6, 119, 3599, 3900, 90000)] == [
        "1 s", "60 s", "2 min", "1 h 00 min", "1 h 05 min", "25 h 00 min",
    ]  # fmt: skip
