"""What is known of image and video files that were read before: their content key, that they decode, and how large an
image is.

A file is known by path, size and time of change, encoded bytes by their content. A file that changed within the last
seconds is not remembered: it could change again without a new time (the clock of a file system is coarse).
"""

from __future__ import annotations

import json
import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, Literal

import PIL

from smart_train.errors import WriteError
from smart_train.inputs.fetching import URL_SCHEMES
from smart_train.utils.atomic import write_text
from smart_train.utils.hashing import stable_hash

Fact = Literal["key", "image", "video", "size"]

# What "decodes" means depends on Pillow, and on the limits of this package: raise the number when these change.
_MADE_BY = f"1, Pillow {PIL.__version__}"
_SETTLED_NS = 2_000_000_000
_BYTES = "bytes "  # begins the name of encoded bytes, which are no file
_SAVED_EVERY = 10_000  # new facts, at least: a check that is killed does not begin anew
_Row = list[
    int | None
]  # bytes, time of change in nanoseconds, then the facts: key, 1 where it decodes as an image, ...
_PLACES: dict[Fact, int] = {"key": 2, "image": 3, "video": 4, "size": 5}
_WITHOUT_SIZES = 5  # entries of a row that an earlier version wrote


class KnownFiles:
    """Facts about files, kept in one file. Safe to use from many threads.

    Args:
        file: where they are kept. One that cannot be read, or that another version made, counts as empty.
        writes: whether to save; of several processes one should.
    """

    def __init__(self, file: Path, *, writes: bool = True) -> None:
        self.file, self.writes = file, writes
        self._rows: dict[str, _Row] = _read(file)
        self._used: set[str] = set()
        self._learned: set[str] = set()  # since `news` was last asked for
        self._new = 0
        self._lock = Lock()

    def fact(self, reference: str | os.PathLike[str] | bytes, fact: Fact, make: Callable[[], int]) -> int:
        """The fact about a file, or about encoded bytes, from memory where it is known, else by `make`, whose errors
        pass."""
        # Before it is read: one that changes meanwhile is met with another time the next time.
        identity = _identity(reference)
        if identity is None:
            return make()
        name, size, changed = identity
        place = _PLACES[fact]
        with self._lock:
            row = self._rows.get(name)
            if row is not None and row[:2] == [size, changed]:
                self._used.add(name)
                value = row[place]
                if value is not None:
                    return value
        value = make()
        if not 0 <= changed < time.time_ns() - _SETTLED_NS:
            return value
        with self._lock:
            row = self._rows.get(name)
            if row is None or row[:2] != [size, changed]:
                row = self._rows[name] = [size, changed, *(None for _ in _PLACES)]
            row[place] = value
            self._used.add(name)
            self._learned.add(name)
            self._new += 1
            self._save_at_times()
        return value

    def knows(self, reference: str | os.PathLike[str], *facts: Fact) -> bool:
        """Whether all these facts about a file are known."""
        identity = _identity(reference)
        with self._lock:
            row = None if identity is None else self._rows.get(identity[0])
        if identity is None or row is None or row[:2] != [*identity[1:]]:
            return False
        return all(row[_PLACES[fact]] is not None for fact in facts)

    def news(self) -> dict[str, _Row]:
        """What was learned since this was last called, to be handed to another process."""
        with self._lock:
            rows = {name: self._rows[name] for name in self._learned}
            self._learned.clear()
        return rows

    def take(self, rows: Mapping[str, _Row]) -> None:
        """Adds the `news` of another process that sees the same files. Where a file has changed since, they are never
        used: it is known by its size and time."""
        with self._lock:
            for name, row in rows.items():
                mine = self._rows.get(name)
                if mine is None or mine[:2] != row[:2]:
                    mine = self._rows[name] = [*row]
                mine[2:] = [theirs if ours is None else ours for ours, theirs in zip(mine[2:], row[2:], strict=True)]
                self._used.add(name)
            self._new += len(rows)
            self._save_at_times()

    def forget(self, reference: str | os.PathLike[str]) -> None:
        """Knows nothing of this file from now on."""
        identity = _identity(reference)
        with self._lock:
            if identity is not None and self._rows.pop(identity[0], None) is not None:
                self._learned.discard(identity[0])
                self._new += 1

    def save(self) -> None:
        """Writes what is new, without files that are gone. A place that cannot be written costs time at the next start
        and nothing else, so that is a warning."""
        with self._lock:
            self._save()

    def _save_at_times(self) -> None:
        """Each time the file is written whole, so the more it holds, the more rarely."""
        if self._new >= max(_SAVED_EVERY, len(self._rows) // 4):
            self._save()

    def _save(self) -> None:
        if not (self.writes and self._new):
            return
        self._new = 0
        unused = (name for name in self._rows if name not in self._used and not name.startswith(_BYTES))
        for name in [name for name in unused if not os.path.exists(name)]:
            del self._rows[name]
        text = json.dumps({"made_by": _MADE_BY, "files": self._rows}, separators=(",", ":"))
        try:
            write_text(self.file, text)
        except WriteError as error:
            said = f"{error}. The check of images is not remembered: the next start makes it again"
            warnings.warn(said, stacklevel=2)


_active: list[KnownFiles] = []


@contextmanager
def remembering(file: Path, *, writes: bool = True) -> Iterator[None]:
    """Within, `recall` knows what earlier calls learned of files; what is new is saved, also when an error ends it.
    Inside another, the outer one is used.

    Args:
        file: where it is kept. writes: as `KnownFiles`.
    """
    if _active:
        yield
        return
    known_files = KnownFiles(file, writes=writes)
    _active.append(known_files)
    try:
        yield
    finally:
        _active.remove(known_files)
        known_files.save()


def recall(reference: Any, fact: Fact, make: Callable[[], int]) -> int:
    """What `make` says of an image or a video, without calling it where that is remembered. Its errors pass, and are
    not remembered."""
    if not _active or not (isinstance(reference, bytes) or is_file(reference)):
        return make()
    if isinstance(reference, bytes) and fact in ("key", "size"):  # either costs less than its identity, or is it
        return make()
    return _active[-1].fact(reference, fact, make)


def active() -> KnownFiles | None:
    """What `recall` uses now."""
    return _active[-1] if _active else None


def is_file(reference: Any) -> bool:
    """Whether a reference to an image or a video names a file, rather than an address or the content itself."""
    if isinstance(reference, str):
        return not reference.startswith((*URL_SCHEMES, "data:"))
    return isinstance(reference, os.PathLike)


def _identity(reference: str | os.PathLike[str] | bytes) -> tuple[str, int, int] | None:
    """Name, size and time of change; None where the file is missing, which is told when it is read."""
    if isinstance(reference, bytes):
        return f"{_BYTES}{stable_hash(reference)}", len(reference), 0
    try:
        status = os.stat(reference)
    except (OSError, ValueError):
        return None
    return os.path.abspath(reference), status.st_size, status.st_mtime_ns


def _read(file: Path) -> dict[str, _Row]:
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        rows = values["files"] if values["made_by"] == _MADE_BY else {}
        rows = {name: [*row, None] if len(row) == _WITHOUT_SIZES else row for name, row in rows.items()}
        return {name: row for name, row in rows.items() if len(row) == 2 + len(_PLACES)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
