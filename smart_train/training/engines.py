"""How a run is spread over processes: DistributedDataParallel, DeepSpeed's ZeRO stages, PyTorch's FSDP2.

Either the recipe names the strategy and the run sets the engine up by itself, whatever started its processes; or
`accelerate launch --config_file` brings an engine along, and the recipe takes it (auto) or insists on its own.
"""

from __future__ import annotations

import json
import os
import sys
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import torch
import torch.distributed as dist
import yaml
from accelerate import Accelerator
from accelerate.state import PartialState
from accelerate.utils import DistributedType
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor, distribute_tensor
from transformers import TrainingArguments
from transformers.integrations.deepspeed import unset_hf_deepspeed_config

from smart_train.distributed import is_main, leave_at_exit
from smart_train.errors import RunError

ZERO_STAGES = {"zero1": 1, "zero2": 2, "zero3": 3}
# Strategies under which some of a model's state lies on other ranks, and which.
SHARDED = {
    "zero1": ("optimiser",),
    "zero2": ("optimiser", "gradients"),
    "zero3": ("optimiser", "gradients", "weights"),
    "fsdp2": ("optimiser", "gradients", "weights"),
}
_ACCELERATE_TYPES = ("NO", "MULTI_CPU", "MULTI_GPU", "DEEPSPEED", "FSDP")
DEFAULT_TIMEOUT = 1800  # seconds, TrainingArguments' own
_USES = {"deepspeed": "ACCELERATE_USE_DEEPSPEED", "fsdp": "ACCELERATE_USE_FSDP"}


def launched_engine(environment: Mapping[str, str]) -> str | None:
    """The strategy that `accelerate launch` was told to set up, None where it only starts processes.

    Raises:
        RunError: an engine that this package has no score across ranks for, or settings that cannot be read.
    """
    if environment.get(_USES["deepspeed"], "false").lower() == "true":
        return f"zero{_launched_stage(environment)}"
    if environment.get(_USES["fsdp"], "false").lower() == "true":
        version = environment.get("FSDP_VERSION", "1")
        if version != "2":
            raise RunError(
                f"the launcher asks for FSDP version {version}; only version 2 is supported: set fsdp_version: 2 in "
                "the accelerate configuration"
            )
        return "fsdp2"
    if environment.get("ACCELERATE_USE_MEGATRON_LM", "false").lower() == "true":
        raise RunError("the launcher asks for Megatron-LM, which is not supported; use DDP, DeepSpeed ZeRO or FSDP2")
    return None


def _launched_stage(environment: Mapping[str, str]) -> int:
    file = environment.get("ACCELERATE_DEEPSPEED_CONFIG_FILE")
    if file is None:
        stage = int(environment.get("ACCELERATE_DEEPSPEED_ZERO_STAGE", 2))
    else:
        try:
            stage = json.loads(Path(file).read_text(encoding="utf-8"))["zero_optimization"]["stage"]
        except (OSError, json.JSONDecodeError, KeyError, TypeError) as error:
            raise RunError(f"{file}: no zero_optimization.stage can be read from it ({error!r})") from error
    if stage not in ZERO_STAGES.values():
        raise RunError(f"the launcher asks for DeepSpeed with ZeRO stage {stage}; use stage 1, 2 or 3")
    return stage


def engine_arguments(strategy: str, *, on_cpu: bool, environment: Mapping[str, str]) -> dict[str, Any]:
    """What TrainingArguments must be told so that `strategy` is set up; {} where nothing, or the launcher has done it.

    Args:
        on_cpu: whether training runs on CPUs.

    Raises:
        RunError: the launcher brings another engine than the recipe's, or deepspeed is missing.
    """
    launched = launched_engine(environment)
    if launched is not None and strategy not in ("auto", launched):
        raise RunError(
            f"distributed.strategy is {strategy}, but the launcher's configuration asks for {launched}: remove one of "
            "them (strategy auto takes the launcher's)"
        )
    engine = launched or strategy
    if engine not in SHARDED:
        return {}
    if engine in ZERO_STAGES and find_spec("deepspeed") is None:
        raise RunError(f"distributed.strategy {engine}: needs deepspeed; pip install 'smart_train[deepspeed]'")
    arguments: dict[str, Any] = {}
    if on_cpu:
        arguments |= {"use_cpu": True, "ddp_backend": "gloo"}
    if launched is None:
        if engine in ZERO_STAGES:
            arguments["deepspeed"] = deepspeed_config(ZERO_STAGES[engine], overlap=not on_cpu)
        else:
            arguments |= {"fsdp": True, "fsdp_config": {"version": 2, "state_dict_type": "SHARDED_STATE_DICT"}}
    return arguments


