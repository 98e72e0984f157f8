"""Which arithmetic multiplies which dtype on which processor, how it is forced, and that both give one score."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from smart_train.errors import ScoreError
from smart_train.scoring import (
    PackedDocuments,
    arithmetic,
    document_groups,
    forced_arithmetic,
    maxsim,
    processor_arithmetic,
    product,
)
from smart_train.scoring.embeddings import Embeddings
from smart_train.scoring.processor_arithmetic import VARIABLE, _decided, _on_cpu, _on_cuda, cut_integer_products
from smart_train.utils import cpu
from tests.scoring.live_bytes import LiveBytes

NARROW = (torch.bfloat16, torch.float16, torch.int8)
RIGHT_INTEGERS = pytest.mark.skipif(
    cut_integer_products() is not None, reason="oneDNN may not use what makes integer products right"
)
AVX2 = {"avx", "avx2", "fma", "f16c"}
SKYLAKE = AVX2 | {"avx512f", "avx512bw", "avx512vl", "avx512dq"}
CASCADE_LAKE = SKYLAKE | {"avx512_vnni"}
ZEN_4 = CASCADE_LAKE | {"avx512_bf16"}
SAPPHIRE_RAPIDS = ZEN_4 | {"avx512_fp16", "amx_tile", "amx_bf16", "amx_int8"}


@pytest.fixture
def undecided() -> Iterator[None]:
    """Choices of this process are made anew in the test, and again after it."""
    _decided.cache_clear()
    yield
    _decided.cache_clear()


@pytest.mark.parametrize(
    ("flags", "limit", "native"),
    [
        (set(), None, set()),  # a system that does not say
        ({"asimd", "bf16", "i8mm", "fphp"}, None, set()),  # ARM
        (AVX2, None, set()),
        (AVX2 | {"avx_vnni", "avx_ne_convert"}, None, set()),
        (SKYLAKE, None, set()),
        (CASCADE_LAKE, None, {torch.int8}),
        (ZEN_4, None, {torch.int8, torch.bfloat16}),
        (SAPPHIRE_RAPIDS, None, set(NARROW)),
        (SAPPHIRE_RAPIDS, "ALL", set(NARROW)),
        (SAPPHIRE_RAPIDS, "not a name that oneDNN knows", set(NARROW)),
        (SAPPHIRE_RAPIDS, "AVX512_CORE_FP16", set(NARROW)),
        (SAPPHIRE_RAPIDS, "AVX10_1_512", set(NARROW)),
        (SAPPHIRE_RAPIDS, "AVX512_CORE_BF16", {torch.int8, torch.bfloat16}),
        (SAPPHIRE_RAPIDS, "avx512_core_vnni", {torch.int8}),
        (SAPPHIRE_RAPIDS, "AVX512_CORE", set()),
        (SAPPHIRE_RAPIDS, "AVX2", set()),
        (SAPPHIRE_RAPIDS, "SSE41", set()),
    ],
)
def test_the_processor_and_what_onednn_may_use_of_it_decide(flags: set[str], limit: str | None, native: set) -> None:
    for name in ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"):
        environment = {} if limit is None else {name: limit}
        made = {dtype: _on_cpu(dtype, frozenset(flags), environment, has_onednn=True) for dtype in NARROW}
        assert {dtype for dtype, choice in made.items() if not choice.widened} == native


def test_the_reason_is_told() -> None:
    def reason(flags: set[str], limit: str = "", has_onednn: bool = True) -> str:
        return _on_cpu(torch.bfloat16, frozenset(flags), {"ONEDNN_MAX_CPU_ISA": limit}, has_onednn).reason

    assert reason(ZEN_4) == "the processor has avx512_bf16"
    assert reason(AVX2) == "the processor has none of amx_bf16, avx512_bf16"
    assert reason(ZEN_4, "AVX2") == "ONEDNN_MAX_CPU_ISA=AVX2 forbids avx512_bf16"
    assert reason(ZEN_4, has_onednn=False) == "this torch was built without oneDNN"
    assert _on_cuda(torch.bfloat16, (7, 5)).reason == "the GPU has compute capability 7.5; bfloat16 products need 8.0"


@pytest.mark.parametrize(
    ("capability", "native"),
    [
        ((6, 1), set()),
        ((7, 0), {torch.float16}),
        ((7, 5), {torch.float16, torch.int8}),
        ((8, 0), set(NARROW)),
        ((9, 0), set(NARROW)),
        ((12, 0), set(NARROW)),
    ],
)
def test_the_gpu_decides(capability: tuple[int, int], native: set) -> None:
    assert {dtype for dtype in NARROW if not _on_cuda(dtype, capability).widened} == native


def test_the_choice_is_made_once(monkeypatch: pytest.MonkeyPatch, undecided: None) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(cpu, "flags", lambda: frozenset(AVX2))
    first = arithmetic(torch.bfloat16)
    assert first.widened and arithmetic(torch.bfloat16, torch.device("cpu")) is first
    monkeypatch.setattr(cpu, "flags", lambda: frozenset(ZEN_4))
    assert arithmetic(torch.bfloat16) is first


def test_fp32_and_fp64_are_never_widened(monkeypatch: pytest.MonkeyPatch, undecided: None) -> None:
    for dtype in (torch.float32, torch.float64):
        assert not arithmetic(dtype).widened
        with forced_arithmetic("widened"):
            assert not arithmetic(dtype).widened
    monkeypatch.setenv(VARIABLE, "widened")
    _decided.cache_clear()
    assert not arithmetic(torch.float64).widened


def test_a_block_of_code_or_a_process_can_force_it(monkeypatch: pytest.MonkeyPatch, undecided: None) -> None:
    monkeypatch.setattr(processor_arithmetic, "cut_integer_products", lambda: None)
    for choice in ("native", "widened"):
        monkeypatch.setenv(VARIABLE, choice)
        _decided.cache_clear()
        for dtype in NARROW:
            assert arithmetic(dtype).choice == choice
            assert arithmetic(dtype).reason == f"set by {VARIABLE}={choice}"
        with forced_arithmetic("widened"):
            with forced_arithmetic("native"):
                assert arithmetic(torch.bfloat16).choice == "native"
            assert arithmetic(torch.bfloat16).choice == "widened"
        assert arithmetic(torch.bfloat16).choice == choice


def test_an_unknown_arithmetic_is_named(monkeypatch: pytest.MonkeyPatch, undecided: None) -> None:
    with (
        pytest.raises(ScoreError, match="forced_arithmetic is 'fast'; choose one of native, widened"),
        forced_arithmetic("fast"),
    ):
        pass
    monkeypatch.setenv(VARIABLE, "wide")
    with pytest.raises(ScoreError, match=f"{VARIABLE} is 'wide'; choose one of native, widened"):
        maxsim(torch.ones(1, 2, 4, dtype=torch.bfloat16), torch.ones(1, 2, 4, dtype=torch.bfloat16))


def test_int8_forced_where_the_library_lacks_it_is_named(monkeypatch: pytest.MonkeyPatch, undecided: None) -> None:
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    message = "int8 cannot be multiplied natively: this torch was built without oneDNN; choose 'widened'"
    stored = PackedDocuments(embeddings(3), dtype="int8")
    with pytest.raises(ScoreError, match=f"forced_arithmetic: {message}"), forced_arithmetic("native"):
        stored.score_parts(embeddings(2))
    monkeypatch.setenv(VARIABLE, "native")
    with pytest.raises(ScoreError, match=f"{VARIABLE}=native: {message}"):
        stored.score_parts(embeddings(2))


def test_int8_forced_where_its_products_are_wrong_is_named(monkeypatch: pytest.MonkeyPatch, undecided: None) -> None:
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    monkeypatch.setattr(processor_arithmetic, "_integer_products_are_right", lambda: False)
    message = "int8 cannot be multiplied natively: oneDNN cuts their sums to 16 bits under ONEDNN_MAX_CPU_ISA=AVX2"
    stored = PackedDocuments(embeddings(3), dtype="int8")
    with pytest.raises(ScoreError, match=message), forced_arithmetic("native"):
        stored.score_parts(embeddings(2))
    assert arithmetic(torch.int8).widened


@pytest.mark.parametrize("limit", ["SSE41", "AVX2", "AVX512_CORE", "ALL"])
def test_int8_products_are_right_or_refused_whatever_onednn_may_use(limit: str) -> None:
    """In a process of its own: oneDNN reads the variable once."""
    code = """
