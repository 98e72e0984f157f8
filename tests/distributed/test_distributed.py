"""Two processes on gloo against one: the same scores, the same gradients."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

from smart_train import distributed
from smart_train.errors import ScoreError
from smart_train.losses import ContrastiveObjective
from smart_train.scoring import ScoringConfig, across_ranks, score_parts
from smart_train.scoring.across_ranks import Meeting, score_parts_across_ranks
from smart_train.scoring.checks import Checks
from smart_train.scoring.embeddings import Embeddings
from smart_train.scoring.hybrid import unchecked_score_parts
from smart_train.training.step import contrastive_loss
from tests.ranks import start_ranks

WIDTH = 12
# (queries, documents) per rank: equal, unequal, and a rank that has nothing to ask.
SHARES = {
    "equal": [(3, 3), (3, 3)],
    "unequal": [(4, 5), (1, 2)],
    "no queries on one": [(3, 3), (0, 2)],
    "no documents on one": [(2, 4), (2, 0)],
}
TERMS: dict[str, dict[str, Any]] = {
    "pooled": {"late": False},
    "late": {"pooled": False},
    "both": {},
    "winners found by float16": {"products": "float16"},
}


def inputs(share: str) -> tuple[list[Tensor], list[Tensor], list[int], list[int]]:
    """Raw query and document items of the whole batch, ragged, and which rank holds each."""
    generator = torch.Generator().manual_seed(7)
    queries, documents, query_ranks, document_ranks = [], [], [], []
    for rank, (q, n) in enumerate(SHARES[share]):
        queries += [torch.randn(2 + (5 * i + rank) % 4, WIDTH, generator=generator) for i in range(q)]
        documents += [torch.randn(3 + (3 * i + rank) % 7, WIDTH, generator=generator) for i in range(n)]
        query_ranks += [rank] * q
        document_ranks += [rank] * n
    return queries, documents, query_ranks, document_ranks


def encode(weight: Tensor, items: list[Tensor]) -> Embeddings:
    """A stand-in for the model: one shared parameter, pooled = the last token."""
    states = [F.normalize(item @ weight, dim=1) for item in items]
    if not states:
        return Embeddings(weight[:0], weight[:0], torch.zeros(1, dtype=torch.int64))
    return Embeddings(torch.stack([item[-1] for item in states]), states)


def mean_loss(parts: list[Tensor], positive: Tensor) -> Tensor:
    if not len(positive):
        return sum(part.sum() for part in parts) * 0
    return sum(F.cross_entropy(part / 0.05, positive) for part in parts)


def single_process(share: str, terms: str) -> tuple[list[Tensor], Tensor, Tensor]:
    queries, documents, _, _ = inputs(share)
    weight = torch.eye(WIDTH).add_(0.1).requires_grad_()
    checks = Checks()
    scores = unchecked_score_parts(encode(weight, queries), encode(weight, documents), checks, **TERMS[terms])
    checks.read()
    parts = [part for part in scores if part is not None]
    loss = mean_loss(parts, torch.arange(len(queries)) % len(documents))
    loss.backward()
    return [p.detach() for p in parts], loss.detach(), weight.grad


def one_rank(rank: int, folder: Path) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2)
    results = {}
    for share in SHARES:
        queries, documents, query_ranks, document_ranks = inputs(share)
        mine = [i for i, owner in enumerate(query_ranks) if owner == rank]
        local = [item for item, owner in zip(documents, document_ranks, strict=True) if owner == rank]
        for terms in TERMS:
            weight = torch.eye(WIDTH).add_(0.1).requires_grad_()
            sides = encode(weight, [queries[i] for i in mine]), encode(weight, local)
            meeting, checks = Meeting.of(*sides), Checks()
            keys = [torch.tensor(mine, dtype=torch.int64)[:, None], sides[1].lengths[:, None]]
            met = meeting.scores(*sides, *keys, checks, **TERMS[terms])
            checks.read()
            parts = [part for part in met.scores if part is not None]
            positive = torch.tensor(mine, dtype=torch.int64) % len(documents)
            loss = mean_loss(parts, positive) * meeting.weight
            loss.backward()
            dist.all_reduce(weight.grad, op=dist.ReduceOp.SUM)
            results[share, terms] = ([p.detach() for p in parts], loss.detach(), weight.grad / 2)
        results[share, "keys"] = (met.query_keys.flatten(), met.document_keys.flatten(), meeting.start)
    results["collectives"] = collectives_of_a_step()
    results["objects"] = distributed.gather_objects({"rank": rank})
    results["from main"] = from_main()
    results["names"] = (distributed.rank(), distributed.world_size(), distributed.is_main())
    results["widths"] = mismatch(torch.ones(2, 4 + rank))
    results["dtypes"] = mismatch(torch.ones(2, 4, dtype=(torch.float16, torch.bfloat16)[rank]))
    queries, documents = eight_bit()
    own = slice(rank, None, 2)
    results["int8"] = tuple(score_parts_across_ranks(queries[own], documents[own]))
    torch.save(results, folder / f"rank{rank}.pt")
    distributed.barrier()
    dist.destroy_process_group()


def from_main() -> tuple[Any, str]:
    """What the main rank alone found, and what it refused; nothing is gathered from the others."""

    def refuse() -> None:
        raise ScoreError(f"rank {distributed.rank()} refuses")

    with pytest.MonkeyPatch.context() as patch:
        patch.delattr(dist, "all_gather_object")
        found = distributed.on_main(lambda: {"rank": distributed.rank(), "rows": [1, 2]})
        with pytest.raises(ScoreError) as caught:
            distributed.on_main(refuse)
    return found, str(caught.value)


def collectives_of_a_step() -> dict[str, list[str]]:
    """The collectives of a loss, of its backward, and those of them whose result is read as numbers."""
    called: list[str] = []
    read: list[str] = []

    def noting(into: list[str], name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args, **kwargs: (into.append(name), function(*args, **kwargs))[1]

    queries, documents, _, _ = inputs("equal")
    weight = torch.eye(WIDTH).add_(0.1).requires_grad_()
    sides = encode(weight, queries[:3]), encode(weight, documents[:3])
    objective = ContrastiveObjective(
        "joint", scoring=ScoringConfig(), temperatures=dict.fromkeys(("pooled", "late"), 0.5)
    )
    places = torch.arange(3)
    names = ("positive", "query_keys", "document_keys", "document_contents", "owner")
    batch = {**dict.fromkeys(names, places), "rows": ["a", "b", "c"]}
    with pytest.MonkeyPatch.context() as patch:
        for name in dir(dist):
            if name.startswith(("all_", "broadcast", "gather", "reduce", "barrier", "scatter")):
                patch.setattr(dist, name, noting(called, name, getattr(dist, name)))
        patch.setattr(across_ranks, "gather_numbers", noting(read, "gather_numbers", across_ranks.gather_numbers))
        loss = contrastive_loss(objective, *sides, batch).total
        forward, called[:] = list(called), []
        loss.backward()
    return {"forward": forward, "backward": called, "read": read}


def eight_bit() -> tuple[Embeddings, Embeddings]:
    """All ranks' queries and documents, token states in 8 bits with states of very different length."""
    queries, documents, _, _ = inputs("equal")
    sides = (encode(torch.eye(WIDTH), items) for items in (queries, documents))
    return tuple(
        Embeddings(side.pooled, side.packed * torch.arange(1, len(side.packed) + 1)[:, None], side.offsets).quantize(
            "int8"
        )
        for side in sides
    )


