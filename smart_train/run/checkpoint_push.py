"""Pushes checkpoints to the Hub during a run, in a process of its own: the run does not wait for it or fail with it."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from smart_train.training.checkpoint_search import output_folder

THREAD_NAME = "push of a checkpoint"
BRANCH = "checkpoints"  # what is on the main branch is the run's verified result, never a state on the way
# What says to a process that it is one rank of a run.
_OF_A_RANK = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "GROUP_RANK", "ROLE_RANK", "MASTER_")
_OF_A_LAUNCHER = ("ACCELERATE_", "TORCHELASTIC_", "FSDP_", "DEEPSPEED_")


class PushCheckpoints(TrainerCallback):
    """Publishes each saved adapter or projection on the branch `checkpoints`.

    One push at a time: a checkpoint that is saved during a push is not pushed; the first one after it is.
    A push that fails is reported and the run goes on. It ends with the run, so a connection that hangs does not keep
    the run's process alive; the final push does not depend on it.

    It runs in a process of its own, on the CPU, because a push verifies what it sends and loads the model for it.
    transformers sets the default dtype and switches weight tying off for the whole process while a model is loaded:
    from a thread of the run that would reach into a training step, and two models loaded at a time would leave tying
    switched off for good.

    Args:
        repo_id, private: the recipe's `hub` section.
        say: called with a line for the user, also from another thread, which waits for that process.
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
        command = [sys.executable, "-m", "smart_train", "push", copy.name, "--repo", self.repo_id]
        command += ["--private" if self.private else "--public", "--revision", BRANCH]
        command += ["--message", f"Checkpoint of step {step}"]
        try:
            with copy, _ended_with_this_process(command) as process:
                _, errors = process.communicate()
        except OSError as error:
            self.say(f"step {step}: the checkpoint was not pushed to {self.repo_id}: {error}")
            return
        if process.returncode:
            _, our_message, message = errors.rpartition("smart-train: ")
            tail = "\n".join(errors.strip().splitlines()[-8:])
            reason = message.strip() if our_message else f"the process ended with {process.returncode}\n{tail}"
            self.say(f"step {step}: the checkpoint was not pushed to {self.repo_id}: {reason}")
        else:
            self.say(f"step {step}: checkpoint pushed to {self.repo_id}, branch {BRANCH}")


@contextmanager
def _ended_with_this_process(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    """`command`, which is not a rank of this run, sees no GPU, and is killed when this process exits before it."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(_OF_A_RANK + _OF_A_LAUNCHER)
    }
    environment |= {"CUDA_VISIBLE_DEVICES": ""}
    with subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    ) as process:
        atexit.register(process.kill)
        try:
            yield process
        finally:
            process.kill()  # does nothing to one that has ended
            atexit.unregister(process.kill)
