"""Gradient caching is the plain step: the same loss, the same gradients, the same random numbers, less memory."""

from __future__ import annotations

import copy
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor
from transformers import TrainingArguments

from smart_train.data import PairCollator
from smart_train.errors import ModelError, RunError
from smart_train.losses import OBJECTIVES
from smart_train.models import in_step
from smart_train.models.slicing import IMAGE_COUNTS, select_rows
from smart_train.scoring.embeddings import Embeddings
from smart_train.training import GradientCaching, SmartTrainer, TrainingModule, grad_cache
from smart_train.training.grad_cache import HostFeatures
from smart_train.training.step import contrastive_loss
from smart_train.types import LossOutput
from tests.training.batches import TWO_PLAIN_STEPS, batch, document, example, tiny, training_module

UNEVEN = GradientCaching(mini_batch_size=3)  # 7 rows: 3, 3 and 1


def gradients(module: TrainingModule) -> dict[str, Tensor]:
    found = {name: p.grad.clone() for name, p in module.named_parameters() if p.grad is not None}
    module.zero_grad()
    return found


def step(module: TrainingModule, inputs: dict, seed: int = 5) -> tuple[Tensor, dict[str, Tensor]]:
    """Loss and gradients of the module's own forward."""
    torch.manual_seed(seed)
    loss = module(inputs).total
    loss.backward()
    return loss.detach(), gradients(module)


def chunks_with_graphs(module: TrainingModule, inputs: dict, seed: int = 5) -> tuple[Tensor, dict[str, Tensor]]:
    """The plain step on the cached step's chunks: dropout draws the same numbers, every graph is kept to the end."""
    torch.manual_seed(seed)
    loss = chunks_with_graphs_loss(module, inputs).total
    loss.backward()
    return loss.detach(), gradients(module)


def chunks_with_graphs_loss(module: TrainingModule, inputs: dict) -> LossOutput:
    sides = []
    for features in (inputs["query"], inputs["document"]):
        chunks = module.caching.chunks(features["attention_mask"].sum(1).tolist())
        parts = [
            module.model.embed(select_rows(features, chunk, module.model.family.visual_fields)) for chunk in chunks
        ]
        order = torch.tensor([row for chunk in chunks for row in chunk])
        sides.append(Embeddings.concatenate(parts)[order.argsort()])
    return contrastive_loss(module.objective, *sides, inputs)


def assert_same(found: tuple, expected: tuple, tolerance: float = 1e-6, *, same_chunks: bool = False) -> None:
    """Loss and every gradient to `tolerance`, relative to the loss and to the largest gradient. A whole batch and
    chunks multiply matrices of other shapes and so round differently: by 2e-6 of the largest gradient, measured with
    two kinds of arithmetic, and 1e-5 is allowed there."""
    torch.testing.assert_close(found[0], expected[0], rtol=tolerance, atol=tolerance)
    assert found[1].keys() == expected[1].keys() and expected[1]
    largest = max(gradient.abs().max() for gradient in expected[1].values())
    bound = tolerance * largest * (1 if same_chunks else 10)
    for name, gradient in expected[1].items():
        error = (found[1][name] - gradient).abs().max()
        assert error <= bound, f"{name}: {error:.1e}, largest {largest:.1e}"


@pytest.mark.parametrize(
    ("mode", "objective"),
    # A projection does not touch the pooled vector: nothing would be trained.
    [pair for pair in product(["lora", "full", "projection"], OBJECTIVES) if pair != ("projection", "pooled")],
)
def test_cached_equals_plain(mode: str, objective: str) -> None:
    model = tiny(mode)
    inputs = batch(model, 7)
    plain = step(training_module(model, objective), inputs)
    assert_same(step(training_module(model, objective, caching=UNEVEN), inputs), plain)


@pytest.mark.parametrize(("mode", "objective"), [("lora", "joint"), ("projection", "hybrid")])
def test_cached_equals_plain_where_a_model_teaches_itself(mode: str, objective: str) -> None:
    model = tiny(mode)
    inputs = batch(model, 7)
    plain = step(training_module(model, objective, self_taught=True), inputs)
    assert_same(step(training_module(model, objective, self_taught=True, caching=UNEVEN), inputs), plain)
    assert plain[0] > step(training_module(model, objective), inputs)[0]


