"""What Linux says about a processor, read: x86 and ARM have other names for it, other systems do not say it."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import pytest

from smart_train import processor

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
    monkeypatch.setattr(processor, "_CPUINFO", cpuinfo)
    monkeypatch.setattr(platform, "processor", lambda: "")
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert processor.flags() == flags
    assert processor.model_name() == name


def test_cores_are_those_of_the_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 3, 5}, raising=False)
    assert processor.usable_cores() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert processor.usable_cores() == 1
