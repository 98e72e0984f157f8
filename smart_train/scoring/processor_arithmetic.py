"""How states of each dtype are multiplied: as they are stored, or widened to fp32 a block at a time.

The user chooses the storage, the device chooses the arithmetic. A product of bf16, fp16 or int8 states is faster than
one of fp32 states only where the device has instructions for it. On a processor without them it takes 8 to 20 times as
long, and a block that is widened first costs a few per cent more than fp32. The same numbers are multiplied either way;
native 16-bit products are rounded to 16 bits, widened ones are not.

The choice follows the instructions that the device reports. Timing both ways was rejected: a busy moment would decide,
and two runs of one command could differ in their last bits.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import torch

from smart_train.errors import ScoreError
from smart_train.utils import cpu

NATIVE, WIDENED = "native", "widened"
CHOICES = (NATIVE, WIDENED)
VARIABLE = "SMART_TRAIN_ARITHMETIC"

# The instructions of a CPU that multiply a dtype, by their names in Linux; oneDNN, which torch asks, uses these. The
# narrow forms of AVX2 (avx_vnni and its successors) and those of ARM have not been measured here, so they are not used.
_CPU: dict[torch.dtype, frozenset[str]] = {
    torch.bfloat16: frozenset({"avx512_bf16", "amx_bf16"}),
    torch.float16: frozenset({"avx512_fp16", "amx_fp16"}),
    torch.int8: frozenset({"avx512_vnni", "amx_int8"}),
}
# The compute capability from which an NVIDIA GPU multiplies a dtype in its matrix units.
_CUDA: dict[torch.dtype, tuple[int, int]] = {
    torch.bfloat16: (8, 0),
    torch.float16: (7, 0),
    torch.int8: (7, 5),
}
# What oneDNN may use under ONEDNN_MAX_CPU_ISA, each entry with all that stand before it. It ignores other values.
_ISA: tuple[tuple[str, frozenset[str]], ...] = (
    ("sse41", frozenset()),
    ("avx", frozenset()),
    ("avx2", frozenset()),
    ("avx2_vnni", frozenset()),
    ("avx2_vnni_2", frozenset()),
    ("avx512_core", frozenset()),
    ("avx512_core_vnni", frozenset({"avx512_vnni"})),
    ("avx512_core_bf16", frozenset({"avx512_bf16"})),
    ("avx512_core_fp16", frozenset({"avx512_fp16"})),
    ("avx10_1_512", frozenset()),
    ("avx512_core_amx", frozenset({"amx_bf16", "amx_int8"})),
    ("avx10_1_512_amx", frozenset()),
    ("avx512_core_amx_fp16", frozenset({"amx_fp16"})),
)
_forced: ContextVar[str | None] = ContextVar("forced", default=None)


@dataclass(frozen=True)
class Arithmetic:
    """How states of one dtype are multiplied on one device.

    Args:
        choice: "native" (as they are stored) or "widened" (a block at a time is copied to fp32).
        reason: why, in words.
    """

    choice: str
    reason: str

    @property
    def widened(self) -> bool:
        return self.choice == WIDENED


def arithmetic(dtype: torch.dtype, device: str | torch.device = "cpu") -> Arithmetic:
    """How the score multiplies states of `dtype` on `device`. Decided at the first call for a pair, then kept.

    The environment variable SMART_TRAIN_ARITHMETIC, "native" or "widened", decides for a whole process and for every
    dtype narrower than fp32; `forced_arithmetic` does so for a block of code. fp32 and fp64 are always native.

    Raises:
        ScoreError: an unknown value of the variable; int8 forced to "native" where torch has no such product, or a
            wrong one.
    """
    device = torch.device(device)
    forced = _forced.get()
    if forced is not None:
        return _obey(forced, dtype, device, "forced_arithmetic")
    return _decided(dtype, device)


@contextmanager
def forced_arithmetic(choice: str) -> Iterator[None]:
    """Multiplies every narrow dtype by `choice`, "native" or "widened", inside the block.

    Raises:
        ScoreError: an unknown choice.
    """
    _check(choice, "forced_arithmetic")
    token = _forced.set(choice)
    try:
        yield
    finally:
        _forced.reset(token)


@functools.cache
def _decided(dtype: torch.dtype, device: torch.device) -> Arithmetic:
    wanted = os.environ.get(VARIABLE)
    if wanted is not None:
        _check(wanted, VARIABLE)
        return _obey(wanted, dtype, device, f"{VARIABLE}={wanted}")
    if dtype not in _CPU:
        return _plain(dtype)
    if device.type == "cpu":
        return _on_cpu(dtype, cpu.flags(), os.environ, torch.backends.mkldnn.is_available())
    if device.type == "cuda":
        return _on_cuda(dtype, torch.cuda.get_device_capability(device))
    if dtype == torch.int8:
        return Arithmetic(WIDENED, f"torch has no int8 product on {device.type}")
    return Arithmetic(NATIVE, f"{_name(dtype)} products use the default of {device.type}")


def _on_cpu(dtype: torch.dtype, flags: frozenset[str], environment: Mapping[str, str], has_onednn: bool) -> Arithmetic:
    """The choice for a processor with these `flags`, under this environment."""
    if not has_onednn:
        return Arithmetic(WIDENED, "this torch was built without oneDNN")
    wanted = _CPU[dtype]
    present = wanted & flags
    if not present:
        return Arithmetic(WIDENED, f"the processor has none of {_listed(wanted)}")
    allowed = present & _allowed(environment)
    if not allowed:
        limit = _limit(environment)
        return Arithmetic(WIDENED, f"ONEDNN_MAX_CPU_ISA={limit} forbids {_listed(present)}")
    return Arithmetic(NATIVE, f"the processor has {_listed(allowed)}")


def _on_cuda(dtype: torch.dtype, capability: tuple[int, int]) -> Arithmetic:
    has, needs = ".".join(map(str, capability)), ".".join(map(str, _CUDA[dtype]))
    if capability < _CUDA[dtype]:
        return Arithmetic(WIDENED, f"the GPU has compute capability {has}; {_name(dtype)} products need {needs}")
    return Arithmetic(NATIVE, f"the GPU has compute capability {has}")


def _obey(choice: str, dtype: torch.dtype, device: torch.device, where: str) -> Arithmetic:
    if dtype not in _CPU:
        return _plain(dtype)
    if choice == NATIVE and dtype == torch.int8:
        problem = _no_integer_product(device)
        if problem:
            raise ScoreError(f"{where}: int8 cannot be multiplied natively: {problem}; choose {WIDENED!r}")
    return Arithmetic(choice, f"set by {where}")


def cut_integer_products() -> str | None:
    """Why torch's int8 products are wrong on this CPU; None where they are right.

    On a processor with avx512_vnni torch asks oneDNN for them. Where ONEDNN_MAX_CPU_ISA forbids that instruction,
    oneDNN takes an older one, which cuts each sum of two products to 16 bits. The product is tried once, because only
    torch and oneDNN know which instruction they take.
    """
    if _integer_products_are_right():
        return None
    return f"oneDNN cuts their sums to 16 bits under ONEDNN_MAX_CPU_ISA={_limit(os.environ)}"


@functools.cache
def _integer_products_are_right() -> bool:
    largest = torch.full((32, 64), 127, dtype=torch.int8)
    return bool((torch._int_mm(largest, largest.T) == 127 * 127 * 64).all())


def _no_integer_product(device: torch.device) -> str | None:
    """Why torch cannot multiply int8 states on `device`, or None."""
    if device.type == "cpu":
        if not torch.backends.mkldnn.is_available():
            return "this torch was built without oneDNN"
        return cut_integer_products()
    if device.type == "cuda":
        product = _on_cuda(torch.int8, torch.cuda.get_device_capability(device))
        return product.reason if product.widened else None
    return f"torch has no int8 product on {device.type}"


def _limit(environment: Mapping[str, str]) -> str:
    """The most that oneDNN may use, as its environment says; it reads the older name where the newer is not set."""
    return environment.get("ONEDNN_MAX_CPU_ISA") or environment.get("DNNL_MAX_CPU_ISA") or ""


def _allowed(environment: Mapping[str, str]) -> frozenset[str]:
    names = [name for name, _ in _ISA]
    limit = _limit(environment).lower()
    last = names.index(limit) + 1 if limit in names else len(names)
    return frozenset().union(*(added for _, added in _ISA[:last]))


def _check(choice: str, where: str) -> None:
    if choice not in CHOICES:
        raise ScoreError(f"{where} is {choice!r}; choose one of {', '.join(CHOICES)}")


def _plain(dtype: torch.dtype) -> Arithmetic:
    return Arithmetic(NATIVE, f"{_name(dtype)} is never widened")


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names))
