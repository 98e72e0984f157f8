"""Embeddings: what they hold, how they are cut, stored and compressed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from smart_train.errors import DataError, ScoreError
from smart_train.scoring.embeddings import Embeddings
from smart_train.scoring.number_formats import FLOAT_DTYPES
from smart_train.utils.terms import FORMAT_BYTES, NUMBER_FORMATS


def embeddings(*lengths: int, width: int = 8) -> Embeddings:
    tokens = [F.normalize(torch.randn(length, width), dim=1) for length in lengths]
    return Embeddings(F.normalize(torch.randn(len(lengths), width), dim=1), tokens)


def same(left: Embeddings, right: Embeddings) -> bool:
    scales = (left.scales is None) == (right.scales is None)
    if left.scales is not None and right.scales is not None:
        scales = torch.equal(left.scales, right.scales)
    return scales and all(torch.equal(getattr(left, n), getattr(right, n)) for n in ("pooled", "packed", "offsets"))


def test_every_number_format_has_its_bytes() -> None:
    stored = {form: embeddings(3).quantize(form).packed for form in NUMBER_FORMATS}
    assert {form: packed.element_size() for form, packed in stored.items()} == FORMAT_BYTES
    assert set(FLOAT_DTYPES) == {form for form, packed in stored.items() if packed.is_floating_point()}


def test_layout() -> None:
    items = embeddings(3, 0, 2)
    assert len(items) == 3
    assert items.offsets.tolist() == [0, 3, 3, 5]
    assert items.lengths.tolist() == [3, 0, 2]
    assert [len(item) for item in items.tokens] == [3, 0, 2]
    assert items.tokens[2].data_ptr() == items.packed[3:].data_ptr()
    assert repr(items) == (
        "Embeddings(items=3, pooled_width=8, tokens=5, token_width=8, dtype=torch.float32, device=cpu)"
    )


@pytest.mark.parametrize("form", ["float32", "int8"])
def test_choosing_items(form: str) -> None:
    items = embeddings(3, 0, 2, 4).quantize(form)
    assert torch.equal(items[-1].tokens[0], items.tokens[3])
    for one in (np.int64(2), torch.tensor(2), np.array([2])):  # as a ranking gives a place
        assert same(items[one], items[2])
    assert items[1:3].lengths.tolist() == [0, 2]
    assert items[[2, 0, 2]].lengths.tolist() == [2, 3, 2]
    assert same(items[torch.tensor([True, False, True, True])], items[[0, 2, 3]])
    assert len(items[[]]) == 0 and items[[]].offsets.tolist() == [0]
    assert same(Embeddings.concatenate(items), items)


def test_choosing_is_differentiable() -> None:
    packed = torch.randn(5, 4, requires_grad=True)
    items = Embeddings(torch.randn(2, 4), packed, torch.tensor([0, 2, 5]))
    items[[1]].packed.sum().backward()
    assert packed.grad.sum(dim=1).tolist() == [0, 0, 4, 4, 4]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((torch.ones(1, 2), torch.ones(3, 2)), "packed tokens need `offsets`"),
        ((torch.ones(1, 2), [torch.ones(3, 2)], torch.tensor([0, 3])), "`offsets` goes with packed tokens"),
        ((torch.ones(2), [torch.ones(3, 2)]), r"pooled must be \[N, D\]"),
        ((torch.ones(2, 2), [torch.ones(3, 2)]), "2 pooled vectors but offsets of shape"),
        ((torch.ones(1, 2), torch.ones(3, 2, dtype=torch.int8), torch.tensor([0, 3])), "with no scales"),
    ],
)
def test_bad_layout(arguments: tuple, message: str) -> None:
    with pytest.raises(ScoreError, match=message):
        Embeddings(*arguments)


def test_mixed_storage_is_not_concatenated() -> None:
    items = embeddings(2, 3)
    with pytest.raises(ScoreError, match="some parts hold int8"):
        Embeddings.concatenate([items, items.quantize("int8")])
    with pytest.raises(ScoreError, match="nothing to concatenate"):
        Embeddings.concatenate([])


def test_int8_is_not_cast_by_accident() -> None:
    items = embeddings(2, 3).quantize("int8")
    assert same(items.to("cpu"), items)
    with pytest.raises(ScoreError, match="int8 tokens cannot be cast to torch.float32; use quantize"):
        items.to(torch.float32)
    assert embeddings(2).to(torch.float64).packed.dtype == torch.float64


@pytest.mark.parametrize("form", ["float32", "bfloat16", "float16", "int8"])
def test_what_is_saved_is_loaded(tmp_path: Path, form: str) -> None:
    items = embeddings(3, 0, 2)[1:].quantize(form)
    path = items.save(tmp_path / "deep" / "set.safetensors")
    assert same(Embeddings.load(path), items)
    assert [file.name for file in path.parent.iterdir()] == ["set.safetensors"]


def test_chosen_items_keep_nothing_of_the_others_alive() -> None:
    items = embeddings(300, 300).quantize("int8")
    for chosen in (items[:1], items[2:]):
        assert all(part.untyped_storage().nbytes() == part.nbytes for part in chosen.parts().values())


def test_a_save_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = embeddings(3).save(tmp_path / "set")
    before = path.read_bytes()

    def full(*arguments: object, **options: object) -> None:
        Path(arguments[1]).write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr("smart_train.utils.tensors.save_file", full)
    with pytest.raises(OSError, match="disk full"):
        embeddings(4).save(path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["set"]


def test_files_that_are_not_embeddings(tmp_path: Path) -> None:
    whole = embeddings(3, 2).save(tmp_path / "whole")
    (tmp_path / "cut").write_bytes(whole.read_bytes()[:-7])
    save_file({"x": torch.ones(1)}, tmp_path / "other")
    mine = {"format": "smart_train.embeddings.1"}
    save_file({"pooled": torch.ones(1, 2), "packed": torch.ones(3, 2)}, tmp_path / "lacking", mine)
    tensors = {"pooled": torch.ones(1, 2), "packed": torch.ones(3, 2), "offsets": torch.tensor([0, 2])}
    save_file(tensors, tmp_path / "offsets", mine)
    for name, message in {
        "missing": "no such file",
        "cut": "not a complete safetensors file",
        "other": "format is None",
        "lacking": "its tensors do not fit together: Embeddings: lacks offsets",
        "offsets": "its tensors do not fit together: Embeddings: offsets must start at 0",
    }.items():
        with pytest.raises(DataError, match=f"{name}: {message}"):
            Embeddings.load(tmp_path / name)


def test_truncate_keeps_unit_norms() -> None:
    items = embeddings(3, 2)
    cut = items.truncate(5)
    torch.testing.assert_close(cut.packed, F.normalize(items.packed[:, :5], dim=1))
    torch.testing.assert_close(cut.pooled, F.normalize(items.pooled[:, :5], dim=1))
    assert cut.offsets is not None and cut.lengths.tolist() == [3, 2]
    assert items.quantize("int8").truncate(5).packed.dtype == torch.int8
    for dim in (0, 9):
        with pytest.raises(ScoreError, match="it must lie between 1 and 8"):
            items.truncate(dim)


def test_quantised_states_stay_close() -> None:
    items = embeddings(30, 20, width=64)
    for form, within in (("float32", 0), ("float16", 1e-3), ("bfloat16", 4e-3), ("int8", 4e-3)):
        stored = items.quantize(form)
        assert stored.packed.dtype == getattr(torch, form)
        assert stored.pooled.dtype == torch.float32
        torch.testing.assert_close(stored.quantize("float32").packed, items.packed, rtol=0, atol=within)
    twice = items.quantize("int8").quantize("int8")
    assert same(twice, items.quantize("int8"))
    with pytest.raises(ScoreError, match="dtype is 'int4'; choose one of float32, bfloat16, float16, int8"):
        items.quantize("int4")
    with pytest.raises(ScoreError, match="are NaN or infinite"):
        Embeddings(items.pooled, items.packed / 0, items.offsets).quantize("int8")


def test_a_zero_state_quantises_to_zero() -> None:
    items = Embeddings(torch.ones(1, 2), [torch.zeros(2, 4)])
    assert items.quantize("int8").quantize("float32").packed.abs().max() == 0


def test_pooling_merges_what_is_alike() -> None:
    directions = torch.eye(8)[:3]
    tokens = torch.cat([directions[[1, 1, 1]], directions[[0, 0, 0]], directions[[2, 2, 2]]])
    items = Embeddings(torch.ones(1, 8), [tokens + 0.01 * torch.randn(9, 8)])
    pooled = items.pool_tokens(3)
    torch.testing.assert_close(pooled.packed, directions[[1, 0, 2]], rtol=0, atol=0.05)


def test_pooling_names_states_that_cannot_be_compared() -> None:
    items = embeddings(3, 5, 4)
    items.packed[4, 2] = float("nan")
    with pytest.raises(ScoreError, match=r"pool_tokens: items \[1\] have token states that are NaN or infinite"):
        items.pool_tokens(2)


@pytest.mark.parametrize("form", ["float32", "int8"])
def test_pooling_divides_the_number_of_tokens(form: str) -> None:
    items = embeddings(10, 0, 1, 7).quantize(form)
    pooled = items.pool_tokens(3)
    assert pooled.lengths.tolist() == [4, 0, 1, 3]
    assert pooled.packed.dtype == items.packed.dtype
    assert torch.equal(pooled.pooled, items.pooled)
    norms = pooled.quantize("float32").packed.norm(dim=1)
    torch.testing.assert_close(norms, torch.ones(8), rtol=0, atol=1e-2)
    assert items.pool_tokens(1) is items
    for factor in (0, -2, 1.5, True):
        with pytest.raises(ScoreError, match="it must be a whole number of at least 1"):
            items.pool_tokens(factor)
