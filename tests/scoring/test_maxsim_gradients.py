"""MaxSim's gradient: exact, deterministic, and cheap in memory."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from smart_train.scoring import maxsim
from smart_train.scoring.reference import maxsim_reference
from tests.scoring.live_bytes import LiveBytes

MASKS = {
    "prefix": [[1, 1, 1, 0, 0], [1, 0, 0, 0, 0], [1, 1, 1, 1, 0]],
    "suffix": [[0, 0, 1, 1, 1], [0, 0, 0, 0, 1], [0, 1, 1, 1, 1]],
    "scattered": [[1, 0, 1, 0, 1], [0, 1, 0, 1, 0], [0, 1, 1, 0, 1]],
    "one empty": [[1, 1, 0, 0, 1], [0, 0, 0, 0, 0], [1, 1, 1, 1, 1]],
    "all empty": [[0, 0, 0, 0, 0]] * 3,
    "full": [[1, 1, 1, 1, 1]] * 3,
}


def mask_of(name: str) -> Tensor:
    return torch.tensor(MASKS[name], dtype=torch.bool)


@pytest.mark.parametrize("documents", MASKS)
@pytest.mark.parametrize("queries", ["full", "scattered", "one empty"])
@pytest.mark.parametrize("options", [{}, {"reduction": "sum", "normalize": True}], ids=["mean", "sum, normalised"])
def test_gradcheck(documents: str, queries: str, options: dict) -> None:
    q = torch.randn(3, 5, 3, dtype=torch.float64, requires_grad=True)
    d = torch.randn(3, 5, 3, dtype=torch.float64, requires_grad=True)
    q_mask, d_mask = mask_of(queries), mask_of(documents)
    torch.autograd.gradcheck(lambda a, b: maxsim(a, b, q_mask, d_mask, block_bytes=200, **options), (q, d))


@pytest.mark.parametrize("normalize", [False, True])
def test_equals_autograd_through_brute_force(normalize: bool) -> None:
    queries = [torch.randn(n, 6, dtype=torch.float64, requires_grad=True) for n in (3, 1, 4)]
    documents = [torch.randn(n, 6, dtype=torch.float64, requires_grad=True) for n in (5, 2, 7, 7)]
    weights = torch.randn(3, 4, dtype=torch.float64)
    ours = torch.autograd.grad((maxsim(queries, documents, normalize=normalize) * weights).sum(), queries + documents)
    expected = torch.autograd.grad(
        (maxsim_reference(queries, documents, normalize=normalize) * weights).sum(), queries + documents
    )
    for found, wanted in zip(ours, expected, strict=True):
        torch.testing.assert_close(found, wanted)


def test_padding_gets_no_gradient_whatever_it_holds() -> None:
    mask = mask_of("scattered")
    for filling in (1e3, float("nan")):
        for normalize in (False, True):
            d = torch.randn(3, 5, 4).masked_fill_(~mask.unsqueeze(2), filling).requires_grad_()
            q = torch.randn(3, 5, 4).masked_fill_(~mask.unsqueeze(2), filling).requires_grad_()
            maxsim(q, d, mask, mask, normalize=normalize).sum().backward()
            for grad in (q.grad, d.grad):
                assert (grad[~mask] == 0).all()
                assert grad.isfinite().all() and (grad[mask] != 0).any()


@pytest.mark.parametrize("learns", ["queries", "documents"])
def test_only_one_side_needs_a_gradient(learns: str) -> None:
    q, d = torch.randn(2, 3, 4), torch.randn(3, 5, 4)
    both = [q.clone().requires_grad_(), d.clone().requires_grad_()]
    expected = dict(zip(("queries", "documents"), torch.autograd.grad(maxsim(*both).sum(), both), strict=True))
    sides = {"queries": q.clone(), "documents": d.clone()}
    sides[learns].requires_grad_()
    maxsim(**sides).sum().backward()
    assert torch.equal(sides[learns].grad, expected[learns])


def test_a_tie_gives_the_whole_gradient_to_tied_tokens() -> None:
    token = torch.randn(4)
    query = token.view(1, 1, 4)
    document = torch.stack([token, -token, token, token]).unsqueeze(0).requires_grad_()
    maxsim(query, document).sum().backward()
    torch.testing.assert_close(document.grad.sum(dim=(0, 1)), token)
    assert document.grad[0, 1].eq(0).all()


def test_a_zero_state_survives_normalisation() -> None:
    q, d = torch.zeros(1, 2, 4, requires_grad=True), torch.zeros(1, 3, 4, requires_grad=True)
    scores = maxsim(q, d, normalize=True)
    scores.sum().backward()
    assert scores.item() == 0 and q.grad.isfinite().all() and d.grad.isfinite().all()


def test_the_same_input_gives_the_same_bits() -> None:
    queries, documents = torch.randn(8, 16, 32), torch.randn(8, 64, 32)
    weights = torch.randn(8, 8)

    def run() -> tuple[Tensor, ...]:
        q, d = queries.clone().requires_grad_(), documents.clone().requires_grad_()
        scores = maxsim(q, d, normalize=True)
        return scores, *torch.autograd.grad((scores * weights).sum(), (q, d))

    first = run()
    for _ in range(3):
        assert all(torch.equal(a, b) for a, b in zip(first, run(), strict=True))


@pytest.mark.usefixtures("either_arithmetic")
@pytest.mark.parametrize("normalize", [False, True])
def test_bfloat16_points_where_float64_points(normalize: bool) -> None:
    queries = F.normalize(torch.randn(6, 24, 256), dim=2).bfloat16()
    documents = F.normalize(torch.randn(8, 100, 256), dim=2).bfloat16()
    grads = {}
    for dtype in (torch.bfloat16, torch.float64):
        q, d = queries.to(dtype).requires_grad_(), documents.to(dtype).requires_grad_()
        scores = maxsim(q, d, normalize=normalize)
        loss = F.cross_entropy(scores / 0.05, torch.arange(6))
        grads[dtype] = (scores.detach().double(), *(g.double() for g in torch.autograd.grad(loss, (q, d))))
    narrow, exact = grads[torch.bfloat16], grads[torch.float64]
    torch.testing.assert_close(narrow[0], exact[0], rtol=0, atol=1e-3)
    for a, b in zip(narrow[1:], exact[1:], strict=True):
        assert F.cosine_similarity(a.flatten(), b.flatten(), dim=0) > 0.999


@pytest.mark.usefixtures("either_arithmetic")
def test_rounded_ties_go_to_the_better_token_and_collapsed_states_cost_no_more() -> None:
    query = torch.zeros(1, 1, 64, dtype=torch.bfloat16)
    query[..., :2] = 1
    document = torch.zeros(1, 300, 64, dtype=torch.bfloat16)
    document[..., 0] = 1  # every product is 1 ...
    document[0, 2, 1] = 2**-9  # ... and this one 1 + 2^-9, which bf16 rounds to 1
    document.requires_grad_()
    for normalize in (False, True):
        document.grad = None
        with LiveBytes() as counted:
            maxsim(query, document, normalize=normalize).sum().backward()
        assert document.grad[0].float().abs().sum(dim=1).nonzero().flatten().tolist() == [2]
        assert counted.peak < 6 * document.nbytes


@pytest.mark.usefixtures("either_arithmetic")
def test_a_tie_of_fp16_products_that_overflow_apart_stays_within_its_document() -> None:
    """300 * 300 exceeds fp16, and 300 * 300 - 300 * 300 + 1 does not."""
    query = torch.tensor([[300.0, 300.0, 1.0]], dtype=torch.float16)
    document = torch.tensor([[300.0, -300.0, 1.0], [300.0, -300.0, 1.0], [0.0, 0.0, 0.0]], dtype=torch.float16)
    sides = [query.requires_grad_(), document.requires_grad_(), torch.zeros_like(document).requires_grad_()]
    scores = maxsim(sides[:1], sides[1:])
    assert scores.tolist() == [[1.0, 0.0]]
    scores[0, 0].backward()
    assert sides[0].grad.tolist() == document[:1].tolist()
    assert sides[1].grad.tolist() == [*query.tolist(), [0.0] * 3, [0.0] * 3] and not sides[2].grad.any()


def test_second_derivatives_are_refused() -> None:
    q = torch.randn(1, 2, 4, requires_grad=True)
    (grad,) = torch.autograd.grad(maxsim(q, torch.randn(1, 2, 4)).sum() ** 2, q, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        grad.sum().backward()


def test_live_bytes_counts() -> None:
    with LiveBytes() as counted:
        a = torch.ones(100)
        b = a + a
        del a
        b = b + 1
    assert (counted.peak, counted.live) == (800, 400)
    del b
    assert counted.live == 0


def test_memory_is_a_small_part_of_the_dense_form() -> None:
    queries, documents = torch.randn(4, 32, 8), torch.randn(8, 512, 8)
    dense = 4 * 32 * 8 * 512 * 4  # bytes of the similarity matrix alone; dense autograd holds it several times
    gradients = (queries.numel() + documents.numel()) * 4
    q, d = queries.requires_grad_(), documents.requires_grad_()
    with LiveBytes() as forward:
        scores = maxsim(q, d, block_bytes=dense // 64)
    assert forward.peak < dense / 20
    assert forward.live < dense / 50  # winners and scores outlive the forward, similarities do not
    with LiveBytes() as backward:
        scores.sum().backward()
    assert backward.peak < gradients + dense / 10


def test_without_gradients_nothing_outlives_the_scores() -> None:
    with torch.no_grad(), LiveBytes() as counted:
        scores = maxsim(torch.randn(4, 32, 8), torch.randn(8, 512, 8))
    assert counted.live == scores.numel() * 4
