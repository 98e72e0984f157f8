"""What a run says while it trains: a line in the console, and a line in a JSONL log that a resumed run continues
without a seam."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from smart_train.errors import RunError
from smart_train.evaluation.metrics import metric_label
from smart_train.training.resources import saving
from smart_train.utils.atomic import write_text
from smart_train.utils.terms import HEADLINE, SCORES

LOG_NAME = "log.jsonl"


class FlushAtCheckpoints(TrainerCallback):
    """Ends every span of logging where a checkpoint may be resumed from, and saves wherever the best may be found.

    A logged loss is the mean since the last log. Were that span to reach over a checkpoint, a run resumed there would
    log the mean of its second half. And the best of several evaluations can only be kept if all of them were saved.
    """

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> TrainerControl:
        if control.should_evaluate and args.load_best_model_at_end:
            control.should_save = True
        if control.should_evaluate or control.should_save:
            control.should_log = True
        return control

    on_epoch_end = on_step_end


class JsonlLogger(TrainerCallback):
    """Appends every log event to RUN/log.jsonl as one JSON object with its step."""

    def __init__(self, run: Path) -> None:
        self.path = run / LOG_NAME

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Drops what a killed run logged after the checkpoint that this run begins at, so no step is in it twice."""
        if not state.is_world_process_zero:
            return
        done = state.global_step
        records = [record for record in read_log(self.path) if record["step"] <= done] if done else []
        with saving(self.path, self.path.parent):
            write_text(self.path, "".join(json.dumps(record) + "\n" for record in records))

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        if state.is_world_process_zero and logs:
            with saving(self.path, self.path.parent), self.path.open("a", encoding="utf-8") as handle:
                handle.write(json.dumps({"step": state.global_step, **logs}) + "\n")


class ConsoleLogger(TrainerCallback):
    """One line per log and one per evaluation, on the main rank, above a progress bar where there is a terminal.

    `training.disable_tqdm` drops the bar and keeps the lines. Where no bar tells how long it still takes, the lines do,
    at the pace so far, evaluations and checkpoints included.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.bar: tqdm | None = None
        self.clock = clock
        self.began, self.first = 0.0, 0

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self.began, self.first = self.clock(), state.global_step
        if state.is_world_process_zero and not args.disable_tqdm:
            # disable=None: a bar on a terminal only; in a file it is a thousand lines.
            self.bar = tqdm(
                total=state.max_steps, initial=state.global_step, desc="Training", dynamic_ncols=True, disable=None
            )

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if self.bar is not None:
            self.bar.update(state.global_step - self.bar.n)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        if not state.is_world_process_zero:
            return
        line = training_line(logs or {})
        line = evaluation_line(logs or {}, args, state) if line is None else line + self._left(state)
        if line is not None:
            tqdm.write(f"step {state.global_step}/{state.max_steps}  {line}")
            sys.stdout.flush()  # a log that is piped into a file is read while the run lasts

    def _left(self, state: TrainerState) -> str:
        done, left = state.global_step - self.first, state.max_steps - state.global_step
        if done <= 0 or left <= 0 or not (self.bar is None or self.bar.disable):
            return ""
        return f"  {duration((self.clock() - self.began) / done * left)} left"

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None


def duration(seconds: float) -> str:
    """`1 h 05 min`, `12 min` or `40 s`."""
    minutes = round(seconds / 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60:02} min"
    return f"{minutes} min" if minutes >= 2 else f"{max(1, round(seconds))} s"


def training_line(logs: Mapping[str, Any]) -> str | None:
    """The loss, its parts and what came with them in one line; None when `logs` are not those of training steps."""
    if "loss" not in logs:
        return None
    words = [f"loss {logs['loss']:.4f}"]
    forms = {"loss_": ".4f", "accuracy_": ".3f", "temperature_": ".4f", "cut_": ".1%", "padding_": ".1%"}
    for prefix, form in forms.items():
        parts = [f"{name.removeprefix(prefix)} {logs[name]:{form}}" for name in sorted(logs) if name.startswith(prefix)]
        if prefix == "loss_":
            words[0] += f" ({', '.join(parts)})" if parts else ""
        elif parts:
            words.append(f"{prefix[:-1]} {', '.join(parts)}")
    for name, label, form in (
        ("candidates", "candidates", "g"),
        ("learning_rate", "lr", ".2e"),
        ("grad_norm", "grad_norm", ".3g"),
    ):
        if name in logs:
            words.append(f"{label} {logs[name]:{form}}")
    return "  ".join(words)


def evaluation_line(logs: Mapping[str, Any], args: TrainingArguments, state: TrainerState) -> str | None:
    """The headline metric of every score in a line, and whether this is the best so far; None when `logs` hold none."""
    scores = [f"{score} {value:.4f}" for score in SCORES if (value := logs.get(f"eval_{score}_{HEADLINE}")) is not None]
    if not scores:
        return None
    line = f"held out {metric_label(HEADLINE)}  {'  '.join(scores)}"
    metric = (args.metric_for_best_model or "").removeprefix("eval_")
    value = logs.get(f"eval_{metric}")
    if value is None:
        return line
    if not metric.endswith(HEADLINE):
        line += f"  {metric} {value:.4f}"
    # The Trainer notes a new best only after this log.
    return line + ("  best so far" if state.best_metric is None or value > state.best_metric else "")


def read_log(path: Path) -> list[dict[str, Any]]:
    """Records of a log.jsonl in order; a last line cut off by a kill is left out."""
    if not path.is_file():
        return []
    records = []
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    for number, line in enumerate(lines):
        try:
            record = json.loads(line)
            if not (isinstance(record, dict) and isinstance(record.get("step"), int)):
                raise ValueError("it holds no step")
        except ValueError as error:
            if number != len(lines) - 1:
                raise RunError(f"{path}, line {number + 1}: damaged ({error}); delete this line") from error
        else:
            records.append(record)
    return records
