"""States of a frozen backbone, kept on disk: each input is encoded once, whatever is killed, damaged or changed."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from PIL import Image
from torch import Tensor

from smart_train import SmartModel
from smart_train.data import PairCollator
from smart_train.errors import DataError, RunError, ScoreError
from smart_train.models import TokenProjection
from smart_train.models.family import Role
from smart_train.models.stored_states import is_stored
from smart_train.training import GradientCaching, state_cache
from smart_train.training.state_cache import Inputs, Need, StateCache, state_key
from smart_train.training.state_shards import StateShards
from smart_train.types import Example, ModelInput
from smart_train.utils.locks import LOCK_NAME, only_one
from tests.damage import cut, flip
from tests.models.conftest import TINY
from tests.models.text_folders import encoder_folder
from tests.ranks import free_port, start_ranks
from tests.training.batches import example, training_module

ROWS = 4
OVERRIDES = {
    "text_config": {"hidden_size": 32, "intermediate_size": 48},
    "vision_config": {"hidden_size": 32, "intermediate_size": 48, "num_heads": 2, "out_hidden_size": 32},
}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    SmartModel.from_config(TINY, init_std=0.05, overrides=OVERRIDES).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def model(base: Path) -> SmartModel:
    """Not to be changed."""
    return projected(base)


def projected(base: Path, layers: Sequence[int] = (-1,), **options: Any) -> SmartModel:
    model = SmartModel.from_pretrained(base, **options)
    model.freeze_backbone()
    projection = TokenProjection(model.hidden_size, 16, layers=layers)
    projection.reset(0)
    model.add_projection(projection)
    return model


def rows() -> list[Example]:
    return [example(index, negatives=1) for index in range(ROWS)]


def inputs_of(examples: Sequence[Example]) -> list[Inputs]:
    items: dict[Role, list[ModelInput]] = {
        "query": [row.query for row in examples],
        "document": [document for row in examples for document in row.documents],
    }
    return [Inputs(role, lambda role=role: enumerate(items[role]), items[role].__getitem__) for role in items]


class Encoded:
    """How many inputs went through a backbone."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count, original = 0, SmartModel.read_states

        def counted(model: SmartModel, features: Any, layers: Any = None) -> Any:
            if not is_stored(features):
                self.count += len(features["input_ids"])
            return original(model, features, layers)

        monkeypatch.setattr(SmartModel, "read_states", counted)

    def taken(self) -> int:
        taken, self.count = self.count, 0
        return taken


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> Encoded:
    return Encoded(monkeypatch)


def fill(
    cache: StateCache, model: SmartModel, examples: Sequence[Example], admit: Callable[[Need], None] = lambda need: None
) -> list[str]:
    said: list[str] = []
    cache.fill(model, inputs_of(examples), admit=admit, say=said.append, batch_size=4, show_progress_bar=False)
    return said


def loss_and_gradients(
    model: SmartModel, cache: StateCache | None, caching: GradientCaching | None = None, *, autocast: bool = False
) -> tuple[Tensor, dict[str, Tensor]]:
    featurizer = model.family if cache is None else cache.reader(model.token_layers)
    module = training_module(model, "hybrid", caching=caching)
    batch = PairCollator(featurizer, negatives_per_query=1)(rows())
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        loss = module(batch).total
    loss.backward()
    found = {name: p.grad.clone() for name, p in module.named_parameters() if p.grad is not None}
    module.zero_grad()
    return loss.detach(), found


