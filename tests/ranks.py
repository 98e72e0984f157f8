"""Several real processes for a test, forked from one that has already imported what they need: imports cost more than
most of what the processes then do. That one lives as long as the test process, so its imports are paid for once."""

from __future__ import annotations

import contextlib
import gc
import importlib
import multiprocessing
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch.distributed as dist
import torch.multiprocessing as mp

# All that a process of a run imports, also what it imports late: 10 of the 13 s that an interpreter takes to its first
# step. An extra that is not installed is passed over.
IMPORTS = ["smart_train.cli.train", "smart_train.run.stages", "deepspeed", "tests.training.batches"]


def start_ranks(function: Callable[..., Any], *arguments: Any, count: int = 2) -> None:
    """Runs `function(rank, *arguments)` in `count` processes and waits; raises what one of them raised."""
    multiprocessing.set_forkserver_preload(IMPORTS)
    mp.start_processes(_rank, (function, *arguments), nprocs=count, start_method="forkserver")


def _rank(rank: int, function: Callable[..., Any], *arguments: Any) -> None:
    # DeepSpeed collects garbage at every engine that it makes; what was imported need not be searched for it.
    gc.freeze()
    function(rank, *arguments)


def free_port() -> int:
    """A port of this machine that nobody listens on now. Not one that the system hands out, as it might hand it out
    again before it is used; and not drawn from the seed of the tests, which other workers draw from, too."""
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        with socket.socket() as free, contextlib.suppress(OSError):
            free.bind(("127.0.0.1", port))
            return port


def join_a_launch(rank: int, ranks: int, port: int) -> None:
    """What a launcher says to its processes."""
    own = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": ranks, "LOCAL_WORLD_SIZE": ranks, "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in own.items()})
    os.environ.update(MASTER_ADDR="127.0.0.1", ACCELERATE_USE_CPU="true")


def start_command(
    arguments: Sequence[object], output: Path, *, count: int = 1, waits_in: tuple[str, str] | None = None
) -> list[BaseProcess]:
    """Starts `smart-train ARGUMENTS` in `count` processes, each in a session of its own, and does not wait. A run draws
    nothing, as with the fixture `no_plots`.

    Args:
        output: what all of them print is added to this file.
        count: more than one are ranks of one launch.
        waits_in: module and function that waits for ever there instead, so that a kill finds the command at it.
    """
    multiprocessing.set_forkserver_preload(IMPORTS)
    context, port = multiprocessing.get_context("forkserver"), free_port()
    words = [str(argument) for argument in arguments]
    processes = [
        context.Process(target=_command, args=(rank, count, port, words, output, waits_in)) for rank in range(count)
    ]
    for process in processes:
        process.start()
    return processes


def _command(
    rank: int, count: int, port: int, arguments: list[str], output: Path, waits_in: tuple[str, str] | None
) -> None:
    gc.freeze()
    os.setsid()
    log = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    if count > 1:
        join_a_launch(rank, count, port)
    if waits_in is not None:
        module, name = waits_in
        setattr(importlib.import_module(module), name, lambda *_, **__: time.sleep(600))
    from smart_train.cli import main
    from smart_train.run import report, stages

    stages.plot_run = lambda *_, **__: None
    report.explanations = lambda *_: "left out"
    sys.argv = ["smart-train", *arguments]
    try:
        main()
    finally:
        sys.stdout.flush()
        if dist.is_initialized():  # as the end of an interpreter does, which this process does not come to
            dist.destroy_process_group()


def kill_group(process: BaseProcess) -> None:
    """SIGKILL to the process and what it started, such as a loader's workers; waits for its end."""
    os.killpg(process.pid, signal.SIGKILL)
    process.join()