@pytest.mark.parametrize("products", ["bfloat16", "float16"])
def test_cached_equals_plain_where_rounded_states_find_the_winners(products: str) -> None:
    model = tiny("lora")
    inputs = batch(model, 7)
    plain = step(training_module(model, "joint", products=products), inputs)
    assert_same(step(training_module(model, "joint", products=products, caching=UNEVEN), inputs), plain)
    assert_same(plain, step(training_module(model, "joint"), inputs), tolerance=1e-3)


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("mode", ["lora", "full", "projection"])
def test_cached_equals_plain_with_dropout(mode: str, checkpointing: bool) -> None:
    model = tiny(mode, dropout=0.2)
    module = training_module(model, "hybrid", caching=UNEVEN)
    if checkpointing:
        module.activation_checkpointing_enable()
    inputs = batch(model, 7)
    expected = chunks_with_graphs(module, inputs)
    after = torch.rand(())
    assert_same(step(module, inputs), expected, same_chunks=True)
    assert torch.rand(()) == after, "the replay moved the random numbers of what comes next"
    drawn = not torch.equal(step(module, inputs, seed=6)[0], expected[0])
    assert drawn == (mode != "projection"), "a frozen backbone draws no dropout, and others do"


def test_one_chunk_draws_what_the_plain_step_draws() -> None:
    model = tiny("lora", dropout=0.2)
    inputs = batch(model, 4)
    for side in ("query", "document"):
        inputs[side] = select_rows(inputs[side], longest_first(inputs[side]), model.family.visual_fields)
    plain = step(training_module(model, "joint"), inputs)
    assert_same(step(training_module(model, "joint", caching=GradientCaching(mini_batch_size=4)), inputs), plain)


def longest_first(features: dict[str, Tensor]) -> list[int]:
    return GradientCaching(mini_batch_size=len(features["input_ids"])).chunks(
        features["attention_mask"].sum(1).tolist()
    )[0]


def test_explicit_negatives() -> None:
    model = tiny("full")
    inputs = batch(model, 4, negatives=2)
    plain = step(training_module(model, "joint"), inputs)
    assert_same(step(training_module(model, "joint", caching=GradientCaching(5, None)), inputs), plain)


@pytest.mark.parametrize("objective", ["joint", "late"])
def test_a_teachers_scores(objective: str) -> None:
    model = tiny("full")
    inputs = batch(model, 4, negatives=2)
    plain = step(training_module(model, objective, taught=True), inputs)
    untaught = step(training_module(model, objective), inputs)
    assert (plain[0] - untaught[0]).abs() > 1e-3
    assert_same(step(training_module(model, objective, taught=True, caching=GradientCaching(5)), inputs), plain)


def test_by_tokens() -> None:
    model = tiny("full")
    inputs = batch(model, 7)
    caching = GradientCaching(mini_batch_tokens=70)
    lengths = inputs["document"]["attention_mask"].sum(1).tolist()
    assert len({len(chunk) for chunk in caching.chunks(lengths)}) > 1
    plain = step(training_module(model, "joint"), inputs)
    assert_same(step(training_module(model, "joint", caching=caching), inputs), plain)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_learned_temperature_gets_its_gradient(objective: str) -> None:
    model = tiny("lora")
    inputs = batch(model, 5)
    plain = step(training_module(model, objective, learn_temperature=True), inputs)
    assert any("log_scales" in name for name in plain[1])
    module = training_module(model, objective, learn_temperature=True, caching=UNEVEN)
    assert_same(step(module, inputs), plain)


def test_gradients_accumulate() -> None:
    model = tiny("full")
    first, second = batch(model, 3), batch(model, 5)
    results = []
    for caching in (None, GradientCaching(mini_batch_size=2)):
        module = training_module(model, "joint", caching=caching)
        losses = [module(inputs).total for inputs in (first, second)]
        (sum(losses) / 2).backward()
        results.append((sum(losses).detach(), gradients(module)))
    assert_same(results[1], results[0])