import torch
from smart_train.scoring.processor_arithmetic import arithmetic, cut_integer_products
states = torch.randint(-127, 128, (64, 128), generator=torch.Generator().manual_seed(0), dtype=torch.int8)
right = torch.equal(torch._int_mm(states, states.T), states.int() @ states.int().T)
print(right == (cut_integer_products() is None) and (right or arithmetic(torch.int8).widened))
"""
    environment = {**os.environ, "ONEDNN_MAX_CPU_ISA": limit}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "True\n", done.stderr


def embeddings(*lengths: int, width: int = 96) -> Embeddings:
    tokens = [F.normalize(torch.randn(length, width), dim=1) for length in lengths]
    return Embeddings(F.normalize(torch.randn(len(lengths), 16), dim=1), tokens)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("slice_bytes", [1, 2 << 20])
def test_widened_scores_are_those_of_fp32_states_of_the_same_values(
    monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, slice_bytes: int
) -> None:
    monkeypatch.setattr(product, "LEAST_ROWS", 8)
    monkeypatch.setitem(product.SLICE_BYTES, "cpu", slice_bytes)
    queries = [F.normalize(torch.randn(length, 96), dim=1).to(dtype) for length in (5, 1, 30)]
    documents = [F.normalize(torch.randn(length, 96), dim=1).to(dtype) for length in (40, 3, 1, 200)]
    scores = {}
    gradients = {}
    for name, cast in (("narrow", dtype), ("wide", torch.float32)):
        left, right = ([item.to(cast).requires_grad_() for item in side] for side in (queries, documents))
        with forced_arithmetic("widened"):
            scores[name] = maxsim(left, right)
            gradients[name] = torch.autograd.grad(scores[name].square().sum(), [*left, *right])
    torch.testing.assert_close(scores["narrow"], scores["wide"], rtol=0, atol=1e-6)
    for narrow, wide in zip(gradients["narrow"], gradients["wide"], strict=True):
        torch.testing.assert_close(narrow.float(), wide, rtol=2e-2, atol=2e-2 * float(wide.abs().max()))


@RIGHT_INTEGERS
def test_widened_int8_scores_are_those_of_the_integer_product() -> None:
    queries, documents = embeddings(5, 9, width=512), embeddings(40, 1, 0, 25, 60, width=512)
    stored = PackedDocuments(documents, dtype="int8")
    found = {}
    for choice in ("native", "widened"):
        with forced_arithmetic(choice):
            found[choice] = stored.score_parts(queries).late
    torch.testing.assert_close(found["widened"], found["native"], rtol=0, atol=1e-6)


@pytest.mark.parametrize("dtype", ["bfloat16", "int8"])
def test_widening_holds_a_slice_at_a_time(monkeypatch: pytest.MonkeyPatch, dtype: str) -> None:
    monkeypatch.setitem(product.SLICE_BYTES, "cpu", 1 << 15)
    monkeypatch.setitem(document_groups.BLOCK_BYTES, "cpu", 1 << 15)
    queries, documents = embeddings(4, 5), embeddings(*[50] * 40, 2000)
    stored = PackedDocuments(documents, dtype=dtype)
    with forced_arithmetic("widened"), LiveBytes() as counted:
        stored.score_parts(queries, pooled=False)
    assert counted.peak < documents.packed.nbytes / 4


class Widened(TorchDispatchMode):
    """Counts the numbers that are copied to fp32 under it."""

    count = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        if function is torch.ops.aten._to_copy.default and result.dtype == torch.float32 != args[0].dtype:
            self.count += result.numel()
        return result


def test_a_document_is_widened_once_for_all_the_queries_that_fit() -> None:
    queries, documents = embeddings(100, 150), embeddings(*[700] * 3, 5000)
    stored = PackedDocuments(documents, dtype="bfloat16")
    with forced_arithmetic("widened"), Widened() as counted:
        stored.score_parts(queries, pooled=False)
    assert counted.count == queries.packed.numel() + documents.packed.numel()
    with forced_arithmetic("native"), Widened() as counted:
        stored.score_parts(queries, pooled=False)
    assert counted.count < documents.packed.numel() / 10  # the largest similarities, and nothing that grows with d
