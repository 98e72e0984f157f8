"""Before the main rank checks the rows of a run, every rank reads its share of the images and videos that they name.

The check itself is not divided. It finds files that are known to decode (`inputs.known_files`), and says what it says
in one process, in the same order; only files that do not decode are read by it again. Dividing the check was rejected:
it compares rows with each other, and its messages would have to be put together again.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

from smart_train.data.formats.pdf import is_drawn
from smart_train.data.rows import ExampleRows
from smart_train.distributed import on_each, on_main, rank, world_size
from smart_train.errors import DataError, listing
from smart_train.inputs.images import image_key, verify_image
from smart_train.inputs.known_files import KnownFiles, active, is_file
from smart_train.inputs.video import verify_video, video_key
from smart_train.types import Example
from smart_train.utils.cpu import local_processes, usable_cores
from smart_train.utils.threads import in_threads

_TOGETHER = 10_000  # files of a rank between two times that the main rank takes what was learned, and may save it
_MOST_THREADS = 16


class NamedFile(NamedTuple):
    """A file that rows name, as the main rank sees it.

    Attributes:
        changed: its time of change in nanoseconds. is_known: whether the main rank remembers that it decodes.
    """

    path: str
    is_video: bool
    size: int
    changed: int
    is_known: bool


class Share(NamedTuple):
    """What a rank has learned.

    Attributes:
        host: its machine. facts: `KnownFiles.news` of it.
        copies: files that are not on its machine what the main rank sees there -> the key of their content, None where
            they cannot be read. Of machines other than the main rank's.
    """

    host: str
    facts: dict[str, Any]
    copies: dict[NamedFile, int | None]


def read_shares(sources: Sequence[ExampleRows]) -> None:
    """Decodes and hashes, every rank its share, what the rows of `sources` name and what is not remembered by the main
    rank, which then remembers it. Every rank must call this, within `known_files.remembering`.

    Args:
        sources: the same on every rank.

    Raises:
        DataError: a machine of the run has another file under the same name than the main rank's, or none.
    """
    memory = active()
    assert memory is not None, "what the ranks learn has to be remembered"
    named = on_each(partial(_named, sources, memory))

    def seen_by_main() -> tuple[str, list[NamedFile]]:
        hosts, files = set(), dict[str, bool]()
        for host, names, facts in named:
            hosts.add(host)
            files |= names
            memory.take(facts)
        seen = [file for file in (_seen(memory, *item) for item in files.items()) if file is not None]
        # What is known is read by nobody again, but other machines say whether they have it.
        return socket.gethostname(), seen if len(hosts) > 1 else [file for file in seen if not file.is_known]

    home, files = on_main(seen_by_main)
    together, differences = _TOGETHER * world_size(), []
    for start in range(0, len(files), together):
        shares = on_each(partial(_read, files[start : start + together], home, memory))
        differences += on_main(partial(_take, shares, home, memory))

    def refuse() -> None:
        if differences:
            raise DataError(
                f"{len(differences)} files are not the same on all machines of this run:\n{listing(differences)}\n"
                "Each machine reads its own files while training: put the same ones there, or name a folder that all "
                "share"
            )

    on_main(refuse)


def _named(sources: Sequence[ExampleRows], memory: KnownFiles) -> tuple[str, dict[str, bool], dict[str, Any]]:
    """This rank's machine; the files that its share of the rows names -> whether each is a video; and what was learned
    of encoded images inside these rows, which are decoded at once. Rows that cannot be read are left to the check.

    The share is one piece: neighbouring rows often name pages of one PDF file, which is drawn whole.
    """
    files: dict[str, bool] = {}
    for rows in sources:
        share = range(len(rows) * rank() // world_size(), len(rows) * (rank() + 1) // world_size())
        for names in _in_threads(partial(_names, rows.without_content_ids()), share):
            files |= names
    return socket.gethostname(), files, memory.news()


def _names(rows: ExampleRows, index: int) -> dict[str, bool]:
    names: dict[str, bool] = {}
    try:
        example: Example = rows[index]
    except DataError:
        return names
    for item in (example.query, *example.documents):
        images, video = item.images, item.video
        if isinstance(video, (list, tuple)):
            images, video = (*images, *video), None
        for image in images:
            if isinstance(image, bytes):
                with contextlib.suppress(DataError):
                    verify_image(image)
            elif is_file(image):
                names[os.fspath(image)] = False
        if video is not None and is_file(video):
            names[os.fspath(video)] = True
    return names


def _seen(memory: KnownFiles, path: str, is_video: bool) -> NamedFile | None:
    """The file; None where it is missing, which the check tells."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    is_known = memory.knows(path, "video" if is_video else "image", "key")
    return NamedFile(path, is_video, status.st_size, status.st_mtime_ns, is_known)


def _read(files: Sequence[NamedFile], home: str, memory: KnownFiles) -> Share:
    """Reads this rank's share of the `files` that are not known. On another machine than the main rank's (`home`) it
    also looks at its part of all of them: where one is not the main rank's file, its content is hashed here."""
    unread = [file for file in files if not file.is_known]
    for _ in _in_threads(_learn, [file for file in unread[rank() :: world_size()] if _is_seen(file)]):
        pass
    facts = memory.news()
    copies: list[NamedFile] = []
    host = socket.gethostname()
    if host != home:
        place = int(os.environ.get("LOCAL_RANK", "0"))
        copies = [file for file in files[place :: local_processes()] if not _is_same(file)]
    keys = dict(zip(copies, _in_threads(_key, copies), strict=True))
    memory.news()  # of this machine's copies: the main rank has other files under these names
    return Share(host, facts, keys)


def _take(shares: Sequence[Share], home: str, memory: KnownFiles) -> list[str]:
    """Lets the main rank remember what the ranks learned. Returns how files of other machines differ from its own."""
    differences = []
    for share in shares:
        memory.take(share.facts)
    for share in shares:
        keys = _in_threads(_key, [*share.copies])
        for (file, theirs), ours in zip(share.copies.items(), keys, strict=True):
            if ours is not None and ours != theirs:
                what = "is missing or cannot be read" if theirs is None else "holds other content"
                differences.append(f"{file.path}: {what} on {share.host}, compared with {home}")
                memory.forget(file.path)  # or the next start would take it for one that was compared
    return sorted(differences)


def _is_seen(file: NamedFile) -> bool:
    """Whether this rank sees the file that the main rank sees, as far as size and time tell."""
    try:
        status = os.stat(file.path)
    except OSError:
        return False
    return (status.st_size, status.st_mtime_ns) == (file.size, file.changed)


def _is_same(file: NamedFile) -> bool:
    """Whether this machine's file need not be compared: it is the main rank's by size and time, or by size alone where
    an earlier start has read that one; or each machine draws it for itself."""
    if is_drawn(file.path):
        return True
    try:
        return os.stat(file.path).st_size == file.size if file.is_known else _is_seen(file)
    except OSError:
        return False


def _learn(file: NamedFile) -> None:
    with contextlib.suppress(DataError):  # the check reads it again, and says what is wrong with it
        (verify_video if file.is_video else verify_image)(file.path)
        _key_of(file)


def _key(file: NamedFile) -> int | None:
    try:
        return _key_of(file)
    except DataError:
        return None


def _key_of(file: NamedFile) -> int:
    return (video_key if file.is_video else image_key)(file.path)


def _in_threads(function: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[Any]:
    """Like `map`. Pillow decodes outside Python's global lock."""
    return in_threads(function, items, max(1, min(_MOST_THREADS, usable_cores() // local_processes())))
