"""Which checkpoints of a run are whole, and which one it resumes from. `checkpoint_trainer.py` writes them.

A run may be killed at any instant, also while it writes. The last file written into a checkpoint is a manifest of every
other file, its size and its digest, moved into place in one step (`utils.manifest`); a folder without a manifest, or
whose files differ from it, is skipped on resume, and the skip is reported.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from smart_train.errors import RunError, SmartTrainError, first_line
from smart_train.utils.atomic import remove
from smart_train.utils.manifest import fault

if TYPE_CHECKING:
    from transformers import TrainingArguments

STATE_NAME = "trainer_state.json"  # the Trainer's own
WRITE_PROBE = ".write-test"


@dataclass
class CheckpointState:
    """What a run folder offers to resume from.

    `newest` is the last usable checkpoint (None: start over); `broken` maps each newer, unusable folder to its fault.
    """

    newest: Path | None
    broken: dict[Path, str] = field(default_factory=dict)


def checkpoints(run: Path) -> list[Path]:
    """Checkpoint folders of a run, newest first."""
    folders = [path for path in run.glob("checkpoint-*") if path.is_dir() and path.name.split("-")[-1].isdigit()]
    return sorted(folders, key=step_of, reverse=True)


def step_of(checkpoint: Path) -> int:
    """The optimiser step after which `checkpoint` was written."""
    return int(checkpoint.name.split("-")[-1])


def has_ended(checkpoint: Path) -> bool:
    """Whether training was over when the whole `checkpoint` was written: by its last step, or by stopping early.

    A run of version 0.1.0 that a signal stopped within an epoch, with `save_strategy: epoch`, says "stop" too, and has
    not ended."""
    state = _state(checkpoint)
    callbacks = state["stateful_callbacks"]
    stops = bool(callbacks["TrainerControl"]["args"]["should_training_stop"])
    return (stops and state["global_step"] >= state["max_steps"]) or _is_out_of_patience(callbacks)


def _is_out_of_patience(callbacks: dict[str, Any]) -> bool:
    """Whether the saved state of the Trainer's early stopping says that it stopped the run."""
    saved = callbacks.get("EarlyStoppingCallback", {})
    patience = saved.get("args", {}).get("early_stopping_patience")
    waited = saved.get("attributes", {}).get("early_stopping_patience_counter", 0)
    return patience is not None and waited >= patience


def planned_steps(checkpoint: Path) -> int:
    """The steps of the run that wrote the whole `checkpoint`."""
    return int(_state(checkpoint)["max_steps"])


def best_of(checkpoint: Path) -> Path | None:
    """The best checkpoint when the whole `checkpoint` was written, None where none was evaluated. Found by its name
    beside `checkpoint`: the run folder may have moved since."""
    best = _state(checkpoint).get("best_model_checkpoint")
    return checkpoint.with_name(Path(best).name) if best else None


def find_checkpoint(run: Path, *, contents: bool = True) -> CheckpointState:
    """The newest checkpoint of `run` that is whole and whose best one is, and those passed over on the way to it.

    Args:
        contents: as `utils.manifest.fault`.
    """
    state = CheckpointState(None)
    for path in checkpoints(run):
        reason = fault(path, contents=contents) or _unfit_to_resume(path, contents)
        if reason is None:
            state.newest = path
            break
        state.broken[path] = reason
    return state


def drop_superseded(run: Path, best: str | None, limit: int | None) -> None:
    """Deletes all checkpoints but the `best` where `limit`, training.save_total_limit, is 1, as transformers does where
    its training ends. Not before what was trained is whole elsewhere: until then a restart needs the last one."""
    if limit == 1 and best is not None:
        for checkpoint in checkpoints(run):
            if checkpoint.name != Path(best).name:
                remove(checkpoint)


def left_by_signal(run: Path, step: int) -> str:
    """What a user is told of the checkpoint that a signal asked for at `step`, and of how the run goes on: by what lies
    in the folder, not by what was meant to be written."""
    # By sizes: reading gigabytes again might outlast the time between the signal and the kill.
    reason = fault(run / f"checkpoint-{step}", contents=False)
    if reason is None:
        return f"checkpoint-{step} in {run} is complete, and the same command continues from it"
    newest = find_checkpoint(run, contents=False).newest
    start = newest.name if newest is not None else "the beginning"
    return f"checkpoint-{step} in {run} cannot be used ({reason}), and the same command continues from {start}"


@contextmanager
def naming_damage(checkpoint: str | None) -> Iterator[None]:
    """Turns whatever goes wrong inside, where the state in `checkpoint` is read, into a RunError that names it: pickles
    that were cut off, or a state of other shapes, have as many errors as there are libraries."""
    try:
        yield
    except (SmartTrainError, MemoryError):
        raise
    except Exception as error:
        from smart_train.utils.out_of_memory import is_out_of_memory  # imports torch, which a look at a run need not

        if checkpoint is None or is_out_of_memory(error):
            raise
        raise RunError(
            f"{checkpoint}: its state cannot be loaded ({type(error).__name__}: {first_line(error)}); delete this "
            "folder, and the same command continues from the checkpoint before it"
        ) from error


def check_writable(run: Path) -> None:
    """Raises RunError unless files can be written into `run`, before hours of work depend on it."""
    probe = run / WRITE_PROBE
    try:
        run.mkdir(parents=True, exist_ok=True)
        probe.write_text("", encoding="utf-8")
        probe.unlink()
    except OSError as error:
        raise RunError(f"training.output_dir {run}: cannot be written ({error.strerror})") from error


def output_folder(args: TrainingArguments) -> Path:
    """Where the run of `args` is written."""
    return Path(cast(str, args.output_dir))  # transformers fills a None when the arguments are made


def _unfit_to_resume(checkpoint: Path, contents: bool) -> str | None:
    """Why a whole checkpoint does not lead to where an unbroken run ends."""
    if not any(checkpoint.glob("rng_state*.pth")):
        return "it holds only weights (training.save_only_model)"
    try:
        has_ended(checkpoint)
        best = best_of(checkpoint)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return f"its {STATE_NAME} is unreadable ({type(error).__name__}: {error})"
    reason = fault(best, contents=contents) if best is not None and best != checkpoint else None
    return f"the best checkpoint before it, {best.name}, cannot be used: {reason}" if best and reason else None


def _state(checkpoint: Path) -> dict[str, Any]:
    return json.loads((checkpoint / STATE_NAME).read_text(encoding="utf-8"))
