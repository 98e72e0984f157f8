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
    queries: TokenSet, documents: TokenSet, *, mean: bool, normalize: bool, block_bytes: int | None
) -> Tensor:
    """Scores of packed queries against documents that all have tokens, fp32 [Q, N]; differentiable.

    Their backward adds with atomics: gradients may differ in the last bits between runs. They keep no similarities,
    so `block_bytes` does not apply.

    Raises:
        ScoreError: the package is missing, the states are not on CUDA, not 16-bit, or wider than 256.
    """
    problem = what_is_missing(queries.values)
    if problem:
        raise ScoreError(f"maxsim: backend='kernels' is unavailable: {problem}")
    from late_interaction_kernels import maxsim_varlen

    documents = documents.packed()
    left, right = queries.values, documents.values
    if normalize:
        left, right = _normalized(left), _normalized(right)
    offsets = queries.offsets()
    # The longest lengths are known here; left out, the package would wait for the device to tell it.
    scores = maxsim_varlen(
        left,
        right,
        offsets.int(),
        documents.offsets().int(),
        max_seqlen_q=max(queries.lengths, default=0),
        max_seqlen_d=max(documents.lengths, default=0),
    )
    return scores / offsets.diff().clamp(min=1).unsqueeze(1) if mean else scores


def what_is_missing(states: Tensor) -> str | None:
    """Why the kernels cannot score such states, or None."""
    if importlib.util.find_spec(PACKAGE) is None:
        return "the package late-interaction-kernels is not installed (pip install 'smart_train[kernels]')"
    if states.device.type != "cuda":
        return f"the states are on {states.device}; the kernels run on CUDA"
    if states.dtype not in DTYPES:
        return f"the states are {states.dtype}; the kernels compute in bfloat16 or float16"
    if states.shape[1] > WIDEST:
        return f"the states are {states.shape[1]} wide; the kernels take at most {WIDEST}"
    return None


def _normalized(states: Tensor) -> Tensor:
    # In fp32: a norm rounded to 16 bits would scale every score of its state by up to 0.4 %.
    return F.normalize(states.float(), dim=1).to(states.dtype)
