"""Work that some ranks do while others wait lasts as long as it has to: real processes whose collectives wait for two
seconds, and stages of twice that."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch.distributed as dist

from smart_train import distributed
from smart_train.distributed import stages
from smart_train.distributed.stages import on_every_rank, says_first
from smart_train.errors import DataError, RunError, SmartTrainError
from tests.ranks import IMPORTS, free_port, join_a_launch, start_ranks

TIMEOUT = 2.0  # seconds, of the process group
LONG = 2 * TIMEOUT


def join(rank: int, port: int, *, launcher: bool) -> None:
    """Joins a group of two whose timeout is TIMEOUT. `launcher`: the store is held by the test, as by a launcher; else
    by rank 0."""
    join_a_launch(rank, 2, port)
    if launcher:
        os.environ.update(TORCHELASTIC_USE_AGENT_STORE="True", TORCHELASTIC_RESTART_COUNT="0")
    dist.init_process_group("gloo", timeout=timedelta(seconds=60))
    dist.barrier()
    # Only now: on a busy machine processes take longer than that to find each other.
    dist.distributed_c10d._set_pg_timeout(timedelta(seconds=TIMEOUT))
    dist.distributed_c10d._get_default_store().set_timeout(timedelta(seconds=TIMEOUT))


def told(function: Callable[[], Any]) -> list[Any]:
    """The error that `function` ends with: its class, its words, and whether another rank tells it, and if so which."""
    try:
        function()
    except Exception as error:
        from_main = getattr(error, "from_main", None)
        return [type(error).__name__, str(error), from_main, *([error.told_by] if from_main else [])]
    return []


def slow(value: Any, rank: int) -> Any:
    """`value`, which takes this rank long if it is `rank`."""
    time.sleep(LONG if distributed.rank() == rank else 0)
    return value


def broken(rank: int) -> None:
    """A fault of the program on one rank."""
    if distributed.rank() == rank:
        raise KeyError("a bug")


def refused() -> None:
    raise DataError("row 3 is empty")


def work_together(rank: int, folder: Path, port: int) -> None:
    join(rank, port, launcher=True)
    stages._LONGEST_PAUSE = 0.05  # the main rank waits for others to ask, longer than its collectives do
    outcome = {
        "main": distributed.on_main(lambda: slow([distributed.rank()], 0)),
        "each": distributed.on_each(lambda: slow(distributed.rank(), 1)),
        "refused": told(lambda: distributed.on_main(refused)),
        "broken main": told(lambda: distributed.on_main(lambda: broken(0))),
        "broken share": told(lambda: distributed.on_each(lambda: broken(1))),
        "broken main share": told(lambda: distributed.on_each(lambda: broken(0))),
        "every rank": on_every_rank(distributed.rank),
        "refused on all": told(lambda: on_every_rank(refused)),
        "refused on one": told(lambda: on_every_rank(lambda: refused() if distributed.rank() else None)),
        "broken on one": told(lambda: on_every_rank(lambda: broken(1))),
        "says first": [
            says_first(*asked) for asked in (("all find this", 0), (f"rank {rank}'s", 0), ("of each machine", rank))
        ],
        "afterwards": distributed.on_main(lambda: "in step"),
    }
    (folder / f"{rank}.json").write_text(json.dumps(outcome))
    distributed.barrier()
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder, port = tmp_path_factory.mktemp("stages"), free_port()
    launcher = dist.TCPStore("127.0.0.1", port, is_master=True, wait_for_workers=False)
    start_ranks(work_together, folder, port)
    del launcher
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)]


@pytest.mark.dist
def test_a_stage_may_last_longer_than_a_collective_waits(outcomes: list[dict[str, Any]]) -> None:
    assert [outcome["main"] for outcome in outcomes] == [[0], [0]]
    assert [outcome["each"] for outcome in outcomes] == [[0, 1], []], "gathered on the main rank alone"
    assert [outcome["afterwards"] for outcome in outcomes] == ["in step"] * 2


@pytest.mark.dist
def test_an_error_of_one_rank_ends_the_others_and_is_told_once(outcomes: list[dict[str, Any]]) -> None:
    main, other = outcomes
    assert main["refused"] == ["DataError", "row 3 is empty", False]
    assert other["refused"] == ["DataError", "row 3 is empty", True, 0]
    fault, told_of = ["KeyError", "'a bug'", None], "failed (KeyError: 'a bug'); its output says where"
    assert main["broken main"] == fault
    assert other["broken main"] == ["RunError", f"rank 0 {told_of}", True, 0]
    assert main["broken share"] == ["RunError", f"rank 1 {told_of}", True, 1]
    assert other["broken share"] == fault
    assert main["broken main share"] == fault
    assert other["broken main share"] == ["RunError", f"rank 0 {told_of}", True, 0]


@pytest.mark.dist
def test_one_rank_of_a_machine_says_what_several_find(outcomes: list[dict[str, Any]]) -> None:
    shared, own, elsewhere = zip(*(outcome["says first"] for outcome in outcomes), strict=True)
    assert sorted(shared) == [False, True] and own == elsewhere == (True, True)


@pytest.mark.dist
def test_a_mistake_that_every_rank_finds_is_told_once(outcomes: list[dict[str, Any]]) -> None:
    main, other = outcomes
    assert [outcome["every rank"] for outcome in outcomes] == [0, 1], "each has a result of its own"
    for stage, said in (("refused on all", "row 3 is empty"), ("refused on one", "rank 1: row 3 is empty")):
        assert main[stage] == ["DataError", said, False]
        assert other[stage] == ["DataError", said, True, 0]
    assert other["broken on one"] == ["KeyError", "'a bug'", None]
    assert main["broken on one"] == ["RunError", "rank 1 failed (KeyError: 'a bug'); its output says where", True, 1]


def never_done(rank: int, folder: Path, port: int, launcher: bool) -> None:
    join(rank, port, launcher=launcher)

    def work() -> None:
        (folder / "begun").touch()
        time.sleep(600)

    try:
        distributed.on_main(work)
    except SmartTrainError as error:
        (folder / "told").write_text(str(error))
    os._exit(0)  # leaving the group would wait for the other


@pytest.mark.dist
@pytest.mark.parametrize("launcher", [True, False], ids=["launcher's store", "rank 0's store"])
def test_a_main_rank_that_is_killed_ends_the_others_by_name(tmp_path: Path, launcher: bool) -> None:
    multiprocessing.set_forkserver_preload(IMPORTS)
    context, port = multiprocessing.get_context("forkserver"), free_port()
    store = dist.TCPStore("127.0.0.1", port, is_master=True, wait_for_workers=False) if launcher else None
    main, other = (context.Process(target=never_done, args=(rank, tmp_path, port, launcher)) for rank in range(2))
    try:
        main.start()
        other.start()
        until = time.monotonic() + 60
        while not (tmp_path / "begun").exists() and time.monotonic() < until:
            time.sleep(0.05)
        os.kill(main.pid, signal.SIGKILL)
        other.join(60)
        assert other.exitcode == 0
    finally:
        for process in (main, other):
            process.kill()
            process.join()
    said = (tmp_path / "told").read_text()
    if launcher:
        assert f"rank 0 (process {main.pid} on " in said
        assert f"has given no sign of life for {TIMEOUT:g} seconds (the timeout of the process group" in said
    else:
        assert said.startswith("the process that holds what the ranks tell each other (rank 0, or the launcher) cannot")
    assert "The same command continues from what is complete" in said
    del store


def test_one_process_waits_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "_stages", lambda: pytest.fail("there is nobody to tell"))
    assert distributed.on_main(lambda: 3) == 3
    assert distributed.on_each(lambda: 3) == [3]
    assert on_every_rank(lambda: 3) == 3
    with pytest.raises(RunError, match="^mine$") as caught:
        distributed.on_main(_mine)
    assert not caught.value.from_main


def _mine() -> None:
    raise RunError("mine")
