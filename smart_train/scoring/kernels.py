"""The optional backend late-interaction-kernels (Triton, CUDA, narrow states), asked for by name."""

from __future__ import annotations

import importlib.util

import torch
from torch import Tensor
from torch.nn import functional as F

from smart_train.errors import ScoreError
from smart_train.scoring.inputs import TokenSet

PACKAGE = "late_interaction_kernels"
WIDEST = 256  # their kernels hold a whole state in one tile
DTYPES = (torch.bfloat16, torch.float16)  # they would round fp32 states to fp16 without saying so


def maxsim_by_kernels(
    queries: TokenSet, documents: TokenSet, *, reduction: str, normalize: bool, block_bytes: int | None
) -> Tensor:
    """Scores of packed queries against documents that all have tokens, fp32 [Q, N]; differentiable.

    Their backward adds with atomics: gradients may differ in the last bits between runs. They keep no similarities,
    so `block_bytes` does not apply.

    Raises:
        ScoreError: the package is missing, the states are not on CUDA, not 16-bit, or wider than 256.
    """
    states = queries.values
    problem = None
    if importlib.util.find_spec(PACKAGE) is None:
        problem = "the package late-interaction-kernels is not installed (pip install 'smart_train[kernels]')"
    elif states.device.type != "cuda":
        problem = f"the states are on {states.device}; the kernels run on CUDA"
    elif states.dtype not in DTYPES:
        problem = f"the states are {states.dtype}; the kernels compute in bfloat16 or float16"
    elif states.shape[1] > WIDEST:
        problem = f"the states are {states.shape[1]} wide; the kernels take at most {WIDEST}"
    if problem:
        raise ScoreError(f"maxsim: backend='kernels' cannot be had: {problem}")
    from late_interaction_kernels import maxsim_varlen

    documents = documents.packed()
    left, right = queries.values, documents.values
    if normalize:
        left, right = F.normalize(left, dim=1), F.normalize(right, dim=1)
    offsets = queries.offsets()
    scores = maxsim_varlen(left, right, offsets.int(), documents.offsets().int())
    return scores / offsets.diff().clamp(min=1).unsqueeze(1) if reduction == "mean" else scores
