"""Tensors whose file says when it is damaged."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from smart_train.errors import DataError
from smart_train.utils.tensors import load_tensors, save_tensors
from tests.damage import cut, flip

TENSORS = {
    "wide": torch.arange(35.0).reshape(7, 5),
    "half": torch.arange(12.0).reshape(3, 4).bfloat16(),
    "whole": torch.arange(6),
    "bytes": torch.arange(-3, 3).to(torch.int8),
    "none": torch.empty(0, 4),
    "one": torch.tensor(2.5),
}


def test_what_was_saved_is_read_back_in_part_too(tmp_path: Path) -> None:
    base = torch.randn(4, 4)
    views = {**TENSORS, "view": base[:2], "other": base[2:], "turned": base.T}
    path = save_tensors(tmp_path / "a", views, {"format": "x"})
    tensors, header = load_tensors(path)
    assert header == {"format": "x"} and tensors.keys() == views.keys()
    for name, value in views.items():
        assert tensors[name].dtype == value.dtype and torch.equal(tensors[name], value), name
    assert list(load_tensors(path, ["whole"])[0]) == ["whole"]


def test_a_flipped_bit_is_never_read_as_another_number(tmp_path: Path) -> None:
    path = save_tensors(tmp_path / "a", TENSORS)
    before, found = path.read_bytes(), 0
    for bit in random.Random(0).sample(range(8 * len(before)), 200):
        flip(path, bit)
        try:
            tensors, _ = load_tensors(path)
        except DataError as error:
            found += 1
            assert str(path) in str(error)
        else:  # the name of a table in the header, or spaces in it
            assert all(torch.equal(tensors[name], value) for name, value in TENSORS.items()), bit
        path.write_bytes(before)
    assert found > 150


def test_damage_is_named_and_only_where_it_is_read(tmp_path: Path) -> None:
    path = save_tensors(tmp_path / "a", {"first": torch.ones(4), "second": torch.zeros(4)})
    flip(path, -1)
    with pytest.raises(DataError, match=r"/a: second is damaged: its content is not what was written \(SHA-256\)"):
        load_tensors(path)
    assert torch.equal(load_tensors(path, ["first"])[0]["first"], torch.ones(4))
    with pytest.raises(DataError, match="/a: not a complete safetensors file"):
        load_tensors(path, ["third"])
    cut(path, 1)
    with pytest.raises(DataError, match="/a: not a complete safetensors file"):
        load_tensors(path)
    with pytest.raises(DataError, match="absent: no such file"):
        load_tensors(tmp_path / "absent")


def test_a_file_without_digests_is_read_unchecked(tmp_path: Path) -> None:
    save_file({"a": torch.ones(2)}, tmp_path / "a")
    assert torch.equal(load_tensors(tmp_path / "a")[0]["a"], torch.ones(2))
