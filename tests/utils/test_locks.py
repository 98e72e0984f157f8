"""One process at a time: who is refused, and which locks of the dead are taken over."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from smart_train.errors import BusyError, WriteError
from smart_train.utils import locks
from smart_train.utils.locks import LOCK_NAME, Holder, beside, check_free, only_one

fork = multiprocessing.get_context("fork")


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return tmp_path / "run" / LOCK_NAME


def leave(lock: Path, **changes: object) -> None:
    """A lock as a killed process leaves it."""
    lock.parent.mkdir(exist_ok=True)
    lock.write_text(json.dumps(dataclasses.asdict(dataclasses.replace(Holder.me("training"), **changes))))


def test_the_second_is_refused_by_name_and_the_third_goes_on(lock: Path) -> None:
    told = (
        rf"{lock.parent}: in use by another process \(training, process {os.getpid()} on .*, since 20.* UTC \(0 min\)\)"
    )
    with only_one(lock, "training"):
        for second in (lambda: only_one(lock, "encoding").__enter__(), lambda: check_free(lock)):
            with pytest.raises(BusyError, match=told):
                second()
        assert lock.is_file()
    assert not lock.exists()
    check_free(lock)
    with only_one(lock, "encoding"):
        pass
    assert list(lock.parent.iterdir()) == []


def test_a_killed_holder_is_taken_over_though_its_children_live(lock: Path) -> None:
    """A loader's worker outlives its killed parent for a moment, and holds nothing."""
    ready = fork.Event()

    def hold() -> None:
        with only_one(lock, "training"):
            worker = fork.Process(target=time.sleep, args=(30,))
            worker.start()
            (lock.parent / "worker").write_text(str(worker.pid))
            ready.set()
            time.sleep(30)

    process = fork.Process(target=hold)
    process.start()
    assert ready.wait(20)
    with pytest.raises(BusyError):
        check_free(lock)
    os.kill(process.pid, signal.SIGKILL)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    left = lock.read_bytes()
    check_free(lock)  # ended, and its parent has not looked yet
    assert not lock.exists()
    process.join()
    lock.write_bytes(left)
    with only_one(lock, "training"):
        assert json.loads(lock.read_text())["pid"] == os.getpid()
    os.kill(int((lock.parent / "worker").read_text()), signal.SIGKILL)


@pytest.mark.parametrize("content", [b"", b"{", bytes(200), b'{"pid": 1}', b"\xff"])
def test_half_a_lock_is_nobodys(lock: Path, content: bytes) -> None:
    lock.parent.mkdir()
    lock.write_bytes(content)
    check_free(lock)
    with only_one(lock, "training"):
        pass


def test_a_number_that_another_process_has_by_now_is_not_the_holder(lock: Path) -> None:
    leave(lock, began=Holder.me("").began - 100)
    with only_one(lock, "training"):
        pass


def test_where_the_system_does_not_say_when_a_process_began_it_holds_while_it_runs(
    lock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """macOS has no /proc; many clusters do not show the processes of other users there."""
    mine = Holder.me("training")
    monkeypatch.setattr(locks, "_STAT", "/proc/of/nobody/{}")
    ended = fork.Process(target=int)
    ended.start()
    ended.join()
    for began in (mine.began, Holder.me("training").began):
        leave(lock, began=began)
        with pytest.raises(BusyError):
            check_free(lock)
        leave(lock, began=began, pid=ended.pid)
        with only_one(lock, "training"), pytest.raises(BusyError):
            check_free(lock)
    for pid in (-1, 2**70, "7"):
        leave(lock, pid=pid)
        assert pid == -1 or not Holder(**json.loads(lock.read_text())).is_alive


def test_a_holder_on_another_machine_is_heard_or_taken_over(
    lock: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(locks, "SILENCE", 0.3)
    leave(lock, host="node7", place="another kernel")
    check_free(lock)  # nobody can tell at once
    with only_one(lock, "training"):
        assert json.loads(lock.read_text())["place"] != "another kernel"
    assert "is locked by training, process" in capsys.readouterr().err
    monkeypatch.setattr(locks, "SILENCE", 20.0)
    leave(lock, host="node7", place="another kernel")
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(0.05):
            os.utime(lock)

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        with pytest.raises(BusyError, match="process .* on node7"):
            only_one(lock, "training").__enter__()
    finally:
        ended.set()
        thread.join()
    assert json.loads(lock.read_text())["host"] == "node7"


def test_the_holder_is_heard(lock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "BEAT", 0.01)
    with only_one(lock, "training"):
        os.utime(lock, (1, 1))
        deadline = time.monotonic() + 20
        while lock.stat().st_mtime < 2:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_a_lock_that_was_taken_over_is_left_to_its_new_holder(lock: Path) -> None:
    with only_one(lock, "training"):
        leave(lock, pid=1)
    assert json.loads(lock.read_text())["pid"] == 1
    lock.unlink()
    with only_one(lock, "training"):
        lock.unlink()
    assert not lock.exists()


def test_many_that_come_at_once_go_one_by_one(lock: Path) -> None:
    """Each finds the folder to itself; those that have patience come all to their turn."""
    inside, most, turns = [0], [0], [0]
    mutex = threading.Lock()

    def work() -> None:
        with only_one(lock, "saving", patience=60):
            with mutex:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
            time.sleep(0.002)
            with mutex:
                inside[0] -= 1
                turns[0] += 1

    run_all(work, 8)
    assert most == [1] and turns == [8] and not lock.exists()


def run_all(work: Callable[[], None], count: int) -> None:
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_a_place_that_takes_no_lock_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(WriteError, match=r"cannot be written \(Not a directory\)"),
        only_one(tmp_path / "file" / "run" / LOCK_NAME, "training"),
    ):
        pass
    told = f"^{tmp_path}/pairs: in use by"
    with only_one(beside(tmp_path / "pairs"), "make-pairs"), pytest.raises(BusyError, match=told):
        check_free(tmp_path / ".pairs.lock")
