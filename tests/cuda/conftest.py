"""Every test of this folder runs on each device with the same body; on a machine without a GPU, on the CPU alone. So a
mistake in a test shows here, and what is left for the GPU to show is the device."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.cuda)])
def device(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(autouse=True)
def exact_fp32() -> Iterator[None]:
    """fp32 products in fp32. Convolutions on CUDA are rounded to TF32 unless they are told otherwise."""
    allowed = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = allowed
