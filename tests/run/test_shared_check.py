"""Two ranks read half of the images each, and the check of the rows says what it says in one process."""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch.distributed as dist

from smart_train.data import shared_reading
from smart_train.data.columns import find_columns
from smart_train.data.rows import ExampleRows, RowReader
from smart_train.data.shared_reading import read_shares
from smart_train.distributed import on_main
from smart_train.errors import DataError
from smart_train.inputs.images import image_key, verify_image
from smart_train.inputs.known_files import remembering
from smart_train.recipe import Recipe
from smart_train.run import build, build_rows, stages
from smart_train.run.fingerprints import Contents
from smart_train.utils.console import PlainConsole
from tests.inputs.counting import counted_reads
from tests.ranks import free_port, join_a_launch, start_ranks
from tests.run.test_known_files import old_data
from tests.runs import HELD_OUT_ROWS, TRAIN_ROWS, tiny_recipe

PAGES = 2 * TRAIN_ROWS + HELD_OUT_ROWS
BROKEN, MISSING = "train-3.png", "train-20-negative.png"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pages that are a minute old, of which one does not decode and one is not there."""
    folder = old_data(tmp_path_factory.mktemp("shared") / "data")
    before = (folder / BROKEN).stat()
    (folder / BROKEN).write_bytes(b"no picture")
    os.utime(folder / BROKEN, ns=(before.st_mtime_ns, before.st_mtime_ns))
    (folder / MISSING).unlink()
    return folder


def checked(data: Path, folder: Path, processes: int, rank: int) -> dict[str, Any]:
    """What a start makes of the data: what it prints, its rows, their digests; and what this rank read for it."""
    recipe: Recipe = tiny_recipe(data, folder / "run", data={"on_error": "skip"})
    args: Any = SimpleNamespace(world_size=processes, process_index=rank)
    printed, contents = io.StringIO(), Contents()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SMART_TRAIN_CACHE", str(folder / "cache"))
        reads = counted_reads(patch)
        patch.setattr(ExampleRows, "__getstate__", lambda rows: reads.update(["sent"]) or rows.__dict__, raising=False)
        with contextlib.redirect_stdout(printed), build.remembered_files(recipe):
            parts, _ = stages._load_data(recipe, args, build.base_model(recipe).family, PlainConsole(), trains=True)
            on_main(lambda: contents.read(recipe, parts))
    rows = {name: [asdict(row) for row in rows] for name, rows in parts.items()}
    said = {"printed": printed.getvalue(), "rows": rows, "digests": contents.summary, "reads": reads}
    return json.loads(json.dumps(said, default=str))


def check_on_a_rank(rank: int, data: Path, folder: Path, port: int) -> None:
    join_a_launch(rank, 2, port)
    dist.init_process_group("gloo", timeout=timedelta(seconds=60))
    starts = [checked(data, folder, 2, rank) for _ in range(2)]
    (folder / f"{rank}.json").write_text(json.dumps(starts))
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def two_ranks(data: Path, tmp_path_factory: pytest.TempPathFactory) -> list[list[dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("ranks")
    start_ranks(check_on_a_rank, data, folder, free_port())
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)]


@pytest.mark.dist
def test_two_ranks_say_what_one_process_says(data: Path, tmp_path: Path, two_ranks: list[Any]) -> None:
    alone = checked(data, tmp_path, 1, 0)
    assert f"{TRAIN_ROWS - 2} of {TRAIN_ROWS} rows, 2 skipped" in alone["printed"]
    assert BROKEN in alone["printed"] and MISSING in alone["printed"]
    for start in two_ranks[0]:
        assert {**start, "reads": None} == {**alone, "reads": None}
    assert two_ranks[1][0]["rows"] == alone["rows"]


@pytest.mark.dist
def test_each_of_two_ranks_reads_half_and_later_starts_nothing(two_ranks: list[Any]) -> None:
    (main, main_later), (other, other_later) = ([start["reads"] for start in starts] for starts in two_ranks)
    there = PAGES - 1
    assert main.pop("sent") == main_later.pop("sent") == 2, "the rows of each part travel once"
    assert other == {"decoded": there // 2, "hashed": there // 2}
    half = there - there // 2  # of which one does not decode, and is not hashed
    # The check reads again what cannot be read, and says why: one that does not decode, one that is not there.
    assert main == {"decoded": half + 1, "hashed": half - 1 + 2}
    assert main_later == {"decoded": 1 + 1, "hashed": 1} and other_later == {}


def rows_of(folder: Path, *pictures: Any) -> ExampleRows:
    columns = find_columns("rows", ["query", "positive"])
    raw = [{"query": f"query {number}", "positive": picture} for number, picture in enumerate(pictures)]
    return ExampleRows(raw, RowReader("rows", columns, folder))


def test_images_inside_rows_are_decoded_once(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = (data / "train-0.png").read_bytes()
    rows = rows_of(tmp_path, content, b"no picture", (data / "train-1.png").read_bytes())
    with remembering(tmp_path / "memory.json"):
        reads = counted_reads(monkeypatch)
        read_shares([rows])
        assert reads["decoded"] == 3
        reads.clear()
        verify_image(content)
        assert reads == {}


@pytest.fixture
def on_another_machine(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path, bytes | None, int], None]:
    """Lets files have another content and time of change while a rank reads its share, as if that were elsewhere."""
    there: list[tuple[Path, bytes | None, int]] = []
    host = ["node-1"]

    @contextlib.contextmanager
    def elsewhere() -> Iterator[None]:
        before = [(file, file.read_bytes(), file.stat().st_mtime_ns) for file, _, _ in there]
        put(there)
        host.append("node-2")
        yield
        host.pop()
        put(before)

    def put(files: list[tuple[Path, bytes | None, int]]) -> None:
        for file, content, changed in files:
            file.unlink(missing_ok=True)
            if content is not None:
                file.write_bytes(content)
                os.utime(file, ns=(changed, changed))

    read = shared_reading._read

    def reading(files: Any, home: str, memory: Any) -> Any:
        with elsewhere():
            return read(files, home, memory)

    monkeypatch.setattr(shared_reading, "_read", reading)
    monkeypatch.setattr(shared_reading.socket, "gethostname", lambda: host[-1])
    return lambda file, content, changed: there.append((file, content, changed))


def test_files_that_differ_between_machines_are_named(
    tmp_path: Path, on_another_machine: Callable[[Path, bytes | None, int], None]
) -> None:
    data = old_data(tmp_path / "data")
    same, copy, other, gone = (data / f"train-{number}.png" for number in range(4))
    hour = copy.stat().st_mtime_ns - 3600 * 10**9
    on_another_machine(copy, copy.read_bytes(), hour)
    on_another_machine(other, same.read_bytes(), hour)
    on_another_machine(gone, None, 0)
    said = (
        "^2 files are not the same on all machines of this run:\n"
        f"  {other}: holds other content on node-2, compared with node-1\n"
        f"  {gone}: is missing or cannot be read on node-2, compared with node-1\n"
        "Each machine reads its own files while training: put the same ones there, or name a folder that all share$"
    )
    for _ in range(2):  # what was refused is not taken for compared at the next start
        with remembering(tmp_path / "memory.json"), pytest.raises(DataError, match=said):
            read_shares([rows_of(data, same, copy, other, gone)])


def test_a_difference_among_many_files_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_another_machine: Callable[[Path, bytes | None, int], None]
) -> None:
    data = old_data(tmp_path / "data")
    pages = [data / f"train-{number}.png" for number in range(4)]
    on_another_machine(pages[0], pages[1].read_bytes(), pages[0].stat().st_mtime_ns - 3600 * 10**9)
    monkeypatch.setattr(shared_reading, "_TOGETHER", 1)  # what was forgotten is not told with what is read later
    with remembering(tmp_path / "memory.json"), pytest.raises(DataError, match="^1 files are not the same"):
        read_shares([rows_of(data, *pages)])


def test_pages_that_each_machine_draws_for_itself_are_not_compared(
    tmp_path: Path, on_another_machine: Callable[[Path, bytes | None, int], None]
) -> None:
    drawn = tmp_path / "pdf-pages" / f"{'0a' * 16}-144dpi-4" / "page-00001.png"
    drawn.parent.mkdir(parents=True)
    drawn.write_bytes((old_data(tmp_path / "data") / "train-0.png").read_bytes())
    on_another_machine(drawn, None, 0)
    with remembering(tmp_path / "memory.json"):
        read_shares([rows_of(tmp_path, drawn)])


def test_a_known_file_of_another_size_elsewhere_is_compared(tmp_path: Path) -> None:
    page = old_data(tmp_path / "data") / "train-0.png"
    same = shared_reading.NamedFile(str(page), False, page.stat().st_size, 0, True)
    assert shared_reading._is_same(same)
    assert not shared_reading._is_same(same._replace(size=1))
    assert not shared_reading._is_same(same._replace(is_known=False)), "by time too, where nobody has compared it"


def test_they_are_named_with_the_part_of_the_data(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def differ(_: Any) -> None:
        raise DataError("2 files differ")

    monkeypatch.setattr(build_rows, "world_size", lambda: 2)
    monkeypatch.setattr(build_rows, "read_shares", differ)
    with pytest.raises(DataError, match=r"^data\.train: 2 files differ$"):
        build.usable_rows_of_ranks(tiny_recipe(data, tmp_path / "run"), "train")


def test_what_was_learned_of_another_machines_copy_is_not_taken_for_this_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_another_machine: Callable[[Path, bytes | None, int], None]
) -> None:
    data = old_data(tmp_path / "data")
    page = data / "train-0.png"
    on_another_machine(page, page.read_bytes(), page.stat().st_mtime_ns - 3600 * 10**9)
    with remembering(tmp_path / "memory.json"):
        read_shares([rows_of(data, page)])
        reads: Counter[str] = counted_reads(monkeypatch)
        verify_image(page)
        image_key(page)
    assert reads == {"decoded": 1}, "its content was compared, but the other machine's file was the one decoded"
