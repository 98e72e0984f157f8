"""A run that is spread otherwise than its recipe asked does not start."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch.distributed as dist
from accelerate.utils import DistributedType

from smart_train.errors import RunError
from smart_train.training import engines
from smart_train.training.engines import configured_processes, engine_arguments, launched_engine
from smart_train.training.process_check import check_distribution, naming_lost_processes


def arguments(
    world_size: int = 1,
    kind: DistributedType = DistributedType.NO,
    n_gpu: int = 0,
    zero: int | None = None,
    fsdp: bool = False,
    bf16: bool = False,
) -> Any:
    state = SimpleNamespace(distributed_type=kind)
    engine = SimpleNamespace(config={"zero_optimization": {"stage": zero}})
    return SimpleNamespace(
        world_size=world_size,
        distributed_state=state,
        n_gpu=n_gpu,
        deepspeed=engine.config if zero else None,
        hf_deepspeed_config=engine,
        fsdp=fsdp,
        bf16=bf16,
        fp16=False,
    )


TWO = {"world_size": 2, "kind": DistributedType.MULTI_CPU}


@pytest.fixture(autouse=True)
def no_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    launchers = ("ACCELERATE_USE_DEEPSPEED", "ACCELERATE_USE_FSDP", "ACCELERATE_MIXED_PRECISION", "WORLD_SIZE")
    for name in launchers:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("launched", "found", "strategy", "processes"),
    [
        (1, {}, "auto", None),
        (1, {"n_gpu": 1}, "none", 1),
        (2, TWO, "auto", None),
        (2, TWO, "ddp", 2),
        (2, {"world_size": 2, "kind": DistributedType.MULTI_GPU, "n_gpu": 1}, "ddp", None),
        (2, {**TWO, "zero": 3}, "zero3", 2),
        (2, {"world_size": 2, "kind": DistributedType.DEEPSPEED, "zero": 1}, "auto", None),
        (2, {**TWO, "fsdp": True}, "fsdp2", None),
    ],
)
def test_what_was_asked_for_starts(
    monkeypatch: pytest.MonkeyPatch, launched: int, found: dict, strategy: str, processes: int | None
) -> None:
    monkeypatch.setenv("WORLD_SIZE", str(launched))
    check_distribution(arguments(**found), strategy, processes)


@pytest.mark.parametrize(
    ("launched", "found", "strategy", "processes", "message"),
    [
        (2, {}, "auto", None, "started 2 processes .* sees 1: they would train separately"),
        (1, {}, "auto", 2, r"distributed\.num_processes is 2, but 1 process\(es\) run: start with ./launch\.sh"),
        (2, TWO, "auto", 4, r"distributed\.num_processes is 4, but 2 process\(es\) run"),
        (2, TWO, "none", None, r"distributed\.strategy is none, but 2 processes run"),
        (1, {}, "ddp", None, r"distributed\.strategy is ddp, but one process runs"),
        (1, {}, "zero2", None, r"distributed\.strategy is zero2, but one process runs"),
        (2, TWO, "zero2", None, "strategy is zero2, but the 2 processes were set up for ddp"),
        (2, {**TWO, "zero": 2}, "zero3", None, "strategy is zero3, but the 2 processes were set up for zero2"),
        (2, {**TWO, "fsdp": True}, "ddp", None, "strategy is ddp, but the 2 processes were set up for fsdp2"),
        (
            2,
            {"world_size": 2, "kind": DistributedType.MULTI_XPU},
            "auto",
            None,
            "2 processes run as MULTI_XPU; use ddp,",
        ),
        (1, {"n_gpu": 4}, "auto", None, "one process sees 4 GPUs and would split batches"),
    ],
)
def test_another_spread_is_refused(
    monkeypatch: pytest.MonkeyPatch, launched: int, found: dict, strategy: str, processes: int | None, message: str
) -> None:
    monkeypatch.setenv("WORLD_SIZE", str(launched))
    with pytest.raises(RunError, match=message):
        check_distribution(arguments(**found), strategy, processes)


def test_several_processes_on_cpus_of_which_accelerate_starts_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"ACCELERATE_USE_CPU": "True", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(RunError, match="told to start several processes on CPUs .* and started one: set"):
        check_distribution(arguments(), "auto", None)


def test_the_launchers_precision_must_be_the_recipes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    check_distribution(arguments(bf16=True), "auto", None)
    with pytest.raises(RunError, match=r"mixed precision bf16, the recipe for no: .* set training\.bf16: true"):
        check_distribution(arguments(), "auto", None)


ZERO = {"ACCELERATE_USE_DEEPSPEED": "true"}
ZERO_3 = {**ZERO, "ACCELERATE_DEEPSPEED_ZERO_STAGE": "3"}
FSDP = {"ACCELERATE_USE_FSDP": "true"}


@pytest.mark.parametrize(
    ("environment", "engine"),
    [
        ({}, None),
        ({"ACCELERATE_USE_DEEPSPEED": "false"}, None),
        (ZERO, "zero2"),
        ({**ZERO, "ACCELERATE_DEEPSPEED_ZERO_STAGE": "3"}, "zero3"),
        ({**FSDP, "FSDP_VERSION": "2"}, "fsdp2"),
    ],
)
def test_what_the_launcher_was_told_to_set_up(environment: dict, engine: str | None) -> None:
    assert launched_engine(environment) == engine


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({**ZERO, "ACCELERATE_DEEPSPEED_ZERO_STAGE": "0"}, "ZeRO stage 0; use stage 1, 2 or 3"),
        ({**ZERO, "ACCELERATE_DEEPSPEED_CONFIG_FILE": "nowhere.json"}, r"nowhere\.json: no zero_optimization\.stage"),
        (FSDP, "FSDP version 1; only version 2 is supported: set fsdp_version: 2"),
        ({"ACCELERATE_USE_MEGATRON_LM": "true"}, "Megatron-LM, which is not supported"),
    ],
)
def test_engines_without_a_score_across_ranks_are_refused(environment: dict, message: str) -> None:
    with pytest.raises(RunError, match=message):
        launched_engine(environment)


def test_a_deepspeed_configuration_that_contradicts_the_recipe() -> None:
    said = (
        "Please correct the following DeepSpeed config values that mismatch TrainingArguments values:\n"
        "- ds gradient_accumulation_steps=4 vs hf gradient_accumulation_steps=1\n- ds a=1 vs hf a=2\nThe easiest ..."
    )
    named = r"\(hf\): ds gradient_accumulation_steps=4 vs hf gradient_accumulation_steps=1; ds a=1 vs hf a=2\. Write"
    with pytest.raises(RunError, match=named), engines.naming_contradictions():
        raise ValueError(said)
    with pytest.raises(ValueError, match="^other"), engines.naming_contradictions():
        raise ValueError("other")


def test_deepspeeds_own_configuration_says_the_stage(tmp_path: Path) -> None:
    file = tmp_path / "zero.json"
    file.write_text('{"zero_optimization": {"stage": 3}}')
    assert launched_engine({**ZERO, "ACCELERATE_DEEPSPEED_CONFIG_FILE": str(file)}) == "zero3"


def test_the_launchers_engine_is_taken_or_contradicted_by_name() -> None:
    assert engine_arguments("auto", on_cpu=False, environment=ZERO) == {}
    assert engine_arguments("zero2", on_cpu=True, environment=ZERO) == {"use_cpu": True, "ddp_backend": "gloo"}
    with pytest.raises(RunError, match="strategy is fsdp2, but the launcher's configuration asks for zero2"):
        engine_arguments("fsdp2", on_cpu=False, environment=ZERO)


def test_an_engine_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "find_spec", lambda name: None)
    with pytest.raises(RunError, match=r"strategy zero2: needs deepspeed; pip install 'smart_train\[deepspeed\]'"):
        engine_arguments("zero2", on_cpu=True, environment={})
    assert engine_arguments("fsdp2", on_cpu=True, environment={})["fsdp"] is True


def test_a_lost_process_is_named() -> None:
    named = r"has died, or has not answered for training\.ddp_timeout \(90 seconds\)"
    with pytest.raises(RunError, match=named), naming_lost_processes(90):
        raise RuntimeError("[.../third_party/gloo/gloo/transport/tcp/pair.cc:553] Connection closed by peer")
    with pytest.raises(RuntimeError, match="^mat1 and mat2"), naming_lost_processes(90):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")


def test_a_loaders_worker_that_was_killed_is_named() -> None:
    told = r"loads data has ended \(DataLoader worker \(pid 7\) is killed by signal: Killed\.\).*num_workers"
    with pytest.raises(RunError, match=told), naming_lost_processes(60):
        raise RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. ")


def test_the_timeout_holds_on_cpus_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Joined(Exception):
        pass

    def join(backend: str, timeout: timedelta) -> None:
        raise Joined(backend, timeout)

    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(engines.dist, "init_process_group", join)
    for given, seconds in (({"ddp_timeout": 90}, 90), ({}, 1800)):
        with pytest.raises(Joined) as joined:
            engines.arguments("ddp", {"output_dir": str(tmp_path), "use_cpu": True, **given})
        assert joined.value.args == ("gloo", timedelta(seconds=seconds))


def test_machines_that_do_not_reach_each_other(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(backend: str, timeout: timedelta) -> None:
        raise dist.DistBackendError("Gloo connectFullMesh failed with timed out connecting\nmore")

    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(engines.dist, "init_process_group", fail)
    with pytest.raises(RunError, match=r"did not find each other \(Gloo .* connecting\)\. .* GLOO_SOCKET_IFNAME=eth0"):
        engines.arguments("ddp", {"output_dir": str(tmp_path), "use_cpu": True})


def test_an_accelerate_configuration_without_processes(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("num_processes: 4\n")
    assert engines.configured_processes(file) == 4
    file.write_text("use_cpu: false\n")
    with pytest.raises(RunError, match=r"accelerate_config .*mine\.yaml: no num_processes can be read from it"):
        engines.configured_processes(file)


def test_an_accelerate_file_for_machines_that_no_run_uses_is_refused(tmp_path):
    file = tmp_path / "tpu.yaml"
    for kind in ("XLA", "TPU", "MEGATRON_LM"):
        file.write_text(f"distributed_type: {kind}\nnum_processes: 8\n")
        with pytest.raises(RunError, match=f"tpu.yaml: distributed_type {kind} is not supported; use NO, MULTI_CPU"):
            configured_processes(file)
    file.write_text("num_processes: 8\n")
    assert configured_processes(file) == 8
    file.write_text("[]")
    with pytest.raises(RunError, match="no num_processes can be read"):
        configured_processes(file)
