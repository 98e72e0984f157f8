"""Two processes that share one device: scores and gradients of one process.

On a GPU they meet by gloo, which carries CUDA tensors through main memory; NCCL refuses two processes on one device.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.distributed as dist

from smart_train import distributed
from smart_train.scoring.across_ranks import Meeting
from smart_train.scoring.checks import Checks
from smart_train.scoring.embeddings import Embeddings
from tests.distributed.test_distributed import WIDTH, encode, inputs, mean_loss, single_process
from tests.ranks import start_ranks

SHARE = "unequal"


def one_rank(rank: int, folder: Path, device: str) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2)
    torch.set_num_threads(1)
    queries, documents, query_ranks, document_ranks = inputs(SHARE)
    mine = [i for i, owner in enumerate(query_ranks) if owner == rank]
    local = [i for i, owner in enumerate(document_ranks) if owner == rank]
    weight = torch.eye(WIDTH).add_(0.1).to(device).requires_grad_()
    sides: list[Embeddings] = [
        encode(weight, [items[i].to(device) for i in chosen]) for items, chosen in ((queries, mine), (documents, local))
    ]
    meeting, checks = Meeting.of(*sides), Checks()
    met = meeting.scores(*sides, torch.tensor(mine, device=device)[:, None], sides[1].lengths[:, None], checks)
    checks.read()
    parts = list(met.scores)
    positive = torch.tensor(mine, device=device) % len(documents)
    (mean_loss(parts, positive) * meeting.weight).backward()
    gradient = weight.grad.cpu()
    dist.all_reduce(gradient)
    keys = met.query_keys.flatten().tolist()
    found = ([part.detach().cpu() for part in parts], gradient / 2, keys, meeting.start)
    torch.save(found, folder / f"rank{rank}.pt")
    distributed.barrier()
    dist.destroy_process_group()


@pytest.mark.dist
def test_two_processes_on_one_device_equal_one(device: str, tmp_path: Path) -> None:
    start_ranks(one_rank, tmp_path, device)
    expected, _, gradient = single_process(SHARE, "both")
    found = [torch.load(tmp_path / f"rank{rank}.pt") for rank in range(2)]
    for place, part in enumerate(expected):
        rows = torch.cat([parts[place] for parts, *_ in found])
        torch.testing.assert_close(rows, part, rtol=0, atol=1e-5)
    for rank, (_, summed, keys, start) in enumerate(found):
        torch.testing.assert_close(summed, gradient, rtol=1e-4, atol=1e-5)
        assert keys == [0, 1, 2, 3, 4] and start == (0, 5)[rank]
