"""What a run leaves behind while it trains: a JSONL log that a resumed run continues without a seam."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from smart_train.errors import RunError

LOG_NAME = "log.jsonl"


class JsonlLogger(TrainerCallback):
    """Appends every log event to RUN/log.jsonl as one JSON object with its step."""

    def __init__(self, run: Path) -> None:
        self.path = run / LOG_NAME

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Drops what a killed run logged after the checkpoint that this run continues from, so no step stands twice."""
        if not state.is_world_process_zero:
            return
        kept = [record for record in read_log(self.path) if record["step"] <= state.global_step]
        temporary = self.path.with_suffix(".tmp")
        temporary.write_text("".join(json.dumps(record) + "\n" for record in kept))
        temporary.replace(self.path)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        if state.is_world_process_zero and logs:
            with self.path.open("a") as handle:
                handle.write(json.dumps({"step": state.global_step, **logs}) + "\n")


class NonFiniteLossGuard(TrainerCallback):
    """Stops the run when a logged loss is NaN or infinite: every later step would be wasted."""

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        loss = (logs or {}).get("loss")
        if loss is not None and not math.isfinite(loss):
            raise RunError(
                f"step {state.global_step}: the loss is {loss}. Lower training.learning_rate or raise the objective's "
                f"temperature; the last whole checkpoint in {args.output_dir} is untouched"
            )


def read_log(path: Path) -> list[dict[str, Any]]:
    """Records of a log.jsonl in order; a last line cut off by a kill is left out."""
    if not path.is_file():
        return []
    records = []
    lines = path.read_text().splitlines()
    for number, line in enumerate(lines):
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError as error:
            if number != len(lines) - 1:
                raise RunError(f"{path}, line {number + 1}: not valid JSON ({error})") from error
    return records
