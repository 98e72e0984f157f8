"""Checks at start that the run is spread as its recipe asked.

`accelerate launch` and environment variables can silently start one process, or several that do not know each other;
such a run would train on fewer negatives than planned and look healthy.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch.distributed as dist
from accelerate.utils import DistributedType
from transformers import TrainingArguments

from smart_train.errors import RunError
from smart_train.training.engines import active_strategy
from smart_train.utils.lost_workers import naming_lost_workers


@contextmanager
def naming_lost_processes(timeout: float) -> Iterator[None]:
    """Turns what a collective says of a process that is gone, or torch of a loader's worker, into a RunError that says
    what to do."""
    try:
        with naming_lost_workers(
            "lower training.dataloader_num_workers (0 loads in the main process). The same command continues from the "
            "last complete checkpoint"
        ):
            yield
    except RuntimeError as error:
        if not (isinstance(error, dist.DistError) or "gloo" in str(error)):
            raise
        raise RunError(
            "another process of this run has died, or has not answered for training.ddp_timeout "
            f"({timeout:g} seconds). Its message is elsewhere in this output; if there is none, the system may have "
            "killed it for lack of memory. The same command continues from the last complete checkpoint"
        ) from error


def check_distribution(args: TrainingArguments, strategy: str, num_processes: int | None) -> None:
    """Raises RunError unless the processes that run are those the recipe and the launcher asked for."""
    launched = int(os.environ.get("WORLD_SIZE", 1))
    kind = args.distributed_state.distributed_type if args.distributed_state is not None else DistributedType.NO
    if args.world_size != launched:
        raise RunError(
            f"the launcher started {launched} processes (WORLD_SIZE), but this one sees {args.world_size}: they would "
            "train separately. On a machine without GPUs set ACCELERATE_USE_CPU=true and launch with --multi_gpu"
        )
    on_cpus = os.environ.get("ACCELERATE_USE_CPU", "false").lower() == "true"
    if on_cpus and "WORLD_SIZE" not in os.environ and {"MASTER_ADDR", "MASTER_PORT"} <= set(os.environ):
        # What `accelerate launch` makes of several processes on CPUs where no mpirun starts them.
        raise RunError(
            "`accelerate launch` was told to start several processes on CPUs (MULTI_CPU, or --cpu) and started one: "
            "set distributed_type: MULTI_GPU and use_cpu: false in its configuration, and ACCELERATE_USE_CPU=true in "
            "the environment. For a single process, unset MASTER_ADDR"
        )
    if num_processes is not None and args.world_size != num_processes:
        raise RunError(
            f"distributed.num_processes is {num_processes}, but {args.world_size} process(es) run: start with "
            f"./launch.sh, or `accelerate launch --num_processes {num_processes}`"
        )
    if strategy == "none" and args.world_size > 1:
        raise RunError(f"distributed.strategy is none, but {args.world_size} processes run; use auto or ddp")
    if strategy not in ("auto", "none") and args.world_size < 2:
        raise RunError(
            f"distributed.strategy is {strategy}, but one process runs: start with ./launch.sh or accelerate launch"
        )
    active = active_strategy(args)
    if strategy not in ("auto", active):
        raise RunError(
            f"distributed.strategy is {strategy}, but the {args.world_size} processes were set up for {active}"
        )
    supported = (DistributedType.MULTI_GPU, DistributedType.MULTI_CPU, DistributedType.DEEPSPEED)
    if args.world_size > 1 and kind not in supported:
        raise RunError(f"{args.world_size} processes run as {kind.value}; use ddp, zero1, zero2, zero3 or fsdp2")
    precision = os.environ.get("ACCELERATE_MIXED_PRECISION", "no")
    recipe_precision = "bf16" if args.bf16 else "fp16" if args.fp16 else "no"
    if precision not in ("no", recipe_precision):
        raise RunError(
            f"the launcher's configuration asks for mixed precision {precision}, the recipe for {recipe_precision}: "
            f"the recipe decides; set training.{precision}: true in it, or mixed_precision: 'no' there"
        )
    if args.n_gpu > 1:
        raise RunError(
            f"one process sees {args.n_gpu} GPUs and would split batches with DataParallel, which has no shared "
            f"negatives: start with ./launch.sh, or `accelerate launch --num_processes {args.n_gpu}`"
        )
