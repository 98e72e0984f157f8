"""Encoding many inputs: workers and parts change nothing, and an input that cannot be read is told in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

import smart_train.models.encoding
from smart_train import SmartModel
from smart_train.errors import DataError, ModelError, RunError
from smart_train.models.encoding import suitable_workers
from smart_train.scoring.embeddings import Embeddings
from smart_train.types import ModelInput
from tests.runs import OVERRIDES, TINY


@pytest.fixture(scope="module")
def model() -> SmartModel:
    return SmartModel.from_config(TINY, overrides=OVERRIDES, init_std=0.05)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("pages")
    for number in range(7):
        Image.new("RGB", (64 + 32 * (number % 3), 64), (30 * number, 90, 200)).save(folder / f"{number}.png")
    return sorted(folder.glob("*.png"))


def assert_equal(found: Embeddings, expected: Embeddings) -> None:
    for name, part in expected.parts().items():
        assert torch.equal(found.parts()[name], part), name


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "encode_document: batch_size is 0; it must be a whole number of at least 1"),
        ({"batch_size": -1}, "batch_size is -1; it must be"),
        ({"batch_size": 1.5}, "batch_size is 1.5; it must be"),
        ({"num_workers": -1}, "num_workers is -1; 0 decodes in this process"),
    ],
)
def test_counts_that_encode_nothing_are_refused(model: SmartModel, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        model.encode_document(["red"], **options)


@pytest.mark.parametrize("size", [0, -1])
def test_parts_of_nothing_are_refused(model: SmartModel, size: int) -> None:
    with pytest.raises(ModelError, match=f"size is {size}; it must be a whole number of at least 1"):
        list(model.encode_document_parts(["red"], size))


def test_workers_encode_the_same(model: SmartModel, pages: list[Path]) -> None:
    expected = model.encode_document(pages, batch_size=2)
    assert_equal(model.encode_document(pages, batch_size=2, num_workers=2), expected)


def test_parts_are_served_by_one_loader(model: SmartModel, pages: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[DataLoader] = []

    class Counted(DataLoader):
        def __init__(self, *args: object, **options: object) -> None:
            made.append(self)
            super().__init__(*args, **options)  # type: ignore[arg-type]

    expected = [model.encode_document(pages[at : at + 3], batch_size=2) for at in (0, 3, 6)]
    monkeypatch.setattr(smart_train.models.encoding, "DataLoader", Counted)
    found = list(model.encode_document_parts(pages, 3, batch_size=2, num_workers=1))
    assert [len(part) for part in found] == [3, 3, 1] and len(made) == 1
    for part, whole in zip(found, expected, strict=True):
        assert_equal(part, whole)


@pytest.mark.parametrize("workers", [0, 1])
def test_an_unreadable_page_is_told_in_one_line(
    workers: int, model: SmartModel, pages: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "broken.png").write_text("not a page")
    model.train()
    with pytest.raises(DataError, match="not an image file that can be decoded") as caught:
        model.encode_document([*pages[:2], tmp_path / "broken.png"], batch_size=2, num_workers=workers)
    assert "Traceback" not in str(caught.value) and model.training
    model.eval()
    with pytest.raises(ModelError, match="encode_document: nothing to encode"):
        next(model.encode_document_parts([], 3))


def test_as_many_workers_as_suit_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    page, text, gpu = ModelInput(images=("a.png",)), ModelInput("text"), torch.device("cuda")
    for cores, processes, batches, items, device, expected in (
        (16, 1, 100, [text, page], gpu, 8),
        (16, 4, 100, [page], gpu, 3),
        (6, 1, 100, [page], gpu, 5),
        (16, 1, 3, [page], gpu, 3),
        (1, 1, 100, [page], gpu, 0),
        (2, 4, 100, [page], gpu, 0),
        (16, 1, 1, [page], gpu, 0),
        (16, 1, 100, [text], gpu, 0),
        (16, 1, 100, [page], torch.device("cpu"), 0),
    ):
        monkeypatch.setattr(smart_train.models.encoding, "usable_cores", lambda cores=cores: cores)
        monkeypatch.setenv("LOCAL_WORLD_SIZE", str(processes))
        assert suitable_workers(items, batches, device) == expected, (cores, processes, batches, items, device)


def test_a_killed_worker_is_told_in_one_line(model: SmartModel, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(DataLoader):
        def __iter__(self) -> Any:  # a real one raises this in whatever the main thread does then, pytest included
            yield next(super().__iter__())
            raise RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. ")

    monkeypatch.setattr(smart_train.models.encoding, "DataLoader", Killed)
    told = r"^a process that loads data has ended \(DataLoader worker \(pid 7\) is killed.*evaluation\.num_work"
    with pytest.raises(RunError, match=told):
        model.encode_document(["red", "green"], batch_size=1)