def mismatch(states: Tensor) -> str:
    """Ranks whose states differ in kind must all fail, not hang, nor read one kind's bytes as the other's."""
    item = Embeddings(states[:1], [states])
    with pytest.raises(ScoreError) as caught:
        score_parts_across_ranks(item, item)
    return str(caught.value)


@pytest.fixture(scope="module")
def two_ranks(tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    folder = tmp_path_factory.mktemp("ranks")
    start_ranks(one_rank, folder)
    return [torch.load(folder / f"rank{rank}.pt") for rank in range(2)]


@pytest.mark.dist
@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("terms", TERMS)
def test_two_ranks_equal_one_process(two_ranks: list[dict], share: str, terms: str) -> None:
    parts, loss, gradient = single_process(share, terms)
    found = [two_ranks[rank][share, terms] for rank in range(2)]
    for place, part in enumerate(parts):
        rows = torch.cat([scores[place] for scores, _, _ in found])
        torch.testing.assert_close(rows, part, rtol=0, atol=1e-6)
    torch.testing.assert_close(sum(rank_loss for _, rank_loss, _ in found) / 2, loss, rtol=0, atol=1e-5)
    for _, _, rank_gradient in found:
        scale = gradient.abs().max()
        torch.testing.assert_close(rank_gradient / scale, gradient / scale, rtol=0, atol=1e-6)


@pytest.mark.dist
def test_keys_come_in_rank_order_with_this_ranks_place(two_ranks: list[dict]) -> None:
    for rank in range(2):
        asked, found, start = two_ranks[rank]["unequal", "keys"]
        assert asked.tolist() == [0, 1, 2, 3, 4]
        assert found.tolist() == [len(document) for document in inputs("unequal")[1]]
        assert start == (0, 5)[rank]
        assert two_ranks[rank]["objects"] == [{"rank": 0}, {"rank": 1}]
        assert two_ranks[rank]["names"] == (rank, 2, rank == 0)


@pytest.mark.dist
def test_8_bit_tokens_travel_with_their_scales(two_ranks: list[dict]) -> None:
    queries, documents = eight_bit()
    columns = [*range(0, len(documents), 2), *range(1, len(documents), 2)]
    expected = score_parts(queries, documents)
    for rank in range(2):
        for found, whole in zip(two_ranks[rank]["int8"], expected, strict=True):
            torch.testing.assert_close(found, whole[rank::2][:, columns])


@pytest.mark.dist
def test_states_that_differ_in_kind_between_ranks_fail_on_every_rank(two_ranks: list[dict]) -> None:
    for found in two_ranks:
        assert "token states 4 wide, torch.float32; rank 1: pooled vectors 5 wide, torch.float32" in found["widths"]
        assert "4 wide, torch.float16; rank 1: pooled vectors 4 wide, torch.bfloat16" in found["dtypes"]


@pytest.mark.dist
def test_the_main_rank_tells_the_others_what_it_found_or_refused(two_ranks: list[dict]) -> None:
    for found in two_ranks:
        assert found["from main"] == ({"rank": 0, "rows": [1, 2]}, "rank 0 refuses")


@pytest.mark.dist
def test_a_step_has_three_collectives_of_which_one_is_read(two_ranks: list[dict]) -> None:
    for found in two_ranks:
        gathered = "all_gather_into_tensor"
        assert found["collectives"] == {
            "forward": [gathered, gathered, "all_to_all_single"],  # counts; queries and keys; scores
            "backward": ["all_to_all_single"] * 2,
            "read": ["gather_numbers"],
        }


def test_one_process_is_a_world_of_one() -> None:
    assert (distributed.rank(), distributed.world_size(), distributed.is_main()) == (0, 1, True)
    assert distributed.gather_objects("x") == ["x"]
    distributed.barrier()
    item = Embeddings(torch.ones(1, 2), [torch.ones(3, 2)])
    meeting = Meeting.of(item[:0], item)
    assert (meeting.start, meeting.weight) == (0, 1.0)
    assert score_parts_across_ranks(item, item, pooled=False).pooled is None
