"""`smart-train launch`: choose the processes, then start `accelerate launch`, or the one process."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from smart_train.cli.arguments import Overrides, RecipePath, Seeds
from smart_train.errors import RecipeError, RunError
from smart_train.utils.cpu import threads_beside_workers, usable_cores

if TYPE_CHECKING:
    from smart_train.recipe import Recipe

DEFAULT_PORT = "29500"  # torchrun's
_OF_A_RANK = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE")


@dataclass(frozen=True)
class LaunchPlan:
    """A command, what it needs in its environment besides what is there, and which of it must not be there."""

    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    unset: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """The line that does the same in a shell."""
        words = [f"{name}={shlex.quote(value)}" for name, value in self.environment.items()]
        without = ["env", *(word for name in self.unset for word in ("-u", name))] if self.unset else []
        return " ".join([*without, *words, shlex.join(self.command)])

    def start(self) -> NoReturn:
        """Goes on as the command. Replaced, not called: signals reach the launcher, and nothing of ours waits in
        memory."""
        kept = {name: value for name, value in os.environ.items() if name not in self.unset}
        os.execve(self.command[0], self.command, {**kept, **self.environment})


def launch(
    recipe: RecipePath,
    overrides: Overrides = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Discard the run of another recipe in the output folder.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show the command and the derived quantities.")
    ] = False,
    seeds: Seeds = None,
) -> None:
    """Start `train` on all GPUs (or on the CPU); several processes through `accelerate launch`.

    For several machines, run it on each of them with NNODES, NODE_RANK, MASTER_ADDR and MASTER_PORT set.
    """
    from smart_train.cli.validate import show_plan
    from smart_train.recipe import load_recipe

    # A mistake is reported here, once and without the launcher's own traceback around it.
    loaded = load_recipe(recipe, overrides or ())
    import torch

    from smart_train.run.folder import check_place
    from smart_train.run.plan import processes

    if seeds is None:  # they have folders of their own
        check_place(recipe, loaded, overrides or ())
    arguments = [str(recipe), *(overrides or ()), *(["--overwrite"] if overwrite else [])]
    runs = [loaded]
    if seeds is not None:
        from smart_train.recipe.seeds import parse_seeds, seed_recipes

        runs = list(seed_recipes(loaded, parse_seeds(seeds), overrides or ()).values())
        arguments += ["--seeds", seeds]
    plan = plan_launch(
        loaded,
        arguments,
        processes=processes(loaded),
        gpus=torch.cuda.device_count(),
        cores=usable_cores(),
        environment=os.environ,
    )
    print(plan, flush=True)
    if dry_run:
        show_plan(runs[0], source=str(recipe), folders=[one.training["output_dir"] for one in runs])
        return
    plan.start()


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
        RecipeError: the recipe asks for more or fewer processes than the machines can give.
        RunError: the variables of a run over several machines contradict each other.
    """
    if recipe.training.get("use_cpu"):
        gpus = 0
    from smart_train.training.engines import nodes  # torch and transformers: not needed to show the help

    machines = nodes(environment)
    _check_processes(recipe, processes, gpus, machines)
    section, here = recipe.distributed, processes // machines
    if processes == 1 and section.accelerate_config is None:
        return _alone(recipe, arguments, gpus, cores, environment)
    command = [_accelerate(), "launch", "--num_processes", str(processes)]
    # Precision is the recipe's (training.bf16), whatever a configuration file says.
    command += ["--mixed_precision", "no", "--dynamo_backend", "no", *_meeting_point(processes, machines, environment)]
    added = {}
    if section.accelerate_config is not None:
        command += ["--config_file", section.accelerate_config]
    else:
        command += ["--multi_gpu"]
    if processes == 1:
        command += ["--quiet"]  # the run's own message, without the launcher's traceback below it
    if gpus == 0:
        if processes > 1:
            # `--cpu --num_processes 2` would start one process and say nothing.
            added["ACCELERATE_USE_CPU"] = "true"
        if "OMP_NUM_THREADS" not in environment:
            threads = threads_beside_workers(cores // here, recipe.training["dataloader_num_workers"])
            command += ["--num_cpu_threads_per_process", str(threads)]
    return LaunchPlan([*command, "-m", "smart_train", "train", *arguments], added)


def _alone(
    recipe: Recipe, arguments: Sequence[str], gpus: int, cores: int, environment: Mapping[str, str]
) -> LaunchPlan:
    """One process, started directly: `accelerate launch` would only wait for it, and at a scheduler's SIGTERM it would
    end at once instead of letting the run save."""
    added = {}
    if gpus == 0 and "OMP_NUM_THREADS" not in environment:
        added["OMP_NUM_THREADS"] = str(threads_beside_workers(cores, recipe.training["dataloader_num_workers"]))
    if gpus > 1:
        # The Trainer would spread one process over every GPU it sees (DataParallel), which is another loss.
        added["CUDA_VISIBLE_DEVICES"] = environment.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
    # A job of a cluster may have set them. `accelerate launch` sets its own; one process would wait for others.
    unset = [name for name in _OF_A_RANK if name in environment]
    return LaunchPlan([sys.executable, "-m", "smart_train", "train", *arguments], added, unset)


def _check_processes(recipe: Recipe, processes: int, gpus: int, machines: int) -> None:
    if processes % machines:
        raise RecipeError(
            f"distributed.num_processes: {processes}; must be a multiple of NNODES ({machines}), because it counts the "
            "processes of all machines"
        )
    if gpus and processes > gpus * machines:
        seen = (
            f"{gpus}, the GPUs seen here" if machines == 1 else f"{gpus * machines}, {gpus} GPUs on {machines} machines"
        )
        raise RecipeError(f"distributed.num_processes: {processes}; must be at most {seen}")
    strategy = recipe.distributed.strategy
    if strategy not in ("auto", "none") and processes < 2:
        raise RecipeError(
            f"distributed.strategy: {strategy!r}; needs at least 2 processes and {gpus} GPUs are seen here; "
            "set distributed.num_processes, or use auto"
        )


def _meeting_point(processes: int, machines: int, environment: Mapping[str, str]) -> list[str]:
    """Where the processes of all machines find each other, by the variables that torchrun's users know."""
    if machines == 1:
        # Port 0: a free one, so that two runs can share a machine.
        return ["--num_machines", "1", *(["--main_process_port", "0"] if processes > 1 else [])]
    missing = [name for name in ("NODE_RANK", "MASTER_ADDR") if not environment.get(name)]
    if missing:
        raise RunError(
            f"NNODES is {machines}, but {' and '.join(missing)} is not set: set NODE_RANK on every machine to its "
            "number (from 0 on), and MASTER_ADDR to the address of machine 0"
        )
    rank = environment["NODE_RANK"]
    if not rank.isdecimal() or int(rank) >= machines:
        raise RunError(f"NODE_RANK is {rank!r}; it must be one of 0 .. {machines - 1} (NNODES is {machines})")
    port = environment.get("MASTER_PORT", DEFAULT_PORT)
    return [
        *("--num_machines", str(machines), "--machine_rank", rank),
        *("--main_process_ip", environment["MASTER_ADDR"], "--main_process_port", port),
    ]


def _accelerate() -> str:
    """The `accelerate` that belongs to this interpreter, whatever is first on PATH."""
    executable = shutil.which("accelerate", path=str(Path(sys.executable).parent)) or shutil.which("accelerate")
    if executable is None:
        raise RunError(
            "the command `accelerate` is not found; install the package accelerate in the environment of smart_train"
        )
    return executable
