"""data/local-binding: what is on a page does not tell it apart, what stands beside what does."""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from smart_train.data import SourceConfig, check_examples, load_examples
from smart_train.inputs.mark_pages import GLYPHS, MARKS, draw_page
from tests.local_binding import load_builder

SMALL = ["--train-pages", "40", "--held-out-pages", "24"]


@pytest.fixture(scope="module")
def builder() -> ModuleType:
    return load_builder()


@pytest.fixture(scope="module")
def built(builder: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("local-binding") / "built"
    builder.main(["--output", str(output), *SMALL, "--queries-per-page", "2", "--negatives", "2"])
    return output


def rows_of(folder: Path, split: str) -> list[dict]:
    return [json.loads(line) for line in (folder / f"{split}.jsonl").read_text().splitlines()]


def read_page(file: Path) -> dict[str, str]:
    """Mark -> code, every cell looked up among all marks and codes: a reader that shares no state with the writer."""
    pixels, known = np.asarray(Image.open(file)), drawn_cells()
    cells = [pixels[top : top + 32, left : left + 32] for top in range(0, 160, 32) for left in range(0, 160, 32)]
    return dict(known[cell.tobytes()] for cell in cells if cell.tobytes() in known)


@functools.cache
def drawn_cells() -> dict[bytes, tuple[str, str]]:
    """The pixels of a cell -> its mark and code."""
    pairs = [(mark, code) for mark in MARKS for code in GLYPHS]
    cells = {draw_page({mark: code}, [0], 160)[:32, :32].tobytes(): (mark, code) for mark, code in pairs}
    assert len(cells) == len(pairs), "no two look alike"
    return cells


def named(query: str) -> dict[str, str]:
    return dict(part.split(" beside ") for part in query.split(", "))


def test_rows_read_as_examples(built: Path) -> None:
    rows, report = check_examples(load_examples(SourceConfig(built, split="train")), negatives_per_query=2)
    assert report.summary() == "80 rows"
    assert [len(example.documents) for example in rows] == [3] * 80
    assert rows[0].document_ids[0] == rows[1].document_ids[0] == "train-00000"
    assert rows[0].query != rows[1].query
    assert len(load_examples(SourceConfig(built, split="held_out"))) == 48


def test_pages_say_what_their_queries_ask(built: Path) -> None:
    for row in rows_of(built, "held_out")[:6] + rows_of(built, "train")[:6]:
        page = read_page(built / row["positive"])
        asked = named(row["query"])
        assert len(page) == 6
        assert len(asked) == 3
        assert asked.items() <= page.items()


def test_every_held_out_query_has_one_answer_and_no_train_page_is_held_out(built: Path) -> None:
    held_out = {row["positive"]: read_page(built / row["positive"]) for row in rows_of(built, "held_out")}
    for row in rows_of(built, "held_out"):
        answering = [name for name, page in held_out.items() if named(row["query"]).items() <= page.items()]
        assert answering == [row["positive"]]
    unseen = [frozenset(page.items()) for page in held_out.values()]
    assert len(set(unseen)) == 24
    for row in rows_of(built, "train"):
        for column in ("positive", "negative_0", "negative_1"):
            assert frozenset(read_page(built / row[column]).items()) not in unseen


def test_every_page_has_the_same_marks(built: Path) -> None:
    for row in rows_of(built, "held_out")[::8]:
        assert read_page(built / row["positive"]).keys() == MARKS.keys()


def test_codes_alone_by_hand(builder: ModuleType) -> None:
    marks = list(MARKS)
    page = dict(zip(marks, "AKLTX2", strict=True))
    same_codes = dict(zip(marks, "KALTX2", strict=True))
    other = dict(zip(marks, "CEHP47", strict=True))
    query = {marks[0]: "A", marks[1]: "K", marks[2]: "L"}
    # Two pages show the query's codes: rank 1 or 2, each half of the time. One page alone would be rank 1.
    expected = (1 + 1 / np.log2(3)) / 2
    assert builder.codes_alone([(page, [query]), (same_codes, []), (other, [])]) == pytest.approx(expected)
    assert builder.codes_alone([(page, [query]), (other, [])]) == 1


def test_negatives_share_marks_and_codes_but_no_binding(built: Path) -> None:
    for row in rows_of(built, "train")[:8:2]:
        page = read_page(built / row["positive"])
        for column in ("negative_0", "negative_1"):
            other = read_page(built / row[column])
            assert page.keys() == other.keys()
            assert sorted(page.values()) == sorted(other.values())
            assert not page.items() & other.items()


def test_the_same_on_every_machine(builder: ModuleType, tmp_path: Path) -> None:
    """Golden hashes: a change here changes every published figure; raise FORMAT with it."""
    builder.main(["--output", str(tmp_path / "a"), *SMALL])
    manifest = json.loads((tmp_path / "a" / "manifest.json").read_text())
    assert {split: facts["content_hash"] for split, facts in manifest["splits"].items()} == {
        "train": "194806acdfed1d4ca3f180659f8fd0cc",
        "held_out": "6f81cba7b3a5d921d2a13b7350d1334d",
    }
    builder.main(["--output", str(tmp_path / "b"), *SMALL, "--seed", "1"])
    other = json.loads((tmp_path / "b" / "manifest.json").read_text())
    assert other["splits"]["train"]["content_hash"] != manifest["splits"]["train"]["content_hash"]


def test_larger_pages_are_the_same_pages_scaled(builder: ModuleType, tmp_path: Path) -> None:
    for size in ("160", "320"):
        builder.main(["--output", str(tmp_path / size), "--train-pages", "1", "--held-out-pages", "1", "--size", size])
    name = "images/held_out/held_out-00000.png"
    small, large = (np.asarray(Image.open(tmp_path / size / name)) for size in ("160", "320"))
    assert np.array_equal(small.repeat(2, axis=0).repeat(2, axis=1), large)


def test_building_again(builder: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "built"
    arguments = ["--output", str(output), "--train-pages", "3", "--held-out-pages", "2"]
    builder.main(arguments)
    before = (output / "manifest.json").stat().st_mtime_ns
    builder.main(arguments)
    assert "already built" in capsys.readouterr().out
    assert (output / "manifest.json").stat().st_mtime_ns == before
    with pytest.raises(
        SystemExit, match="other parameters .seed 0 there, 1 requested.; remove it or name a new folder"
    ):
        builder.main([*arguments, "--seed", "1"])
    (output / "images" / "train" / "train-00000.png").unlink()
    with pytest.raises(SystemExit, match="incomplete, 2 of 3 train pages"):
        builder.main(arguments)


def test_a_build_that_fails_leaves_nothing(
    builder: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(builder, "draw_page", fail)
    with pytest.raises(OSError, match="disk full"):
        builder.main(["--output", str(tmp_path / "built"), *SMALL])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--train-pages", "0"], "--train-pages 0: must be at least 1"),
        (["--size", "100"], "--size 100: must be a multiple of 160"),
        (["--queries-per-page", "21"], "--queries-per-page 21: must be 1 to 20"),
        (["--negatives", "9", "--held-out-pages", "0"], "--held-out-pages 0: .*--negatives 9: must be 0 to 8"),
    ],
)
def test_bad_arguments(
    builder: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    with pytest.raises(SystemExit):
        builder.main(["--output", str(tmp_path / "built"), *arguments])
    assert re.search(message, capsys.readouterr().err)


def test_too_many_unambiguous_pages_are_refused(
    builder: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builder, "draw_binding", lambda rng: dict(zip(MARKS, "AKLTX2", strict=True)))
    with pytest.raises(SystemExit, match="only 1 pages found whose queries no other page answers"):
        builder.main(["--output", str(tmp_path / "built"), "--held-out-pages", "9"])
