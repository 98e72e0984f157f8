"""Lets one process at a time write to a folder; the next one gets an error that names the first.

The lock is a file that says who holds it. A process that was killed leaves it behind, so it counts only while its
holder can be seen: on this machine by the process itself, on another by the holder touching the file every few
seconds. Locks of the operating system were not chosen, because workers that a process forks keep them after it is
killed, and network file systems need not show them to other machines.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path

from smart_train.errors import BusyError
from smart_train.utils.atomic import naming_refusals, real_place

LOCK_NAME = ".smart_train.lock"
BEAT = 10.0  # seconds between two touches
SILENCE = 60.0  # seconds without one after which a holder on another machine counts as gone
_LONGEST = 4096  # bytes of a lock
_UNKNOWN = 0  # when a process began, where the system does not say it: macOS, or another user's on many clusters
_STAT = "/proc/{}/stat"


@dataclass(frozen=True)
class Holder:
    """Who holds a lock.

    Attributes:
        began: when the process began, in ticks of its machine's clock: its number alone may be another's by now.
            `_UNKNOWN` where the system does not say it.
        place: the kernel and the set of processes that `pid` is a number in.
        since: when the lock was taken. doing: what for.
    """

    host: str
    place: str
    pid: int
    began: int
    since: float
    doing: str

    @classmethod
    def me(cls, doing: str) -> Holder:
        return cls(socket.gethostname(), _place(), os.getpid(), _began(os.getpid()) or _UNKNOWN, time.time(), doing)

    @property
    def is_near(self) -> bool:
        """Whether its process could be seen from here."""
        return self.place == _place()

    @property
    def is_alive(self) -> bool:
        """Of a holder that is near."""
        now = _began(self.pid)
        return now is not None and (now == self.began or _UNKNOWN in (now, self.began))

    def __str__(self) -> str:
        since = datetime.fromtimestamp(self.since, timezone.utc)
        minutes = max(0, round((time.time() - self.since) / 60))
        return f"{self.doing}, process {self.pid} on {self.host}, since {since:%Y-%m-%d %H:%M} UTC ({minutes} min)"


def beside(target: Path) -> Path:
    """The lock of a folder or file that is replaced as a whole: one, by whichever link or "." it is named."""
    target = real_place(target)
    return target.parent / f".{target.name}.lock"


@contextlib.contextmanager
def only_one(
    lock: Path, doing: str, *, patience: float = 0.0, by: Callable[[Callable[[], None]], None] = lambda act: act()
) -> Iterator[None]:
    """Holds the file `lock`, made here and removed at the end, against all other processes and threads.

    Args:
        doing: what is said of this process to those that are refused.
        patience: seconds to wait for a holder that is alive.
        by: what runs the taking of the lock, where one of several processes takes it for all.

    Raises:
        BusyError: another process holds it.
        WriteError: the file system refuses the file.
    """
    held: list[_Held] = []
    try:
        by(lambda: held.append(_take(lock, doing, patience)))
        yield
    finally:
        for one in held:
            one.release()


def check_free(lock: Path) -> None:
    """Raises BusyError when a process of this machine holds `lock`; removes the lock of one that has ended. Does not
    wait: it is a check before work that would be lost."""
    try:
        holder = _read(lock.read_bytes())
    except OSError:
        return
    if holder is None or not holder.is_near:
        return
    if holder.is_alive:
        raise _refusal(lock, holder)
    _remove(lock, holder)


class _Held:
    def __init__(self, lock: Path, holder: Holder) -> None:
        self.lock, self.holder = lock, holder
        self._ended = threading.Event()
        threading.Thread(target=self._beat, name=f"lock {lock}", daemon=True).start()

    def _beat(self) -> None:
        while not self._ended.wait(BEAT):
            with contextlib.suppress(OSError):  # the next beat may succeed, and a thread has no caller to raise to
                if _read(self.lock.read_bytes()) not in (self.holder, None):
                    return  # this process slept for so long that another took the lock
                os.utime(self.lock)

    def release(self) -> None:
        self._ended.set()
        _remove(self.lock, self.holder)


def _remove(lock: Path, holder: Holder) -> None:
    """Removes a lock, unless another has it by now. One that cannot be removed is stale once its process has ended."""
    with contextlib.suppress(OSError), _opened(lock) as handle:
        if _read(os.pread(handle, _LONGEST, 0)) == holder:
            lock.unlink()


def _take(lock: Path, doing: str, patience: float) -> _Held:
    mine, begun = Holder.me(doing), time.monotonic()
    touched, heard, announced = 0, begun, False
    while True:
        with naming_refusals(lock):
            lock.parent.mkdir(parents=True, exist_ok=True)
            with _opened(lock, os.O_CREAT) as handle:
                holder, now = _read(os.pread(handle, _LONGEST, 0)), time.monotonic()
                before, touched = touched, os.fstat(handle).st_mtime_ns
                heard = heard if touched == before else now
                if holder is None or (not holder.is_alive if holder.is_near else now - heard >= SILENCE):
                    os.ftruncate(handle, 0)
                    os.pwrite(handle, json.dumps(asdict(mine)).encode(), 0)
                    os.fsync(handle)
                    return _Held(lock, mine)
        beats = before not in (0, touched)
        if (holder.is_near or beats) and now - begun >= patience:
            raise _refusal(lock, holder)
        if not (holder.is_near or announced):
            announced = True
            print(f"smart-train: {_folder_of(lock)} is locked by {holder}, on another machine; waiting up to "
                  f"{SILENCE:g} seconds to see whether that process still runs", file=sys.stderr)  # fmt: skip
        time.sleep(0.1)


@contextlib.contextmanager
def _opened(lock: Path, flags: int = 0) -> Iterator[int]:
    """The lock's file, alone in it for an instant: who holds it is read and written in one step."""
    while True:
        handle = os.open(lock, os.O_RDWR | flags, 0o666)
        try:
            with contextlib.suppress(OSError):  # a file system without locks: two within a millisecond may both pass
                fcntl.flock(handle, fcntl.LOCK_EX)
            if _is(lock, handle):  # else it was removed while this waited for it
                yield handle
                return
        finally:
            os.close(handle)


