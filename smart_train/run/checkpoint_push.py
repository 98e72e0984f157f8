"""Checkpoints on the Hub while a run lasts, from a thread that the run neither waits for nor falls with."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Callable
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from smart_train.export import push_folder
from smart_train.training.checkpoints import output_folder

THREAD_NAME = "push of a checkpoint"
BRANCH = "checkpoints"  # what is on the main branch is the run's verified result, never a state on the way


class PushCheckpoints(TrainerCallback):
    """Publishes each saved adapter or projection on the branch `checkpoints`.

    One push at a time: while one is under way later checkpoints are passed over, and the next one saved after it goes.
    A push that fails is reported and the run goes on. The thread is a daemon, so a connection that hangs does not keep
    the run's process alive; the final push does not depend on it.

    Args:
        repo_id, private: the recipe's `hub` section.
        say: called with a line for the user, from the thread too.
    """

    def __init__(self, repo_id: str, *, private: bool, say: Callable[[str], None]) -> None:
        self.repo_id = repo_id
        self.private = private
        self.say = say
        self.thread: threading.Thread | None = None

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if not state.is_world_process_zero or (self.thread is not None and self.thread.is_alive()):
            return
        checkpoint = output_folder(args) / f"checkpoint-{state.global_step}"
        try:
            # A copy: rotation may delete the checkpoint while it is being sent. Optimiser and random states stay here.
            # Python removes it when it ends, whatever the thread is doing then.
            copy = tempfile.TemporaryDirectory(prefix="smart_train-push-", ignore_cleanup_errors=True)
            for path in checkpoint.iterdir():
                if path.is_file() and path.suffix in (".json", ".safetensors"):
                    shutil.copy2(path, copy.name)
        except OSError as error:  # the folder for temporary files is full: no reason to lose the run either
            self.say(f"step {state.global_step}: the checkpoint was not pushed to {self.repo_id}: {error}")
            return
        self.thread = threading.Thread(target=self._push, args=(copy, state.global_step), name=THREAD_NAME, daemon=True)
        self.thread.start()

    def _push(self, copy: tempfile.TemporaryDirectory[str], step: int) -> None:
        try:
            push_folder(
                copy.name,
                self.repo_id,
                private=self.private,
                revision=BRANCH,
                commit_message=f"Checkpoint of step {step}",
            )
        except Exception as error:  # whatever it is, it is told, and it is no reason to lose the run
            self.say(f"step {step}: the checkpoint was not pushed to {self.repo_id}: {error}")
        else:
            self.say(f"step {step}: checkpoint pushed to {self.repo_id}, branch {BRANCH}")
        finally:
            copy.cleanup()
