"""What cannot be scored says what and where."""

from __future__ import annotations

import math

import pytest
import torch

from smart_train.errors import ScoreError
from smart_train.scoring import maxsim

Q = torch.ones(2, 3, 4)
D = torch.ones(3, 5, 4)
OFFSETS = torch.tensor([0, 2, 3])


def with_value(value: float, item: int, token: int) -> torch.Tensor:
    states = D.clone()
    states[item, token, 1] = value
    return states


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((Q, torch.ones(3, 5, 6)), "queries are 4 wide, documents 6; widths must be equal"),
        ((Q, D.double()), "queries are torch.float32, documents torch.float64; cast"),
        ((Q, D.to("meta")), "queries are on cpu, documents on meta"),
        ((Q.int(), D), "query states are torch.int32; they must be one of float32, float64, float16, bfloat16"),
        ((Q[0], D), r"query states have shape \(3, 4\); padded states must be \[items, T, d\]"),
        (([Q[0], Q], [D[0]]), r"query 1 has shape \(2, 3, 4\); every item must be \[T_i, d\]"),
        (([Q[0], Q[1].double()], [D[0]]), "query 1 has dtype torch.float64, query 0 has torch.float32"),
        (([Q[0]], [D[0], D[0, :, :3]]), "document 1 is 3 wide, document 0 is 4"),
        ((Q, D, torch.ones(2, 3)), "query_mask is torch.float32; it must be boolean"),
        ((Q, D, None, torch.ones(3, 5, dtype=torch.int64)), "document_mask is torch.int64; it must be boolean"),
        ((Q, D, None, torch.ones(3, 4, dtype=torch.bool)), r"document_mask has shape \(3, 4\); .* need \(3, 5\)"),
        (
            (Q, D, None, torch.ones(3, 5, dtype=torch.bool, device="meta")),
            "document_mask is on meta, the states on cpu",
        ),
        ((Q, D, [[True] * 3] * 2), "query_mask is a list; it must be boolean"),
        ((Q.numpy(), D), r"query states are a ndarray; they must be a tensor \[items, T, d\], a list of tensors"),
        ((Q, [D[0].numpy()]), "document states are a list that holds a ndarray; they must be"),
        ((Q, (D[0], [0, 5])), r"document states are a tuple that holds a list; .* or a pair of tensors"),
        (([Q[0]], D, torch.ones(1, 3, dtype=torch.bool)), "query_mask goes with padded query states"),
        ((Q, (D[0], torch.tensor([0, 4]))), r"document offsets \[0, 4\] do not add up: .* number of rows, 5"),
        ((Q, (D[0], torch.tensor([1, 5]))), r"document offsets \[1, 5\] do not add up"),
        ((Q, (D[0], torch.tensor([0, 4, 3, 5]))), r"document offsets \[0, 4, 3, 5\] do not add up"),
        (
            (Q, (D[0], torch.tensor([0.0, 5.0]))),
            r"document offsets are torch.float32 of shape \(2,\); they must be whole",
        ),
        ((Q, (D, torch.tensor([0, 5]))), r"packed document states have shape \(3, 5, 4\)"),
        ((Q, with_value(math.nan, 1, 3)), r"token states that are NaN or infinite: document 1 \(token 3\)$"),
        ((Q, with_value(-math.inf, 2, 0)), r"NaN or infinite: document 2 \(token 0\)"),
        ((with_value(math.inf, 0, 4), D), r"NaN or infinite: query 0 \(token 4\)"),
        ((torch.full((9, 2, 4), math.nan), D), "query 0 .*, query 4 .* and 4 more"),
        ((Q * 1e30, D * 1e30), "finite states whose products overflow torch.float32"),
    ],
)
def test_message(arguments: tuple, message: str) -> None:
    with pytest.raises(ScoreError, match=message):
        maxsim(*arguments)


def test_unknown_choices() -> None:
    with pytest.raises(ScoreError, match="reduction is 'max'; choose one of mean, sum"):
        maxsim(Q, D, reduction="max")
    with pytest.raises(ScoreError, match="backend is 'triton'; choose one of auto, torch, kernels"):
        maxsim(Q, D, backend="triton")
    for budget in (0, -1, "4MB", True, 1e6):
        with pytest.raises(ScoreError, match=f"block_bytes is {budget!r}; it must be a whole number of at least 1"):
            maxsim(Q, D, block_bytes=budget)


def test_a_packed_pair_is_told_from_two_listed_items() -> None:
    values = torch.randn(3, 4)
    as_pair = maxsim(Q, (values, OFFSETS))
    as_list = maxsim(Q, (values[:2], values[2:]))
    torch.testing.assert_close(as_pair, as_list)