def deepspeed_config(stage: int, *, overlap: bool) -> dict[str, Any]:
    """DeepSpeed's configuration for ZeRO `stage`; the Trainer fills in every "auto".

    Args:
        overlap: reduce gradients while the backward runs, which needs a device with streams.
    """
    return {
        "zero_optimization": {
            "stage": stage,
            "overlap_comm": overlap,
            "contiguous_gradients": True,
            "reduce_bucket_size": "auto",
            **(
                {"stage3_prefetch_bucket_size": "auto", "stage3_param_persistence_threshold": "auto"}
                if stage == 3
                else {}
            ),
        },
        "bf16": {"enabled": "auto"},
        "fp16": {"enabled": "auto"},
        "gradient_clipping": "auto",
        "train_batch_size": "auto",
        "train_micro_batch_size_per_gpu": "auto",
        "gradient_accumulation_steps": "auto",
        # The Trainer's own optimisers, so that every strategy takes the same steps.
        "zero_allow_untested_optimizer": True,
        "zero_force_ds_cpu_optimizer": False,
        "steps_per_print": 10**9,
    }


def arguments(strategy: str, values: Mapping[str, Any]) -> TrainingArguments:
    """TrainingArguments of `values` under `strategy`; joins the process group until the process ends.

    Raises:
        RunError: as `engine_arguments`. ValueError, ImportError: what TrainingArguments refuses.
    """
    on_cpu = bool(values.get("use_cpu")) or not torch.cuda.is_available()
    engine = engine_arguments(strategy, on_cpu=on_cpu, environment=os.environ)
    if engine:
        # "On CPUs" to accelerate, which takes it for "no engine" too; `use_cpu` does not.
        os.environ.pop("ACCELERATE_USE_CPU", None)
        # DeepSpeed calls ninja, which came with it and lies beside this interpreter, by its bare name.
        os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
        if on_cpu and (launched_engine(os.environ) or strategy) in ZERO_STAGES:
            _leave_out_the_operator()
    if on_cpu and int(os.environ.get("WORLD_SIZE", 1)) > 1 and not dist.is_initialized():
        # On CPUs the Trainer forgets its own timeout, and a stuck rank would be waited for half an hour.
        _join(values.get("ddp_timeout", DEFAULT_TIMEOUT))
    args = TrainingArguments(**{**values, **engine})
    if active_strategy(args) == "fsdp2" and args.distributed_state.distributed_type == DistributedType.MULTI_CPU:
        # accelerate knows FSDP only on accelerators, and on CPUs would silently train without it. What it calls
        # MULTI_GPU is "one process per device".
        PartialState._shared_state["distributed_type"] = DistributedType.MULTI_GPU
    forget_engine(args)
    leave_at_exit()
    return args


def _leave_out_the_operator() -> None:
    """On CPUs DeepSpeed would compile an operator when processes join: half a minute of two cores at its first use in
    an environment, a C++ compiler, and a lock file that a killed process leaves, for which every later run would wait.
    It sums up the results of inference over shared memory; training never calls it."""
    import deepspeed

    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False


def _join(timeout: float) -> None:
    try:
        dist.init_process_group("gloo", timeout=timedelta(seconds=timeout))
    except RuntimeError as error:
        raise RunError(
            f"the processes of this run did not find each other ({str(error).splitlines()[0]}). They wait "
            f"training.ddp_timeout ({timeout:g} seconds) at most. On several machines all must reach MASTER_ADDR, and "
            "if a machine's own name resolves to 127.0.0.1 or not at all, each needs the name of its network "
            "interface: "
            "GLOO_SOCKET_IFNAME=eth0 (`ip address` lists them)"
        ) from error


def forget_engine(args: TrainingArguments) -> None:
    """Lets models be loaded whole after an engine was set up: while transformers and accelerate remember it, every
    model is loaded in pieces, on all ranks at once, also one that a single rank loads to export it."""
    unset_hf_deepspeed_config()
    if args.deepspeed or args.fsdp:  # set up here, not by the launcher
        for name in _USES.values():
            os.environ.pop(name, None)


def nodes(environment: Mapping[str, str]) -> int:
    """How many machines the run is spread over (`NNODES`). Raises RunError when that is not a number of machines."""
    value = environment.get("NNODES") or "1"
    if not value.isdecimal() or int(value) < 1:
        raise RunError(f"NNODES is {value!r}; it must be the number of machines")
    return int(value)