@pytest.mark.parametrize("backward_inside", [False, True])
def test_bf16_autocast_reaches_the_replay(backward_inside: bool) -> None:
    model = tiny("full", dropout=0.2)
    module = training_module(model, "joint", caching=UNEVEN)
    inputs = batch(model, 5)
    results = []
    for forward in (chunks_with_graphs_loss, TrainingModule.forward):
        torch.manual_seed(5)
        # Without the cache: one rounded copy of a weight for all chunks would also round the sum of their gradients.
        with torch.autocast("cpu", dtype=torch.bfloat16, cache_enabled=forward is TrainingModule.forward):
            loss = forward(module, inputs).total
            if backward_inside:
                loss.backward()
        if not backward_inside:
            loss.backward()
        results.append((loss.detach(), gradients(module)))
    assert_same(results[1], results[0], same_chunks=True)
    assert not torch.equal(results[0][0], step(module, inputs)[0]), "autocast changed nothing"


def test_forwards_for_other_ranks_sake_have_the_precision_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some kinds of attention take no fp32 at all."""
    model = tiny("full")
    model.in_step = True
    monkeypatch.setattr(in_step, "any_rank", lambda seen, device: seen)
    monkeypatch.setattr(grad_cache, "gather_objects", lambda own: [own, own + 2])
    found: list[bool] = []
    model.backbone.register_forward_pre_hook(lambda *_: found.append(torch.is_autocast_enabled("cpu")))
    module = training_module(model, "joint", caching=UNEVEN)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = module(batch(model, 4)).total
    loss.backward()
    assert found == [True] * 2 * 2 * (2 + 2), "of both sides, twice: two chunks, and two for company"


def test_no_graph_is_built_where_none_is_wanted() -> None:
    model = tiny("full")
    with torch.no_grad():
        loss = training_module(model, "joint", caching=UNEVEN)(batch(model, 4)).total
    assert not loss.requires_grad


def test_at_most_one_chunk_is_in_flight(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny("full")
    widths = []
    forward = model.forward

    def counting(features: dict[str, Tensor]) -> Embeddings:
        widths.append(tuple(features["attention_mask"].shape))
        assert features["attention_mask"].sum(1).max() == features["attention_mask"].shape[1], "padding was left in"
        return forward(features)

    monkeypatch.setattr(model, "forward", counting)
    inputs = batch(model, 7)
    loss = training_module(model, "joint", caching=UNEVEN)(inputs).total
    first = list(widths)
    assert [rows for rows, _ in first] == [3, 3, 1] * 2
    assert first[3][1] > first[5][1], "rows of like length belong together"
    loss.backward()
    assert sorted(widths[len(first) :]) == sorted(first)


# Chunks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [[0], [3], [0, 3], [5, 1, 2], [4], [0, 1, 2, 3, 4, 5, 6]])
def test_a_slice_equals_featurizing_its_rows(rows: list[int]) -> None:
    """Text alone (no pixels at all), one image, two images, mixed, reordered."""
    family = tiny("full").family
    items = [document(index) for index in range(7)]
    whole = family.featurize(items, "document")
    assert whole[IMAGE_COUNTS].tolist() == [0, 1, 1, 0, 2, 1, 0]
    found, expected = (
        select_rows(whole, rows, family.visual_fields),
        family.featurize([items[row] for row in rows], "document"),
    )
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name].dtype == value.dtype and torch.equal(found[name], value), name


def test_features_that_do_not_add_up_are_refused() -> None:
    family = tiny("full").family
    features = family.featurize([document(1), document(2)], "document")
    with pytest.raises(ModelError, match="image_grid_thw without image_counts"):
        select_rows(
            {name: value for name, value in features.items() if name != IMAGE_COUNTS}, [0], family.visual_fields
        )
    with pytest.raises(ModelError, match="3 images by image_counts, 2 by image_grid_thw"):
        select_rows({**features, IMAGE_COUNTS: torch.tensor([1, 2])}, [0], family.visual_fields)
    with pytest.raises(ModelError, match=r"features: strange \(5,\) is not divided by rows in a batch of 2"):
        select_rows({**features, "strange": torch.zeros(5)}, [0], family.visual_fields)


def test_chunks_hold_every_row_once_within_the_bounds() -> None:
    lengths = [4, 9, 1, 9, 30, 2, 2, 5]
    chunks = GradientCaching(mini_batch_size=3, mini_batch_tokens=18).chunks(lengths)
    assert chunks == [[4], [1, 3], [7, 0, 5], [6, 2]]
    assert GradientCaching(mini_batch_tokens=18).chunks(lengths)[2:] == [[7, 0, 5], [6, 2]]
    assert GradientCaching(mini_batch_size=100).chunks(lengths) == [[4, 1, 3, 7, 0, 5, 6, 2]]


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ({}, "gradient_caching: give mini_batch_size or mini_batch_tokens"),
        ({"mini_batch_size": 0}, "gradient_caching.mini_batch_size is 0; it must be at least 1"),
        ({"mini_batch_tokens": -1}, "gradient_caching.mini_batch_tokens is -1; it must be at least 1"),
    ],
)
def test_bounds_that_bound_nothing(bounds: dict, message: str) -> None:
    with pytest.raises(RunError, match=message):
        GradientCaching(**bounds)


# The Trainer ------------------------------------------------------------------------------------------------------


def trainer(folder: Path, module: TrainingModule, **arguments: object) -> SmartTrainer:
    defaults = {**TWO_PLAIN_STEPS, "output_dir": str(folder), "per_device_train_batch_size": 4}
    return SmartTrainer(
        module,
        TrainingArguments(**{**defaults, **arguments}),
        examples=[example(index) for index in range(8)],
        collator=PairCollator(module.model.family),
    )


@pytest.mark.parametrize("accumulation", [1, 2])
def test_the_trainer_takes_the_same_steps(tmp_path: Path, accumulation: int) -> None:
    start = tiny("lora")
    weights = []
    for caching in (None, UNEVEN):
        module = training_module(copy.deepcopy(start), "joint", caching=caching, learn_temperature=True)
        trainer(tmp_path, module, gradient_accumulation_steps=accumulation).train()
        weights.append({name: p.detach() for name, p in module.named_parameters() if p.requires_grad})
    initial = dict(start.named_parameters())
    moved = max((weights[0][f"model.{name}"] - p).abs().max() for name, p in initial.items() if p.requires_grad)
    assert moved > 1e-3
    for name, weight in weights[0].items():
        torch.testing.assert_close(weights[1][name], weight, rtol=0, atol=1e-6)


def test_features_wait_in_main_memory(tmp_path: Path) -> None:
    made = trainer(tmp_path, training_module(tiny("full"), "joint", caching=UNEVEN), dataloader_num_workers=1)
    inputs = next(iter(made.get_train_dataloader()))
    assert isinstance(inputs["document"], HostFeatures) and isinstance(inputs["query"], HostFeatures)
    moved = made._prepare_inputs(inputs)
    assert moved["document"] is inputs["document"]
    assert moved["positive"].device == made.args.device


def test_what_an_engine_cannot_cache_is_refused(tmp_path: Path) -> None:
    made = trainer(tmp_path, training_module(tiny("projection"), "late", caching=UNEVEN))
    made.strategy, made.args.fp16 = "fsdp2", True
    with pytest.raises(
        RunError, match=r"gradient_caching under fsdp2 cannot take training\.fp16: .* use training\.bf16"
    ):
        made._check_caching()
    made.strategy, made.args.fp16 = "zero2", False
    zero = {"zero_optimization": {"stage": 2, "offload_optimizer": {"device": "cpu"}}}
    made.accelerator = SimpleNamespace(state=SimpleNamespace(deepspeed_plugin=SimpleNamespace(deepspeed_config=zero)))
    with pytest.raises(RunError, match="under zero2 cannot take an optimiser offloaded to main memory"):
        made._check_caching()


def test_an_optimiser_that_steps_within_the_backward_is_refused(tmp_path: Path) -> None:
    made = trainer(tmp_path, training_module(tiny("projection"), "late", caching=UNEVEN))
    made.args.optim = "galore_adamw_layerwise"
    with pytest.raises(RunError, match="training.optim galore_adamw_layerwise updates weights during the backward"):
        made._check_caching()


def test_a_compiled_model_is_refused_rather_than_left_uncompiled(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="gradient_caching cannot take training.torch_compile: .* remove one of the two"):
        trainer(
            tmp_path,
            training_module(tiny("projection"), "late", caching=UNEVEN),
            torch_compile=True,
            torch_compile_backend="eager",
        )


@pytest.mark.cuda
def test_cuda_replays_its_own_random_numbers() -> None:
    model = tiny("lora", dropout=0.2).cuda()
    module = training_module(model, "joint", caching=UNEVEN).cuda()
    inputs = batch(model, 7)
    for side in ("query", "document"):
        inputs[side] = {name: value.cuda() for name, value in inputs[side].items()}
    assert_same(step(module, inputs), chunks_with_graphs(module, inputs), tolerance=1e-5, same_chunks=True)