def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two or three inputs a file."""
    monkeypatch.setattr(state_cache, "SHARD_BYTES", 2_500)


@pytest.mark.parametrize(
    ("layers", "caching"),
    [((-1,), None), ((1, 2), GradientCaching(mini_batch_size=2)), ((-1,), GradientCaching(mini_batch_tokens=30))],
)
def test_the_loss_and_its_gradients_are_those_without(
    base: Path, tmp_path: Path, encoded: Encoded, layers: tuple[int, ...], caching: GradientCaching | None
) -> None:
    model = projected(base, layers)
    cache = StateCache(tmp_path, model, layers)
    fill(cache, model, rows())
    assert encoded.taken() == 3 * ROWS
    expected, gradients = loss_and_gradients(model, None, caching)
    assert encoded.taken() == 3 * ROWS
    loss, found = loss_and_gradients(model, cache, caching)
    assert encoded.taken() == 0
    # A page's batch has another shape than when it is encoded by itself, so the last bits may differ.
    torch.testing.assert_close(loss, expected, rtol=1e-6, atol=1e-6)
    assert found.keys() == gradients.keys() and found
    for name, gradient in gradients.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-5 * gradient.abs().max().item() + 1e-7)


def test_states_are_read_as_they_were_written_bit_for_bit(base: Path, tmp_path: Path, monkeypatch) -> None:
    small_files(monkeypatch)
    model = projected(base, (0, -1))
    cache, written = StateCache(tmp_path, model, (0, -1)), {}
    original = StateShards.write

    def kept(shards: StateShards, keys: Sequence[int], made: Any, *options: Any) -> Path:
        written.update({key: made[place] for place, key in enumerate(keys)})
        return original(shards, keys, made, *options)

    monkeypatch.setattr(StateShards, "write", kept)
    fill(cache, model, rows())
    assert len(cache.shards.files) > 5
    for role, source in zip(("query", "document"), inputs_of(rows()), strict=True):
        items = [item for _, item in source.every()][::-1]
        found = cache.features(items, role, model.token_layers)
        pooled, states, offsets = model.read_states(found)
        expected = [written[state_key(item, role)] for item in items]
        assert torch.equal(pooled, torch.cat([one.pooled for one in expected]))
        assert torch.equal(torch.cat(states, dim=1), torch.cat([one.packed for one in expected]))
        assert offsets.diff().tolist() == [len(one.packed) for one in expected]
    one = cache.features(items, "document", (-1,))
    assert torch.equal(model.read_states(one)[1][0], states[1]), "one layer of those that are kept"


# Of 8 mantissa bits in int8 with a scale for each state, and 11 in float16; a loss at temperature 0.5 moves by at most
# twice what the scores do, and a score by at most the error of a unit vector.
@pytest.mark.parametrize(("stored_as", "bound"), [("float32", 2e-6), ("float16", 4e-3), ("int8", 6e-2)])
def test_narrow_states_change_the_loss_within_a_bound(
    model: SmartModel, tmp_path: Path, stored_as: str, bound: float
) -> None:
    cache = StateCache(tmp_path, model, (-1,), stored_as=stored_as)
    fill(cache, model, rows())
    expected, loss = loss_and_gradients(model, None)[0], loss_and_gradients(model, cache)[0]
    assert abs(loss - expected) <= bound
    in_chunks = loss_and_gradients(model, cache, GradientCaching(mini_batch_size=2), autocast=True)[0]
    torch.testing.assert_close(in_chunks, loss_and_gradients(model, cache, autocast=True)[0], rtol=0.02, atol=0.02)
    if stored_as != "float32":
        assert loss != expected, "something was rounded"


def test_a_state_that_float16_cannot_hold_is_refused(base: Path, tmp_path: Path) -> None:
    model = projected(base)
    model.backbone.language_model.norm.weight.data.fill_(1e6)
    with pytest.raises(ScoreError, match="state_dtype float16 cannot hold .* exceed 65504; use bfloat16 or float32"):
        fill(StateCache(tmp_path, model, (-1,), stored_as="float16"), model, rows())


def test_what_is_there_is_not_encoded_again(model: SmartModel, tmp_path: Path, encoded: Encoded) -> None:
    needs: list[Need] = []
    fill(StateCache(tmp_path, model, (-1,)), model, [*rows(), *rows()], needs.append)
    assert encoded.taken() == 3 * ROWS, "an input that comes twice is encoded once"
    wider = SmartModel(model.backbone, model.family, base=model.base)
    wider.add_projection(TokenProjection(wider.hidden_size, 32))
    cache = StateCache(tmp_path, wider, (-1,))
    fill(cache, wider, [*rows(), example(99)], needs.append)
    assert encoded.taken() == 2, "another width reads the same states"
    assert [(need.inputs, need.known) for need in needs] == [
        ({"query": ROWS, "document": 2 * ROWS}, 0),
        ({"query": 1, "document": 1}, 3 * ROWS),
    ]
    on_disk = sum(file.stat().st_size for file in cache.shards.files)
    assert 0.5 * on_disk < sum(need.size for need in needs) < 1.5 * on_disk


def test_encode_methods_read_states_that_are_known(base: Path, tmp_path: Path, encoded: Encoded) -> None:
    model = projected(base)
    documents = [document for row in rows() for document in row.documents]
    expected = model.encode_document(documents, batch_size=4)
    cache = StateCache(tmp_path, model, (-1,))
    fill(cache, model, rows())
    model.known_states = cache
    encoded.taken()
    found = model.encode_document(documents, batch_size=4)
    assert encoded.taken() == 0
    torch.testing.assert_close(found.packed, expected.packed, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found.pooled, expected.pooled, rtol=1e-5, atol=1e-6)
    model.encode_document([*documents[:2], "a text that nobody encoded"])
    assert encoded.taken() == 3, "a batch with one that is not known is encoded whole"
    model.family.scoring = model.scoring.from_dict({**model.scoring.to_dict(), "document_tokens": "all"})
    model.encode_document(documents[:2])
    assert encoded.taken() == 2, "other tokens are kept now"


def test_a_killed_process_leaves_what_it_finished(
    model: SmartModel, tmp_path: Path, monkeypatch, encoded: Encoded
) -> None:
    small_files(monkeypatch)
    original, left = StateShards.write, [3]

    class Killed(BaseException):
        pass

    def write(*arguments: Any) -> Path:
        left[0] -= 1
        if left[0] < 0:
            raise Killed
        return original(*arguments)

    with monkeypatch.context() as dying:
        dying.setattr(StateShards, "write", write)
        with pytest.raises(Killed):
            fill(StateCache(tmp_path, model, (-1,)), model, rows())
    cache = StateCache(tmp_path, model, (-1,))
    assert len(cache.shards.files) == 3
    cache.shards.refresh(cache.shards.files)
    done = len(cache.shards)
    encoded.taken()
    fill(cache, model, rows())
    assert encoded.taken() == 3 * ROWS - done < 3 * ROWS


@pytest.mark.parametrize("damage", [lambda path: flip(path, -40), cut])
def test_a_damaged_file_is_named_and_its_inputs_encoded_again(
    model: SmartModel, tmp_path: Path, monkeypatch, encoded: Encoded, damage: Callable[[Path], None]
) -> None:
    small_files(monkeypatch)
    cache = StateCache(tmp_path, model, (-1,))
    fill(cache, model, rows())
    expected, broken = loss_and_gradients(model, cache)[0], cache.shards.files[0]
    whole = len(cache.shards)
    cache.shards.refresh(cache.shards.files[1:])
    lost = whole - len(cache.shards)
    damage(broken)
    encoded.taken()
    again = StateCache(tmp_path, model, (-1,))
    (line,) = fill(again, model, rows())
    assert line.startswith(str(broken)) and line.endswith("Its inputs are encoded again")
    assert encoded.taken() == lost > 0
    torch.testing.assert_close(loss_and_gradients(model, again)[0], expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    "changed",
    [
        {"prompts": {"query_instruction": "Find it."}},
        {"prompts": {"document_instruction": "Read it."}},
        {"prompts": {"min_pixels": 64 * 64}},
        {"prompts": {"max_pixels": 128 * 128}},
        {"prompts": {"max_length": 100}},
        {"scoring": {"query_tokens": "all"}},
        {"scoring": {"document_tokens": "visual"}},
        {"scoring": {"pooled_token": "drop"}},
    ],
)
def test_another_reading_has_another_folder(model: SmartModel, tmp_path: Path, changed: dict[str, Any]) -> None:
    family = model.family
    prompts = family.prompts.replaced_by(changed.get("prompts"))
    scoring = family.scoring_of(changed.get("scoring"), family.scoring)
    other = SmartModel(model.backbone, type(family)(family.folder, scoring=scoring, prompts=prompts), base=model.base)
    assert StateCache(tmp_path, other, (-1,)).folder != StateCache(tmp_path, model, (-1,)).folder


def test_a_folder_is_known_by_weights_layers_and_precision_and_not_by_a_path(base: Path, tmp_path: Path) -> None:
    model = SmartModel.from_pretrained(base)
    folder = StateCache(tmp_path, model, (-1,)).folder
    copied = Path(shutil.copytree(base, tmp_path / "copy"))
    assert StateCache(tmp_path, SmartModel.from_pretrained(copied), (2,)).folder == folder, "2 is the last layer"
    others = [
        StateCache(tmp_path, model, (1,)),
        StateCache(tmp_path, model, (1, -1)),
        StateCache(tmp_path, model, (-1,), stored_as="float16"),
        StateCache(tmp_path, model, (-1,), autocast=torch.bfloat16),
        StateCache(tmp_path, model, (-1,), autocast=torch.float16),
        StateCache(tmp_path, model, (-1,), quantization="4bit, norms"),
        StateCache(tmp_path, SmartModel.from_pretrained(base, dtype="bfloat16"), (-1,)),
        StateCache(tmp_path, SmartModel.from_pretrained(base, attn_implementation="eager"), (-1,)),
    ]
    trained = SmartModel.from_pretrained(base)
    next(trained.backbone.parameters()).data.add_(1e-3)
    trained.save_pretrained(tmp_path / "trained")
    others.append(StateCache(tmp_path, SmartModel.from_pretrained(tmp_path / "trained"), (-1,)))
    assert len({folder, *(other.folder for other in others)}) == 1 + len(others)


def test_an_input_is_known_by_its_content_and_side(tmp_path: Path) -> None:
    page, other = tmp_path / "page.png", tmp_path / "other.png"
    Image.new("RGB", (64, 64), "red").save(page)
    shutil.copy(page, other)
    key = state_key(ModelInput(images=(page,)), "document")
    assert state_key(ModelInput(images=(other,)), "document") == key
    Image.new("RGB", (64, 64), "blue").save(page)
    item = ModelInput(images=(other,))
    different = [
        state_key(ModelInput(images=(page,)), "document"),
        state_key(item, "query"),
        state_key(ModelInput(" ", images=(other,)), "document"),
        state_key(ModelInput(images=(other,), instruction=""), "document"),
        state_key(ModelInput(images=(other, other)), "document"),
    ]
    assert len({key, *different}) == 6
    for item in (ModelInput(images=("https://host/page.png",)), ModelInput(video=["http://host/frame.png"])):
        with pytest.raises(DataError, match="host/.*png: what a web address gives may change.*state_cache: off"):
            state_key(item, "document")


def test_a_page_that_changes_while_training_is_told(model: SmartModel, tmp_path: Path) -> None:
    page = tmp_path / "page.png"
    Image.new("RGB", (64, 64), "red").save(page)
    row = Example(ModelInput("red"), (ModelInput(images=(page,)),), "q", ("d",), source="rows.jsonl", row=4)
    cache = StateCache(tmp_path / "cache", model, (-1,))
    fill(cache, model, [row])
    collator = PairCollator(cache.reader((-1,)))
    assert is_stored(collator([row])["document"])
    Image.new("RGB", (64, 64), "blue").save(page)
    with pytest.raises(DataError, match=r"a document has changed since .*start the run again.*rows.jsonl, row 4"):
        collator([row])


def test_what_is_not_admitted_leaves_nothing(model: SmartModel, tmp_path: Path, encoded: Encoded) -> None:
    cache = StateCache(tmp_path, model, (-1,))

    def refuse(need: Need) -> None:
        raise RunError("no room")

    with pytest.raises(RunError, match="no room"):
        fill(cache, model, rows(), refuse)
    assert encoded.taken() == 0 and not list(cache.folder.iterdir())


def test_a_second_run_waits_and_finds_the_states(
    model: SmartModel, tmp_path: Path, monkeypatch, encoded: Encoded
) -> None:
    monkeypatch.setattr(state_cache, "_PATIENCE", 0.0)
    first, second = StateCache(tmp_path, model, (-1,)), StateCache(tmp_path, model, (-1,))
    fill(first, model, rows())
    encoded.taken()
    held, waited = only_one(second.folder / LOCK_NAME, "encoding"), threading.Event()
    held.__enter__()

    def say(line: str) -> None:
        said.append(line)
        waited.set()

    said: list[str] = []
    arguments = {"admit": lambda need: None, "say": say, "batch_size": 4, "show_progress_bar": False}
    thread = threading.Thread(target=second.fill, args=(model, inputs_of(rows())), kwargs=arguments)
    thread.start()
    assert waited.wait(30)
    held.__exit__(None, None, None)
    thread.join(30)
    assert len(said) == 1 and "in use by another process (encoding, process" in said[0]
    assert said[0].endswith("Waiting for it")
    assert encoded.taken() == 0 and len(second.shards) == 3 * ROWS


def test_a_frozen_backbone_has_no_dropout(tmp_path: Path) -> None:
    model = SmartModel.from_config(encoder_folder(tmp_path / "encoder"))
    assert model.config.hidden_dropout_prob > 0
    features = model.family.featurize([ModelInput("a page of text")], "document")
    assert not torch.equal(model.train()(features).packed, model(features).packed), "dropout is on"
    model.freeze_backbone()
    model.add_projection(TokenProjection(model.hidden_size, 8))
    model.train()
    assert model.projection.training and torch.equal(model(features).packed, model(features).packed)


def _fill_together(rank: int, base: Path, folder: Path, port: int) -> None:
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), RANK=str(rank), WORLD_SIZE="2")
    dist.init_process_group("gloo")
    state_cache.SHARD_BYTES, state_cache._SAMPLE = 2_500, 1  # the sample does not meet the page
    page = folder.parent / "broken.png"
    page.write_bytes(b"not a picture")
    own, write = [], StateShards.write

    def counted(shards: StateShards, keys: Sequence[int], *options: Any) -> Path:
        own.extend(keys)
        return write(shards, keys, *options)

    StateShards.write = counted
    try:
        model = projected(base)
        cache = StateCache(folder, model, (-1,))
        broken = Example(ModelInput("?"), (ModelInput(images=(page,)),), "q", ("d",), "rows", 0)
        with pytest.raises(DataError, match=r"broken\.png"):  # on both, whoever of them reads it
            fill(cache, model, [*rows(), broken])
        assert 0 < len(own) < 3 * ROWS
        cache = StateCache(folder, model, (-1,))
        assert fill(cache, model, rows()) == [] and len(cache.shards) == 3 * ROWS + 1, "the query of that row, too"
        gathered: list[list[int]] = [[], []]
        dist.all_gather_object(gathered, own)
        assert gathered[0] and gathered[1] and len({*gathered[0], *gathered[1]}) == len(gathered[0] + gathered[1])
        loss_and_gradients(model, cache)
    finally:
        StateShards.write = write
        dist.destroy_process_group()


@pytest.mark.dist
def test_ranks_share_the_work_and_the_failure(base: Path, tmp_path: Path) -> None:
    start_ranks(_fill_together, base, tmp_path / "cache", free_port())
