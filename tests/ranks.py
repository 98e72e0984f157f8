"""Several real processes for a test, forked from one that has already imported what they need: imports cost more than
most of what the processes then do."""

from __future__ import annotations

import multiprocessing
import socket
from collections.abc import Callable
from typing import Any

import torch.multiprocessing as mp

IMPORTS = ["smart_train.training", "tests.training.batches"]


def start_ranks(function: Callable[..., Any], *arguments: Any, count: int = 2) -> None:
    """Runs `function(rank, *arguments)` in `count` processes and waits; raises what one of them raised."""
    multiprocessing.set_forkserver_preload(IMPORTS)
    mp.start_processes(function, arguments, nprocs=count, start_method="forkserver")


def free_port() -> int:
    """A port of this machine that nobody listens on now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]
