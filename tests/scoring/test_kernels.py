"""The backend late-interaction-kernels: how it is called, and what it answers where it can be had."""

from __future__ import annotations

import importlib.util
import inspect
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from smart_train.errors import ScoreError
from smart_train.scoring import EMPTY_DOCUMENT_SCORE, kernels, maxsim

has_package = pytest.mark.skipif(
    importlib.util.find_spec("late_interaction_kernels") is None or importlib.util.find_spec("triton") is None,
    reason="late-interaction-kernels is not installed",
)


def maxsim_varlen(
    Q_packed: Tensor,
    D_packed: Tensor,
    cu_seqlens_q: Tensor,
    cu_seqlens_d: Tensor,
    max_seqlen_q: int | None = None,
    max_seqlen_d: int | None = None,
) -> Tensor:
    """What the package (0.4.0 to 0.4.5) takes and answers: sums, fp32, 0 for whatever is empty."""
    for offsets, rows, longest in ((cu_seqlens_q, Q_packed, max_seqlen_q), (cu_seqlens_d, D_packed, max_seqlen_d)):
        assert offsets.dtype == torch.int32 and offsets[0] == 0 and offsets[-1] == len(rows)
        # A bound below the longest would drop tokens.
        assert longest == int(offsets.diff().max())
    queries = Q_packed.float().split(cu_seqlens_q.diff().tolist())
    documents = D_packed.float().split(cu_seqlens_d.diff().tolist())
    assert all(len(document) for document in documents)
    return torch.stack([torch.stack([(q @ d.T).amax(dim=1).sum() for d in documents]) for q in queries])


@pytest.fixture
def standing_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package's place is taken, and states on a CPU may pass."""
    monkeypatch.setitem(sys.modules, kernels.PACKAGE, SimpleNamespace(maxsim_varlen=maxsim_varlen))
    monkeypatch.setattr(kernels, "what_is_missing", lambda states: None)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("normalize", [False, True])
def test_the_call_carries_every_layout(standing_in: None, reduction: str, normalize: bool) -> None:
    q, d = torch.randn(3, 4, 16), torch.randn(4, 7, 16)
    q_mask, d_mask = torch.rand(3, 4) < 0.7, torch.rand(4, 7) < 0.6
    q_mask[1], d_mask[2] = False, False
    found = {}
    for backend in ("torch", "kernels"):
        left, right = q.clone().requires_grad_(), d.clone().requires_grad_()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            scores = maxsim(left, right, q_mask, d_mask, reduction=reduction, normalize=normalize, backend=backend)
        kept = scores[:, [0, 1, 3]]
        found[backend] = (scores, *torch.autograd.grad((kept * torch.arange(9.0).view(3, 3)).sum(), (left, right)))
        assert (scores[:, 2] == EMPTY_DOCUMENT_SCORE).all() and (kept[1] == 0).all()
    for theirs, ours in zip(found["kernels"], found["torch"], strict=True):
        torch.testing.assert_close(theirs, ours, rtol=1e-5, atol=1e-5)


def test_16_bit_states_are_normalised_by_norms_of_32_bits(standing_in: None) -> None:
    states = (torch.randn(6, 8, 64) * 3).bfloat16()
    scores = maxsim(states, states, normalize=True, backend="kernels").diagonal()
    torch.testing.assert_close(scores, torch.ones(6), rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    ("states", "message"),
    [
        (torch.ones(1, 1, 16, device="meta"), "the states are on meta; the kernels run on CUDA"),
        (SimpleNamespace(device=torch.device("cuda"), dtype=torch.float32), "torch.float32; the kernels compute in"),
        (
            SimpleNamespace(device=torch.device("cuda"), dtype=torch.float16, shape=(5, 257)),
            "the states are 257 wide; the kernels take at most 256",
        ),
    ],
)
def test_what_is_missing(monkeypatch: pytest.MonkeyPatch, states: object, message: str) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    assert message in (kernels.what_is_missing(states) or "")


def test_kernels_raise_where_they_cannot_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    for installed, message in (
        (None, r"the package late-interaction-kernels is not installed \(pip install 'smart_train\[kernels\]'\)"),
        (object(), "the states are on cpu; the kernels run on CUDA"),
    ):
        monkeypatch.setattr("importlib.util.find_spec", lambda name, found=installed: found)
        with pytest.raises(ScoreError, match=f"backend='kernels' is unavailable: {message}"):
            maxsim(torch.ones(2, 3, 4), torch.ones(3, 5, 4), backend="kernels")


@has_package
def test_the_stand_in_has_the_packages_signature() -> None:
    from late_interaction_kernels.varlen import maxsim_varlen as real

    assert list(inspect.signature(real).parameters) == list(inspect.signature(maxsim_varlen).parameters)


@has_package
def test_the_package_agrees() -> None:
    done = subprocess.run([sys.executable, "-m", "tests.scoring.kernels_parity"], capture_output=True, text=True)
    assert done.returncode == 0 and "parity holds" in done.stdout, done.stdout + done.stderr
