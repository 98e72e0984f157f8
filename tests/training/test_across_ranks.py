"""Two processes that train together take the steps of one process with both their batches: under every engine, plain or
cached. Weights after steps of plain gradient descent are compared: engines hide gradients, and these hold them all."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import Tensor

from smart_train.data import PairCollator
from smart_train.distributed import on_main
from smart_train.errors import DataError
from smart_train.models import SmartModel
from smart_train.training import GradientCaching, SmartTrainer, engines
from smart_train.training.grad_cache import average_gradients
from smart_train.training.state_cache import Inputs, StateCache
from smart_train.types import Example, ModelInput
from tests.ranks import free_port, join_a_launch, start_ranks
from tests.runs import skip_without_engine
from tests.training.batches import TWO_PLAIN_STEPS, example, tiny, training_module

ROWS_PER_STEP = 4
# way of training, objective, caching, batches accumulated. Documents differ in kind, so that some chunks have no image
# and leave the vision tower without a gradient.
CASES: dict[str, tuple[str, str, GradientCaching | None, int]] = {
    "plain": ("lora", "joint", None, 1),
    "plain, a vision tower that some ranks do not use": ("full", "late", None, 1),
    "plain, accumulated": ("full", "pooled", None, 2),
    "cached": ("full", "joint", GradientCaching(mini_batch_size=1), 1),
    "cached, accumulated": ("lora", "hybrid", GradientCaching(mini_batch_tokens=60), 2),
    "cached, projection": ("projection", "late", GradientCaching(mini_batch_size=1), 1),
    "apart": ("full", "joint", None, 1),
    "apart, accumulated": ("full", "joint", None, 2),
    "apart, cached": ("full", "late", GradientCaching(mini_batch_tokens=60), 1),
    "taught": ("full", "late", None, 1),
    "taught, cached": ("lora", "joint", GradientCaching(mini_batch_size=2), 1),
    "by itself, cached": ("lora", "joint", GradientCaching(mini_batch_size=2), 1),
    "states on disk": ("projection", "hybrid", None, 1),
    "states on disk, cached": ("projection", "late", GradientCaching(mini_batch_size=1), 1),
}
NEGATIVES = 2  # of each row of the cases that are taught: by a teacher's scores of them


# In the cases "apart", in this order: text for the first process and images for the second, then text alone. An engine
# must neither hang in the first step nor move the vision tower in the second.
# Accumulated, a step's first batches have images and its last ones have none.
APART = [0, 3, 1, 2, 6, 9, 12, 15]

# Four processes go on with what two began. ZeRO-1 saves and loads by the code of ZeRO-2; fewer processes than before:
# tests/training/test_zero_resharding.py.
FOUR_GO_ON = ("ddp", "zero2", "zero3", "fsdp2")

# What DeepSpeed leaves in main memory are the gradients that a step's last backward has reached.
OFFLOADED = ("apart", "apart, accumulated")


def trained(
    folder: Path, case: str, ranks: int, *, strategy: str = "auto", caching: bool = True
) -> tuple[dict[str, Tensor], float]:
    """The trained parameters after two steps of plain gradient descent, and the candidates that were logged.

    Args:
        caching: False: everything is computed where it is needed, whatever the case says.
    """
    mode, objective, cached, accumulation = CASES[case]
    torch.manual_seed(0)
    taught = case.startswith("taught")
    negatives = NEGATIVES if taught else 0
    module = training_module(
        tiny(mode),
        objective,
        caching=cached if caching else None,
        learn_temperature=True,
        taught=taught,
        self_taught=case.startswith("by itself"),
    )
    arguments = engines.arguments(
        strategy,
        {
            **TWO_PLAIN_STEPS,
            "output_dir": str(folder),
            "per_device_train_batch_size": ROWS_PER_STEP // ranks,
            "gradient_accumulation_steps": accumulation,
            "logging_steps": 1,
            "train_sampling_strategy": "sequential" if case.startswith("apart") else "random",
        },
    )
    order = range(2 * ROWS_PER_STEP * accumulation)
    if case.startswith("apart"):
        order = APART * accumulation
    rows = [example(index, negatives) for index in order]
    cache = states_on_disk(module.model, rows, folder) if caching and case.startswith("states") else None
    featurizer = module.model.family if cache is None else cache.reader(module.model.token_layers)
    collator = PairCollator(featurizer, negatives_per_query=negatives)
    trainer = SmartTrainer(module, arguments, examples=rows, collator=collator)
    calls: list[object] = []
    module.model.backbone.register_forward_pre_hook(lambda *_: calls.append(None))
    trainer.train()
    if case == "cached, projection" and caching:  # one row a chunk, two sides, two steps
        assert len(calls) == 2 * 2 * ROWS_PER_STEP // ranks, "a frozen backbone is called once for a chunk"
    if cache is not None:
        an_evaluation_reads_states(module.model, cache, rows, strategy)
    assert strategy in ("auto", trainer.strategy)
    open_to_training = {name for name, parameter in module.named_parameters() if parameter.requires_grad}
    with trainer.whole():
        weights = {name: p.detach().clone() for name, p in module.named_parameters() if name in open_to_training}
    return weights, trainer.state.log_history[0]["candidates"]


def states_on_disk(model: SmartModel, rows: list[Example], folder: Path) -> StateCache:
    """The states of what `rows` hold. The backbone may not be called any more after that."""
    base = folder / "base"
    on_main(lambda: None if base.is_dir() else model.save_pretrained(base))
    model.base = str(base)
    cache = StateCache(folder / "states", model, model.token_layers)
    sources = [
        Inputs("query", lambda: ((place, row.query) for place, row in enumerate(rows)), lambda at: rows[at].query),
        Inputs(
            "document",
            lambda: ((place, row.documents[0]) for place, row in enumerate(rows)),
            lambda at: rows[at].documents[0],
        ),
    ]
    cache.fill(model, sources, admit=lambda need: None, say=lambda line: None, batch_size=4, show_progress_bar=False)

    def refuse(*_: object) -> None:
        raise AssertionError("the frozen backbone was called")

    model.backbone.register_forward_pre_hook(refuse)
    return cache


def an_evaluation_reads_states(model: SmartModel, cache: StateCache, rows: list[Example], strategy: str) -> None:
    """Also where the model lies in shards. What is not known there is an error, on the rank that met it, before any
    rank waits for another."""
    model.known_states = cache
    found = model.encode_document([row.documents[0] for row in rows], batch_size=3, show_progress_bar=False)
    assert found.packed.isfinite().all() and len(found) == len(rows)
    if strategy in engines.SHARDED:
        with pytest.raises(DataError, match="a document has changed since its states were encoded, at the start"):
            model.encode_document(ModelInput("another text"))


def three_steps(
    run: Path, ranks: int, strategy: str = "auto", *, resume: Path | None = None, decay: float | None = None
) -> dict[str, Tensor]:
    """The trained parameters after three steps of Adam, whose state is what an engine shards, or after what is left of
    them from the checkpoint `resume` on. Every step is saved in `run`. `decay`: of an average, which is then returned.
    """
    torch.manual_seed(0)
    module = training_module(tiny("lora"), "joint", learn_temperature=True)
    changes = {
        "output_dir": str(run),
        "per_device_train_batch_size": ROWS_PER_STEP // ranks,
        "max_steps": 3,
        "optim": "adamw_torch",
        "adam_epsilon": 1e-3,  # a gradient of nearly nothing would move a weight by rounding alone
        "learning_rate": 0.01,
        "save_strategy": "steps",
        "save_steps": 1,
    }
    arguments = engines.arguments(strategy, {**TWO_PLAIN_STEPS, **changes})
    rows = [example(index) for index in range(3 * ROWS_PER_STEP)]
    trainer = SmartTrainer(
        module, arguments, examples=rows, collator=PairCollator(module.model.family), average_decay=decay
    )
    trainer.train(None if resume is None else str(resume))
    assert trainer.state.global_step == 3
    open_to_training = {name for name, parameter in module.named_parameters() if parameter.requires_grad}
    with trainer.whole():
        return {name: p.detach().clone() for name, p in module.named_parameters() if name in open_to_training}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Tensor]]:
    """What one process trains, by case: all engines are compared with it."""
    folder = tmp_path_factory.mktemp("alone")
    weights = {case: trained(folder, case, ranks=1, caching=False)[0] for case in CASES}
    return {**weights, "Adam": three_steps(folder, 1)}


def one_rank(rank: int, folder: Path, port: int, strategy: str) -> None:
    join_a_launch(rank, 2, port)
    partition_everything()
    results = {case: trained(folder / "run", case, ranks=2, strategy=strategy) for case in CASES}
    results["one sided"] = one_sided(rank)
    if strategy.startswith("zero"):
        from deepspeed.comm import comm

        assert comm.cdb.shm_comm_op is None, "an operator was compiled that training never calls"
    results["unbroken"] = three_steps(folder / "adam", 2, strategy)
    results["resumed"] = three_steps(folder / "adam", 2, strategy, resume=folder / "adam" / "checkpoint-2")
    torch.save(results, folder / f"rank{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()


def one_who_offloads(rank: int, folder: Path, port: int, strategy: str) -> None:
    join_a_launch(rank, 2, port)
    offload_the_optimiser()
    results = {case: trained(folder / "run", case, ranks=2, strategy=strategy) for case in OFFLOADED}
    results["Adam"] = three_steps(folder / "adam", 2, strategy), 0.0
    torch.save(results, folder / f"rank{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()


def one_who_goes_on(
    rank: int, ranks: int, folder: Path, port: int, strategy: str, resume: Path, offload: bool = False
) -> None:
    """What another number of processes began, with parameters that ZeRO-3 leaves whole, as it does by default."""
    join_a_launch(rank, ranks, port)
    if offload:
        offload_the_optimiser()
    torch.save(
        three_steps(folder / f"by-{ranks}", ranks, strategy, resume=resume), folder / f"rank{rank}-of-{ranks}.pt"
    )
    dist.barrier()
    dist.destroy_process_group()


def partition_everything() -> None:
    """ZeRO-3 leaves small weights whole, and all of these are small."""
    _configure(3, {"stage3_param_persistence_threshold": 0})


def offload_the_optimiser() -> None:
    """As a launcher's configuration may ask for. ZeRO-3 then also divides the weights into groups of these sizes, more
    of them for two processes than for four."""
    _configure(2, {"offload_optimizer": {"device": "cpu"}})
    _configure(3, {"offload_optimizer": {"device": "cpu"}, "sub_group_size": 400})
    partition_everything()


def _configure(stage: int, changes: dict) -> None:
    usual = engines.deepspeed_config

    def changed(asked: int, *, overlap: bool) -> dict:
        config = usual(asked, overlap=overlap)
        config["zero_optimization"] |= changes if asked == stage else {}
        return config

    engines.deepspeed_config = changed


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


@pytest.mark.dist
@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["ddp", "zero1", "zero2", "zero3", "fsdp2"])
def test_two_ranks_train_as_one_process(tmp_path: Path, strategy: str, alone: dict[str, dict[str, Tensor]]) -> None:
    """One launch for all cases of an engine."""
    skip_without_engine(strategy)
    start_ranks(one_rank, tmp_path, free_port(), strategy)
    found = [torch.load(tmp_path / f"rank{rank}.pt") for rank in range(2)]
    # Where weights are sharded, the main rank alone gets them whole.
    whole = found[:1] if strategy in ("zero3", "fsdp2") else found
    for case in CASES:
        assert any("log_scales" in name for name in alone[case])
        for results in whole:
            weights, candidates = results[case]
            assert case.startswith("taught") or candidates == ROWS_PER_STEP, case
            assert_same_weights(weights, alone[case], case)
    gradients_are_averaged_wherever_a_rank_has_one([results["one sided"] for results in found])
    for results in whole:
        assert_same_weights(results["unbroken"], alone["Adam"], "Adam")
        assert_same_weights(results["resumed"], alone["Adam"], "Adam, resumed")
    if strategy in FOUR_GO_ON:
        saved = tmp_path / "adam" / "checkpoint-1"
        start_ranks(one_who_goes_on, 4, tmp_path, free_port(), strategy, saved, count=4)
        assert_same_weights(torch.load(tmp_path / "rank0-of-4.pt"), alone["Adam"], "Adam, resumed by 4")


@pytest.mark.dist
@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["zero2", "zero3"])
def test_an_optimiser_in_main_memory_takes_the_same_steps(
    tmp_path: Path, strategy: str, alone: dict[str, dict[str, Tensor]]
) -> None:
    """Also where batches do not reach the vision tower, and where four processes go on with what two began."""
    skip_without_engine(strategy)
    start_ranks(one_who_offloads, tmp_path, free_port(), strategy)
    for case, (weights, _) in torch.load(tmp_path / "rank0.pt").items():
        assert_same_weights(weights, alone[case], case)
    saved = tmp_path / "adam" / "checkpoint-1"
    start_ranks(one_who_goes_on, 4, tmp_path, free_port(), strategy, saved, True, count=4)
    assert_same_weights(torch.load(tmp_path / "rank0-of-4.pt"), alone["Adam"], "Adam, resumed by 4")


@pytest.mark.dist
@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["ddp", "zero1", "zero2"])
def test_two_ranks_average_as_one_process(tmp_path: Path, strategy: str) -> None:
    """Each rank on its own, of weights that are equal; and from a checkpoint on."""
    skip_without_engine(strategy)
    expected = three_steps(tmp_path / "alone", 1, decay=0.5)
    start_ranks(one_who_averages, tmp_path, free_port(), strategy)
    one, other = (torch.load(tmp_path / f"rank{rank}.pt") for rank in range(2))
    for case, weights in one.items():
        assert_same_weights(weights, expected, case)
        assert all(torch.equal(weight, other[case][name]) for name, weight in weights.items()), case


def one_who_averages(rank: int, folder: Path, port: int, strategy: str) -> None:
    join_a_launch(rank, 2, port)
    run = folder / "averaged"
    unbroken = three_steps(run, 2, strategy, decay=0.5)
    resumed = three_steps(run, 2, strategy, decay=0.5, resume=run / "checkpoint-2")
    torch.save({"unbroken": unbroken, "resumed": resumed}, folder / f"rank{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()


def assert_same_weights(found: dict[str, Tensor], expected: dict[str, Tensor], case: str) -> None:
    """To ten times what the order of additions was measured to change, 5e-7 with the instructions that change most."""
    assert found.keys() == expected.keys()
    for name, weight in expected.items():
        torch.testing.assert_close(
            found[name], weight, rtol=0, atol=5e-6, msg=lambda text, at=f"{case}, {name}": f"{at}: {text}"
        )


def gradients_are_averaged_wherever_a_rank_has_one(results: list[dict]) -> None:
    for found in results:
        assert found["both"].tolist() == [1.5] * 3
        assert found["mine"].tolist() == [2.0] * 3
        assert found["nobodys"] is None
        assert found["half"].tolist() == [1.0] * 2 and found["half"].dtype == torch.bfloat16
