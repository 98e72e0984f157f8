"""`smart-train launch`: choose the processes, then hand over to `accelerate launch`."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from smart_train.cli.arguments import Overrides, RecipePath
from smart_train.errors import RecipeError, RunError

if TYPE_CHECKING:
    from smart_train.recipe import Recipe


@dataclass(frozen=True)
class LaunchPlan:
    """A command and what it needs in its environment besides what is there."""

    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """The line that does the same in a shell."""
        words = [f"{name}={shlex.quote(value)}" for name, value in self.environment.items()]
        return " ".join([*words, shlex.join(self.command)])


def launch(
    recipe: RecipePath,
    overrides: Overrides = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Discard what another recipe left in the output folder.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the command and the derived quantities; start nothing.")
    ] = False,
) -> None:
    """Start `train` on all GPUs (or on the CPU), through `accelerate launch`."""
    from smart_train.cli.validate import show_derived
    from smart_train.recipe import load_recipe

    # A mistake is reported here, once and without the launcher's own traceback around it.
    loaded = load_recipe(recipe, overrides or ())
    import torch

    from smart_train.plan import processes

    arguments = [str(recipe), *(overrides or ()), *(["--overwrite"] if overwrite else [])]
    plan = plan_launch(
        loaded,
        arguments,
        processes=processes(loaded),
        gpus=torch.cuda.device_count(),
        cores=os.cpu_count() or 1,
        environment=os.environ,
    )
    print(plan, flush=True)
    if dry_run:
        show_derived(loaded, source=str(recipe))
        return
    # Replaced, not called: signals reach the launcher, and nothing of ours waits in memory.
    os.execve(plan.command[0], plan.command, {**os.environ, **plan.environment})


def plan_launch(
    recipe: Recipe,
    arguments: Sequence[str],
    *,
    processes: int,
    gpus: int,
    cores: int,
    environment: Mapping[str, str],
) -> LaunchPlan:
    """The command that trains `recipe` on this machine.

    Args:
        arguments: what follows `smart-train train`. processes: how many of them.
        gpus: CUDA devices that torch sees; cores: CPU cores. environment: variables already set.

    Raises:
        RecipeError: the recipe asks for more or fewer processes than the machine can give.
    """
    if recipe.training.get("use_cpu"):
        gpus = 0
    if gpus and processes > gpus:
        raise RecipeError(f"distributed.num_processes: {processes}; must be at most {gpus}, the GPUs seen here")
    if recipe.distributed.strategy == "ddp" and processes < 2:
        raise RecipeError(
            f"distributed.strategy: 'ddp'; needs at least 2 processes and {gpus} GPUs are seen here; "
            "set distributed.num_processes, or use auto"
        )
    command = [_accelerate(), "launch", "--num_processes", str(processes)]
    command += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
    added = {}
    if processes > 1:
        # Port 0: a free one, so that two runs can share a machine.
        command += ["--multi_gpu", "--main_process_port", "0"]
    else:
        command += ["--quiet"]  # the run's own message, without the launcher's traceback below it
    if gpus == 0:
        if processes > 1:
            # `--cpu --num_processes 2` would start one process and say nothing.
            added["ACCELERATE_USE_CPU"] = "true"
        else:
            command += ["--cpu"]
        if "OMP_NUM_THREADS" not in environment:
            # The loader's workers need cores of their own: torch's threads wait for each other at every operation, so
            # one thread too many costs several times its share.
            threads = cores // processes - recipe.training["dataloader_num_workers"]
            command += ["--num_cpu_threads_per_process", str(max(1, threads))]
    elif processes == 1 and gpus > 1:
        # The Trainer would spread one process over every GPU it sees (DataParallel), which is another loss.
        command += ["--gpu_ids", environment.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]]
    return LaunchPlan([*command, "-m", "smart_train", "train", *arguments], added)


def _accelerate() -> str:
    """The `accelerate` that belongs to this interpreter, whatever is first on PATH."""
    found = shutil.which("accelerate", path=str(Path(sys.executable).parent)) or shutil.which("accelerate")
    if found is None:
        raise RunError("the command `accelerate` is not found; install the package accelerate beside smart_train")
    return found