def configured_processes(file: Path) -> int:
    """`num_processes` of an accelerate configuration. Raises RunError when it cannot be read, or asks for a kind of
    machine that no run uses."""
    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
        count, kind = int(values["num_processes"]), str(values.get("distributed_type", "NO")).upper()
    except (OSError, yaml.YAMLError, LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise RunError(
            f"distributed.accelerate_config {file}: no num_processes can be read from it ({error})"
        ) from error
    if kind not in _ACCELERATE_TYPES:
        raise RunError(
            f"distributed.accelerate_config {file}: distributed_type {kind} is not supported; use "
            f"{', '.join(_ACCELERATE_TYPES)}, or distributed.strategy without such a file"
        )
    return count


def active_strategy(args: TrainingArguments) -> str:
    """The strategy that these arguments and the launcher set up: "none", "ddp", "zero1", ..., "fsdp2"."""
    if args.deepspeed:
        return f"zero{args.hf_deepspeed_config.config['zero_optimization']['stage']}"
    if args.fsdp:
        return "fsdp2"
    launched = launched_engine(os.environ)
    if launched is not None:
        return launched
    return "ddp" if args.world_size > 1 else "none"


def check_engine(accelerator: Accelerator, wrapped: nn.Module, expected: str) -> None:
    """Raises RunError unless the prepared model `wrapped` was wrapped by the engine `expected`."""
    if accelerator.distributed_type == DistributedType.DEEPSPEED:
        wrapper = f"zero{cast(Any, wrapped).zero_optimization_stage()}"
    elif isinstance(wrapped, FSDPModule):
        wrapper = "fsdp2"
    else:
        wrapper = "ddp" if isinstance(wrapped, nn.parallel.DistributedDataParallel) else "none"
    if wrapper != expected:
        raise RunError(f"the run should use {expected}, but its model was prepared for {wrapper}")


@contextmanager
def naming_contradictions() -> Iterator[None]:
    """Turns what transformers says of a DeepSpeed configuration that is not the recipe's into a RunError."""
    try:
        yield
    except ValueError as error:
        first, *values = str(error).splitlines()
        if "DeepSpeed config values" not in first:
            raise
        pairs = "; ".join(line.removeprefix("- ") for line in values if line.startswith("- "))
        raise RunError(
            f"the launcher's DeepSpeed configuration (ds) contradicts the recipe's training section (hf): {pairs}. "
            'Write "auto" for these there: the recipe decides'
        ) from error


def offloads(accelerator: Accelerator) -> bool:
    """Whether DeepSpeed was told to keep the optimiser in main memory or on a disk."""
    zero = accelerator.state.deepspeed_plugin.deepspeed_config["zero_optimization"]
    return (zero.get("offload_optimizer") or {}).get("device", "none") != "none"


def drop_stale_gradients(engine: Any) -> None:
    """Before a step under ZeRO-3: DeepSpeed overwrites its gradients with those of the step's first backward, and adds
    the others to them. Weights that the first backward does not reach (the vision tower, in a batch of text) would
    start from the gradient of the step before."""
    engine.optimizer.grad_partitions_flat_buffer.zero_()


@contextmanager
def whole(module: nn.Module, *, frozen: bool, write_back: bool = False) -> Iterator[None]:
    """Within, the parameters of `module` that an engine holds are plain whole ones in main memory: those that lie on
    all ranks in shards, and those that lie in one flat buffer, which no file can be made of. Every rank must enter.

    Saving and loading then need to know nothing of engines. One parameter at a time crosses the ranks. Without
    `write_back` only the main rank, which writes, gets them.

    Args:
        frozen: whether parameters that are not trained are wanted too.
        write_back: whether what was changed within goes into the shards.
    """
    swapped: list[tuple[nn.Module, str, nn.Parameter]] = []
    for part in module.modules():
        for name, shard in part._parameters.items():
            if shard is not None and _is_held(shard) and (frozen or shard.requires_grad):
                full = _gathered(shard)
                if write_back or is_main():
                    swapped.append((part, name, shard))
                    part._parameters[name] = nn.Parameter(full, requires_grad=shard.requires_grad)
    # FSDP2 looks after its shards when a state is loaded, and would find none.
    hooks = [(part, part._load_state_dict_post_hooks) for part in module.modules()]
    for part, _ in hooks:
        part._load_state_dict_post_hooks = OrderedDict()
    try:
        yield
    finally:
        for part, state_hooks in hooks:
            part._load_state_dict_post_hooks = state_hooks
        changed = [cast(nn.Parameter, part._parameters[name]) for part, name, _ in swapped]
        for part, name, shard in swapped:
            part._parameters[name] = shard
    if write_back:
        for (_, _, shard), full in zip(swapped, changed, strict=True):
            _scatter(full.detach(), shard)


def _is_held(parameter: nn.Parameter) -> bool:
    if isinstance(parameter, DTensor) or hasattr(parameter, "ds_id"):
        return True
    return parameter.untyped_storage().nbytes() > parameter.nbytes


def _gathered(shard: nn.Parameter) -> Tensor:
    if isinstance(shard, DTensor):
        return cast(DTensor, shard.detach()).full_tensor().cpu()
    if not hasattr(shard, "ds_id"):
        return shard.detach().cpu().clone()
    import deepspeed

    with deepspeed.zero.GatheredParameters([shard]):
        return shard.detach().cpu().clone()


def _scatter(full: Tensor, shard: nn.Parameter) -> None:
    """Every rank has the same `full` and takes its part of it."""
    with torch.no_grad():
        if isinstance(shard, DTensor):
            sharded = distribute_tensor(full.to(shard.device), shard.device_mesh, shard.placements, src_data_rank=None)
            shard.to_local().copy_(sharded.to_local())
            return
        if not hasattr(shard, "ds_id"):
            shard.copy_(full)
            return
        import deepspeed

        with deepspeed.zero.GatheredParameters([shard], modifier_rank=0):
            shard.copy_(full.to(shard.device))
