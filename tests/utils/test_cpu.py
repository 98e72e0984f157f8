"""What Linux says about a processor, read: x86 and ARM have other names for it, other systems do not say it. And what
the tests do with it: their description of the machine, their threads."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from smart_train.utils import cpu
from tests.machine import description

ROOT = Path(__file__).parents[2]
X86 = """processor\t: 0
model name\t: Some Maker 9000: 64-Core
flags\t\t: fpu sse2 avx avx2 avx512f avx512_vnni

processor\t: 1
model name\t: another
flags\t\t: fpu
"""
ARM = """processor\t: 0
Features\t: fp asimd bf16 i8mm
CPU part\t: 0xd40
"""


@pytest.mark.parametrize(
    ("text", "flags", "name"),
    [
        (X86, {"fpu", "sse2", "avx", "avx2", "avx512f", "avx512_vnni"}, "Some Maker 9000: 64-Core"),
        (ARM, {"fp", "asimd", "bf16", "i8mm"}, "aarch64"),
        ("", set(), "aarch64"),
        (None, set(), "aarch64"),
    ],
    ids=["x86", "arm", "empty", "no file"],
)
def test_flags_and_name(
    text: str | None, flags: set[str], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    if text is not None:
        cpuinfo.write_text(text)
    monkeypatch.setattr(cpu, "_CPUINFO", cpuinfo)
    monkeypatch.setattr(platform, "processor", lambda: "")
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert cpu.flags() == flags
    assert cpu.model_name() == name


def test_cores_are_those_of_the_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 3, 5}, raising=False)
    assert cpu.usable_cores() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert cpu.usable_cores() == 1


def test_the_description_names_what_changes_results(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "flags", lambda: frozenset({"fpu", "avx2", "amx_bf16", "avx512_vnni"}))
    monkeypatch.setattr(cpu, "model_name", lambda: "Some Maker 9000")
    monkeypatch.setattr(cpu, "usable_cores", lambda: 6)
    name, instructions, cores, overrides, versions = description(
        {"ATEN_CPU_CAPABILITY": "avx2", "OMP_NUM_THREADS": "2", "HOME": "/"}
    )
    assert (name, instructions) == ("processor: Some Maker 9000", "instructions: amx_bf16 avx2 avx512_vnni")
    assert cores == "cores: 6 usable; 2 thread(s) a test process"
    assert overrides == "overrides: ATEN_CPU_CAPABILITY=avx2, OMP_NUM_THREADS=2"
    for package in ("Python", "torch", "transformers", "peft", "accelerate", "deepspeed"):
        assert f"{package} " in versions
    monkeypatch.setattr(cpu, "flags", frozenset)
    assert description({})[1:4] == [
        "instructions: not known on this system",
        "cores: 6 usable; 1 thread(s) a test process",
        "overrides: none",
    ]


@pytest.mark.parametrize(("asked", "threads"), [(None, "1"), ("2", "2")])
def test_threads_of_the_tests_are_settable(asked: str | None, threads: str) -> None:
    """Here and in a process that a test starts."""
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    if asked is not None:
        environment["OMP_NUM_THREADS"] = asked
    child = "import torch; print(torch.get_num_threads())"
    code = (
        "import tests.conftest, torch, subprocess, sys; print(torch.get_num_threads(), flush=True);"
        f"subprocess.run([sys.executable, '-c', {child!r}], check=True)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [threads, threads]


def test_one_process_of_several_uses_every_core_while_the_others_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_num_threads()
    monkeypatch.setattr(cpu, "usable_cores", lambda: before + 1)
    with cpu.every_core():
        assert torch.get_num_threads() == before, "alone it keeps what it was started with"
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    with pytest.raises(KeyError), cpu.every_core():
        assert torch.get_num_threads() == before + 1
        raise KeyError
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(("said", "number"), [("4", 4), ("", 1), ("auto", 1), ("-2", 1)])
def test_a_launchers_variable_that_holds_no_number_counts_as_not_set(
    said: str, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCAL_WORLD_SIZE", said)
    assert cpu.local_processes() == number