def _is(lock: Path, handle: int) -> bool:
    try:
        return os.path.samestat(os.stat(lock), os.fstat(handle))
    except FileNotFoundError:
        return False


def _read(content: bytes) -> Holder | None:
    """The holder that a lock names; None where it is empty or cut off, as after a kill or a power cut."""
    try:
        return Holder(**json.loads(content))
    except (ValueError, TypeError):
        return None


def _folder_of(lock: Path) -> Path:
    """What a lock is for."""
    return lock.parent if lock.name == LOCK_NAME else lock.with_name(lock.name[1:].removesuffix(".lock"))


def _refusal(lock: Path, holder: Holder) -> BusyError:
    return BusyError(
        f"{_folder_of(lock)}: in use by another process ({holder}). Wait for it, or stop it and start again; if it is "
        f"certain that it is gone, delete {lock}"
    )


def _began(pid: int) -> int | None:
    """When a process of this machine began; None where there is none, or one that has ended and whose parent has not
    asked for its status. Not by the time of day, which may be set while it runs."""
    try:
        said = Path(_STAT.format(pid)).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return _UNKNOWN if _runs(pid) else None
    state, *rest = said[said.rindex(")") + 1 :].split()  # the name before it may hold anything
    return None if state in "ZX" else int(rest[18])


def _runs(pid: int) -> bool:
    """Whether there is a process of this number, by a signal that does nothing."""
    try:
        os.kill(max(pid, 1), 0)  # 0 and less would be groups of processes
    except PermissionError:  # another user's
        return True
    except (OSError, OverflowError, TypeError):  # a lock that somebody wrote by hand may hold anything
        return False
    return True


def _place() -> str:
    """This kernel, since it was started, and the set of processes that is seen from here: two containers of one machine
    may have one name, and each its own process 1."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return socket.gethostname()
