"""Rows of a text file that stay in the file: a row is read and parsed when it is asked for, and all that is kept of it
is where it begins.

Places in the file itself were chosen over an Arrow file beside it: they give what the file says to the letter, while a
column of Arrow cannot hold a text in one row and a mapping in the next; and they need no second copy on the disk.
`os.pread` was chosen over `mmap`: the system kills a process that touches a mapped file which has become shorter, while
a read comes back short.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import weakref
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import IO, Any

from smart_train.errors import DataError
from smart_train.utils.text_files import GZIP

Row = Mapping[str, Any]
_BOM = b"\xef\xbb\xbf"  # UTF-8's mark at the beginning, which is not a part of the text
_AT_ONCE = 2**20


class RowsFile:
    """The bytes of a file of rows. They stay in it; those of a compressed file are unpacked into memory, because no
    part of one can be read alone (an unpacked copy on the disk would need a folder that may be written).

    Whether the file is still the one that was read first is asked at each read: by size and time, and where these
    differ by a digest of what was read. A file that was only touched or made longer is the same.

    Raises:
        OSError: it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._unpacked = bytearray() if path.suffix.lower() == GZIP else None
        self._place, self._end, self._digest = os.path.abspath(path), 0, b""
        self._lock = Lock()
        self._handle: int | None = None
        if self._unpacked is None:
            self._seen = self._opened()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_lock"} | {"_handle": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = Lock()

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Place and bytes of each line, its end included, which is LF, CR or both. To be gone through once, up to where
        no more is wanted: what comes after is not looked at again.

        Raises: READ_ERRORS of `utils/text_files.py`.
        """
        digest, place = hashlib.blake2b(digest_size=16), 0
        with self._as_file() as file:
            for ended in file:
                if self._unpacked is not None:
                    self._unpacked += ended
                digest.update(ended)
                self._end, self._digest = place + len(ended), digest.digest()
                for line in _parted(ended):
                    mark = len(_BOM) if place == 0 and line.startswith(_BOM) else 0
                    yield place + mark, line[mark:]
                    place += len(line)

    def read(self, start: int, stop: int) -> bytes:
        """The bytes from one place to another.

        Raises:
            DataError: the file cannot be read any more, or is not the one whose lines were read.
        """
        if self._unpacked is not None:
            return bytes(self._unpacked[start:stop])
        with self._lock:
            if self._handle is None:
                self._reopen()
        assert self._handle is not None, "it was opened a moment ago"
        try:
            if _size_and_time(self._handle) != self._seen:
                self._compare()
            content = os.pread(self._handle, stop - start, start)
            if len(content) < stop - start:
                self._compare()
            return content
        except OSError as error:
            raise DataError(f"{self.path}: cannot be read any more ({error.strerror})") from error

    def _as_file(self) -> IO[bytes] | gzip.GzipFile:
        if self._unpacked is not None:
            return gzip.open(self.path)
        assert self._handle is not None, "opened when this object was made"
        return os.fdopen(os.dup(self._handle), "rb")

    def _opened(self) -> tuple[int, int]:
        """Size and time of the file, which is open from now on."""
        self._handle = os.open(self._place, os.O_RDONLY | os.O_CLOEXEC)
        weakref.finalize(self, os.close, self._handle)
        return _size_and_time(self._handle)

    def _reopen(self) -> None:
        """In another process than the one that read the lines."""
        try:
            self._opened()
        except OSError as error:
            raise DataError(
                f"{self.path}: is not there any more ({error.strerror}); the rows of a run are read from it until the "
                "run ends: put it back, and run the same command again"
            ) from error

    def _compare(self) -> None:
        """Raises DataError where the file no longer begins with what was read of it."""
        assert self._handle is not None, "`read` opens it"
        now, digest, place = _size_and_time(self._handle), hashlib.blake2b(digest_size=16), 0
        while part := os.pread(self._handle, min(_AT_ONCE, self._end - place), place):
            digest.update(part)
            place += len(part)
        if digest.digest() != self._digest:
            raise DataError(
                f"{self.path}: was changed after its rows were read; the rows of a run are read from it until the run "
                "ends: put back what it held, or start anew with what it holds now"
            )
        self._seen = now


class FileRows(Sequence[Any]):
    """The rows of a file; a DataError in the place of each that cannot be read.

    Args:
        file: that holds them. parse: (bytes that begin with a row, where it stands) -> the row; picklable.
        starts: where each row begins, and where the last one ends.
        numbers: the rows' numbers in the file, when they are not 0, 1, 2, ...
    """

    def __init__(
        self,
        file: RowsFile,
        parse: Callable[[bytes, str], Row | DataError],
        starts: array[int],
        numbers: array[int] | None = None,
    ) -> None:
        self.file, self.parse, self.starts, self.numbers = file, parse, starts, numbers
        self._last: tuple[int, Row | DataError] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_last": None}

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            places = range(len(self))[index]
            if places.step != 1:
                return [self[place] for place in places]
            numbers = self.numbers[places.start : places.stop] if self.numbers is not None else None
            if self.numbers is None and places.start:
                numbers = array("q", places)
            return FileRows(self.file, self.parse, self.starts[places.start : len(places) + places.start + 1], numbers)
        place = range(len(self))[index]
        last = self._last
        if last is not None and last[0] == place:  # rows with many answers are asked for once for each
            return last[1]
        number = place if self.numbers is None else self.numbers[place]
        content = self.file.read(self.starts[place], self.starts[place + 1])
        row = self.parse(content, f"{self.file.path}, row {number}")
        self._last = place, row
        return row


def _parted(line: bytes) -> list[bytes]:
    """A line that ends in LF, parted where a CR alone ends a line in it."""
    alone = line.find(b"\r", 0, len(line) - 2 if line.endswith(b"\r\n") else len(line))
    return line.splitlines(keepends=True) if alone >= 0 else [line]


def _size_and_time(handle: int) -> tuple[int, int]:
    status = os.fstat(handle)
    return status.st_size, status.st_mtime_ns
