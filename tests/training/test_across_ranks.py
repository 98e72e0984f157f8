"""Two processes that train together take the steps of one process with both their batches, plain or cached."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor
from transformers import TrainingArguments

from smart_train.data import PairCollator
from smart_train.training import GradientCaching, SmartTrainer
from smart_train.training.grad_cache import average_gradients
from tests.training.batches import example, tiny, training_module

ROWS_PER_STEP = 4
# way of training, objective, caching, batches accumulated. Documents differ in kind, so that some chunks have no image
# and leave the vision tower without a gradient.
CASES: dict[str, tuple[str, str, GradientCaching | None, int]] = {
    "plain": ("lora", "joint", None, 1),
    "plain, a vision tower that some ranks do not use": ("full", "late", None, 1),
    "cached": ("full", "joint", GradientCaching(mini_batch_size=1), 1),
    "cached, accumulated": ("lora", "hybrid", GradientCaching(mini_batch_tokens=60), 2),
    "cached, projection": ("projection", "late", GradientCaching(mini_batch_size=1), 1),
    "taught": ("full", "late", None, 1),
    "taught, cached": ("lora", "joint", GradientCaching(mini_batch_size=2), 1),
}
NEGATIVES = 2  # of each row of the cases that are taught: by a teacher's scores of them


def trained(folder: Path, case: str, ranks: int, *, caching: bool = True) -> dict[str, Tensor]:
    """The trained parameters after two steps of plain gradient descent."""
    mode, objective, cached, accumulation = CASES[case]
    torch.manual_seed(0)
    taught = case.startswith("taught")
    negatives = NEGATIVES if taught else 0
    module = training_module(
        tiny(mode), objective, caching=cached if caching else None, learn_temperature=True, taught=taught
    )
    arguments = TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=ROWS_PER_STEP // ranks,
        gradient_accumulation_steps=accumulation,
        max_steps=2,
        optim="sgd",
        learning_rate=0.1,
        max_grad_norm=0.0,
        use_cpu=True,
        remove_unused_columns=False,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )
    rows = [example(index, negatives) for index in range(2 * ROWS_PER_STEP * accumulation)]
    collator = PairCollator(module.model.family, negatives_per_query=negatives)
    SmartTrainer(module, arguments, examples=rows, collator=collator).train()
    return {name: p.detach() for name, p in module.named_parameters() if p.requires_grad}


def one_rank(rank: int, folder: Path, port: int) -> None:
    os.environ.update(
        RANK=str(rank),
        LOCAL_RANK=str(rank),
        WORLD_SIZE="2",
        MASTER_ADDR="127.0.0.1",
        MASTER_PORT=str(port),
        ACCELERATE_USE_CPU="true",
    )
    torch.set_num_threads(1)
    results = {case: trained(folder / "run", case, ranks=2) for case in CASES}
    results["one sided"] = one_sided(rank)
    torch.save(results, folder / f"rank{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()


def one_sided(rank: int) -> dict[str, Tensor | None]:
    """Gradients of parameters that both ranks, one rank, or none of them used."""
    both, mine, nobodys = (torch.nn.Parameter(torch.ones(3, dtype=dtype)) for dtype in (torch.float32,) * 3)
    half = torch.nn.Parameter(torch.ones(2, dtype=torch.bfloat16))
    both.grad = torch.full((3,), 1.0 + rank)
    half.grad = torch.full((2,), 2.0 * rank, dtype=torch.bfloat16)
    if rank == 1:
        mine.grad = torch.full((3,), 4.0)
    average_gradients([both, mine, nobodys, half])
    return {"both": both.grad, "mine": mine.grad, "nobodys": nobodys.grad, "half": half.grad}


@pytest.fixture(scope="module")
def two_ranks(tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    folder = tmp_path_factory.mktemp("ranks")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    mp.spawn(one_rank, args=(folder, port), nprocs=2)
    return [torch.load(folder / f"rank{rank}.pt") for rank in range(2)]


@pytest.mark.dist
@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_two_ranks_train_as_one_process(two_ranks: list[dict], tmp_path: Path, case: str) -> None:
    expected = trained(tmp_path, case, ranks=1, caching=False)
    assert any("log_scales" in name for name in expected)
    for rank in range(2):
        found = two_ranks[rank][case]
        assert found.keys() == expected.keys()
        for name, weight in expected.items():
            torch.testing.assert_close(
                found[name], weight, rtol=0, atol=1e-6, msg=lambda text, at=name: f"{at}: {text}"
            )


@pytest.mark.dist
@pytest.mark.slow
def test_gradients_are_averaged_wherever_a_rank_has_one(two_ranks: list[dict]) -> None:
    for rank in range(2):
        found = two_ranks[rank]["one sided"]
        assert found["both"].tolist() == [1.5] * 3
        assert found["mine"].tolist() == [2.0] * 3
        assert found["nobodys"] is None
        assert found["half"].tolist() == [1.0] * 2 and found["half"].dtype == torch.bfloat16
