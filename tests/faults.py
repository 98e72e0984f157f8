"""One write of a command fails, and what is there afterwards is looked at: the mechanics of `tests.fault_sweep`.

A library loaded before libc (`support/faults.c`) counts the calls that write below one folder, and makes one fail; it
sees those of Python, of safetensors and of torch alike. All children are forked from one process, which has imported
what they need.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import random
import shutil
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

KINDS = {"ENOSPC": errno.ENOSPC, "EIO": errno.EIO, "EINTR": errno.EINTR, "kill": -1}
PATIENCE = 900  # seconds after which a child hangs
# Kills leave the temporary names that they interrupted; nothing else may be left once the command has ended well.
LEFTOVERS = ("*.partial", "*.replaced", ".*.lock", "*.discarded", "unfinished")


@dataclass(frozen=True)
class Writer:
    """A command that writes.

    Attributes:
        arguments: of `smart-train`, for a folder to write into.
        result: what the command made there, for comparison. Also called after a fault, on what is there then: it must
            raise only where something is broken, and return None where nothing is there yet.
        begin: puts into the folder what is there before.
        whole: whether `result` after a fault must be what it was before, or what it is in the end. A run on its way is
            neither.
        once: it refuses a place that holds its result; so may the start after a fault that came when all was done.
    """

    arguments: Callable[[Path], Sequence[object]]
    result: Callable[[Path], Any]
    begin: Callable[[Path], None] = lambda area: None
    whole: bool = True
    once: bool = False


@dataclass
class Report:
    """What became of one writer: its calls that write, how many faults of each kind were tried, and what went wrong."""

    calls: int
    tried: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    problems: list[str] = field(default_factory=list)


# In the process that forks -------------------------------------------------------------------------------------------


def run_child(act: Callable[[], object], log: Path) -> int:
    """`act` in a forked child; its exit status, negative for a signal. What it prints goes to `log`."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.alarm(PATIENCE)
            handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(handle, 1)
            os.dup2(handle, 2)
            # A forked process makes torch's pool of threads anew at its first use; two threads must not do it at once.
            torch.set_num_threads(torch.get_num_threads())
            act()
            status = 0
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    _, ended = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(ended)


def value_of(function: Callable[[], Any], scratch: Path) -> Any:
    """What `function` returns in a forked child, as JSON. Raises AssertionError with what the child printed."""
    answer, log = scratch / "answer.json", scratch / "answer.log"
    answer.unlink(missing_ok=True)
    status = run_child(lambda: answer.write_text(json.dumps(function(), default=str)), log)
    assert status == 0, log.read_text()
    return json.loads(answer.read_text())


def sweep(
    name: str, writer: Writer, library: Any, scratch: Path, moments: int | None, kinds: Sequence[str], seed: int
) -> Report:
    """Makes calls of `writer` fail, one a start: all of them, or `moments` drawn from them for each kind of fault."""
    from smart_train.cli import main

    library.fault_what.restype = ctypes.c_char_p
    made, log = 0, scratch / "log"

    def fresh() -> Path:
        nonlocal made
        made += 1
        area = scratch / f"{name}-{made}"
        area.mkdir()
        writer.begin(area)
        return area

    def command(area: Path, at: int = 0, fault: int = 0) -> int:
        def act() -> None:
            os.chdir(area)
            sys.argv = ["smart-train", *map(str, writer.arguments(area))]
            library.fault_arm(str(area).encode(), ctypes.c_long(at), fault)
            try:
                main()
            finally:
                (scratch / "count").write_text(str(library.fault_count()))

        return run_child(act, log)

    area = fresh()
    before = value_of(lambda: writer.result(area), scratch)
    status = command(area)
    assert status == 0, f"{name} fails without a fault ({status}):\n{log.read_text()}"
    report = Report(int((scratch / "count").read_text()))
    expected = value_of(lambda: writer.result(area), scratch)
    assert expected is not None and (expected != before or not writer.whole)
    for at, kind in plan(report.calls, moments, kinds, seed):
        report.tried[kind] += 1
        problem = one_fault(writer, fresh, command, log, scratch, at, kind, (before, expected))
        if problem is not None:
            report.problems.append(f"{name}, call {at} of {report.calls}, {kind}: {problem}")
        shutil.rmtree(scratch / f"{name}-{made}", ignore_errors=True)
    return report


def plan(calls: int, moments: int | None, kinds: Sequence[str], seed: int) -> Iterator[tuple[int, str]]:
    """Which call fails by which kind."""
    drawn = random.Random(seed)
    for kind in kinds:
        for place in sorted(drawn.sample(range(1, calls + 1), min(moments or calls, calls))):
            yield place, kind


def one_fault(
    writer: Writer,
    fresh: Callable[[], Path],
    command: Callable[..., int],
    log: Path,
    scratch: Path,
    at: int,
    kind: str,
    known: tuple[Any, Any],
) -> str | None:
    """What is wrong after one fault and the start after it, None where nothing is."""
    area = fresh()
    status = command(area, at, KINDS[kind])
    said = log.read_text()
    if status not in ((-signal.SIGKILL,) if kind == "kill" else (0, 2)):
        return f"status {status}: {said}"
    if "Traceback" in said:
        return f"a traceback: {said}"
    try:
        found = value_of(lambda: writer.result(area), scratch)
        if writer.whole and found not in known:
            return f"what is there is neither what was nor what will be: {found}"
        status = command(area)
        if status != 0 and not (status == 2 and writer.once and found == known[1]):
            return f"the command after it ends with {status}: {log.read_text()}"
        if value_of(lambda: writer.result(area), scratch) != known[1]:
            return "the command after it makes something else"
    except AssertionError as error:
        return str(error)
    left = [str(path.relative_to(area)) for pattern in LEFTOVERS for path in area.rglob(pattern)]
    return f"left behind: {', '.join(left)}" if left else None
