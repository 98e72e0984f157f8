"""Files and folders that are whole or absent, also after a power cut: written under a temporary name, synced, moved.

Everything that the package keeps is written here. A write that the system refuses (a full disk, a read-only folder) is
a `WriteError` that names the path, so that no caller has to think of it.
"""

from __future__ import annotations

import contextlib
import errno
import glob
import json
import os
import re
import shlex
import shutil
import stat
import time
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from smart_train.errors import Notice, WriteError

_OWNER_ALONE = 0o600
_ABANDONED = 3600.0  # seconds without a write after which a temporary file has no writer left
_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{8}\.tmp")
_looked_at: set[Path] = set()
# What a system says of a place that takes no more, whichever file the call was about.
_REFUSALS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.EINTR})
# torch.save and safetensors have exceptions of their own for it.
_TORCH_WRITER = ("PytorchStreamWriter", "inline_container", "unexpected pos")
_OS_ERROR = re.compile(r"\(os error (\d+)\)")


def write_json(path: str | Path, value: Any) -> Path:
    """Writes `value` as indented JSON, creating folders; a reader never sees half a file. NaN is a ValueError."""
    return write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def write_text(path: str | Path, text: str) -> Path:
    """Writes `text` as UTF-8, creating folders; a reader never sees half a file."""
    return replace_whole(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def replace_whole(path: str | Path, write: Callable[[Path], Any]) -> Path:
    """Has `write` make a file under a temporary name, then moves it to `path`; folders are made. What a failed write
    leaves behind is removed. On return the file is on the disk, whatever happens to the machine.

    The temporary name is hidden, lies beside `path`, and no other process or thread chooses it at the same time.

    Raises:
        WriteError: the file system refuses it; an earlier file at `path` is untouched.
    """
    replace_together({Path(path): write})
    return Path(path)


def replace_together(writes: Mapping[Path, Callable[[Path], Any]]) -> None:
    """As `replace_whole`, for files that belong together: none takes its name before all of them are on the disk.

    A kill in the instant between two moves leaves some old and some new; whoever reads them must see that.

    Raises:
        WriteError: the file system refuses one of them.
    """
    with contextlib.ExitStack() as stack:
        made = [(path, stack.enter_context(_made(path, write))) for path, write in writes.items()]
        for path, temporary in made:
            with naming_refusals(path):
                os.replace(temporary, path)
        for path, _ in made:  # after all moves: a folder that cannot be synced does not part them
            with naming_refusals(path):
                sync(path.parent)


@contextlib.contextmanager
def _made(path: Path, write: Callable[[Path], Any]) -> Iterator[Path]:
    """What `write` makes, on the disk beside `path`; gone at the end, unless it was moved."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        with naming_refusals(path):
            make_folder(path.parent)
            _clear_leftovers(path.parent)
            temporary.touch()
            mode = temporary.stat().st_mode
            write(temporary)
            _share(temporary, mode)
            sync(temporary)
        yield temporary
    finally:
        with contextlib.suppress(OSError):  # there is one to tell of already
            temporary.unlink(missing_ok=True)


def is_temporary(path: Path) -> bool:
    """Whether this is a file that a write here has begun and not ended, or whose writer was killed."""
    return _TEMPORARY.fullmatch(path.name) is not None


def _clear_leftovers(folder: Path) -> None:
    """Removes temporary files in `folder` whose writers were killed (one of an index is as large as the index), the
    first time that this process writes there: to look before each of ten thousand pages would cost more than they."""
    if folder in _looked_at:
        return
    _looked_at.add(folder)
    for file in folder.glob(".*.tmp"):
        try:
            if is_temporary(file) and time.time() - file.stat().st_mtime > _ABANDONED:
                file.unlink()
        except OSError:
            continue  # another writer cleared it, or it is not ours to clear


@contextlib.contextmanager
def filling(target: Path, *, shared: bool = False) -> Iterator[Path]:
    """A folder to fill, which takes the place of `target` if the body ends without an error, and else is removed.

    When a folder stands at `target` already, it is moved aside, the new one moved in, and only then is the old one
    deleted: a kill at any instant leaves a whole folder, at worst aside, from where `settle` brings it back. Where
    `target` is a link, the folder that it leads to is replaced, and the link stays.

    Args:
        shared: several processes may make the same folder at the same time; the first one's stays.

    Raises:
        WriteError: the file system refuses it.
    """
    target = real_place(target)
    mark = f".{uuid.uuid4().hex[:8]}" if shared else ""
    partial = target.with_name(f".{target.name}{mark}.partial")
    with naming_refusals(target):
        if shared:
            _clear_fillings(target)
        else:
            settle(target)
        _discard(partial)
        make_folder(partial.parent)
        partial.mkdir()
        try:
            yield partial
            share_folder(partial)
            sync_folder(partial)
            _move_shared(partial, target) if shared else _replace(partial, target)
        finally:
            _discard(partial)


def settle(target: Path) -> None:
    """Ends what `filling` began before it was killed: an old folder that was moved aside comes back, unless a new one
    stands in its place. `filling` itself begins with it; call it before a look at what is there."""
    target = real_place(target)
    old = aside(target)
    if old.exists() and not target.exists():
        old.rename(target)
    _discard(old)


def aside(target: Path) -> Path:
    """Where `filling` moves the old folder for the instant of the exchange."""
    target = real_place(target)
    return target.parent / f".{target.name}.replaced"  # not with_name, which the root of the file system has not


def real_place(target: Path) -> Path:
    """`target` without links, "." and "..": the folder or file that is replaced, by the name that its neighbours are
    made from."""
    return Path(os.path.realpath(target))


def _discard(folder: Path) -> None:
    """Removes a temporary folder as far as that is possible. Of a link, the link: `shutil.rmtree` refuses those, and
    what one leads to is not temporary."""
    if folder.is_symlink():
        with contextlib.suppress(OSError):
            folder.unlink()
    else:
        shutil.rmtree(folder, ignore_errors=True)


def make_folder(folder: Path) -> None:
    """Makes `folder` and those above it that are missing, each on the disk by its name."""
    missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for parent in missing:
        sync(parent.parent)


def _clear_fillings(target: Path) -> None:
    """Removes what killed processes left of `target`, where several fill it under names of their own."""
    for left in target.parent.glob(f".{glob.escape(target.name)}.*.partial"):
        with contextlib.suppress(OSError):  # another process cleared it
            if time.time() - left.stat().st_mtime > _ABANDONED:
                _discard(left)


def remove(path: Path) -> None:
    """Deletes a file, or a folder with all that is in it. What is not there is fine.

    Raises:
        WriteError: the file system refuses it.
    """
    with naming_refusals(path):
        if path.is_dir() and not path.is_symlink():
            try:
                shutil.rmtree(path)
            except OSError as error:  # of what is in it, it says the last part of the name alone
                raise OSError(error.errno, error.strerror, str(path)) from error
        else:
            path.unlink(missing_ok=True)


def share_folder(folder: Path) -> None:
    """Lets those read the files in `folder` who may look into it. safetensors makes each of its files for the owner
    alone, whatever the user's umask says, and colleagues on one machine could not read a model that was trained."""
    mode = folder.stat().st_mode
    for parent, _, names in os.walk(folder):
        for name in names:
            _share(Path(parent, name), mode)


def _share(file: Path, mode: int) -> None:
    """Gives a file that its owner alone may read and write the `mode` of one that was made in the usual way, or of a
    folder. By these, and not by the umask, because the access lists of a folder may ask for more."""
    if not file.is_symlink() and stat.S_IMODE(file.stat().st_mode) == _OWNER_ALONE:
        with contextlib.suppress(OSError):  # a file system without modes
            file.chmod(_OWNER_ALONE | (mode & 0o066))


def sync(path: Path) -> None:
    """Returns when a file's content, or a folder's names, are on the disk and not only in memory."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        # Some network file systems cannot sync a folder, and need not.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP) or not path.is_dir():
            raise
    finally:
        os.close(handle)


def sync_folder(folder: Path) -> None:
    """`sync` for everything below `folder`, and itself."""
    for parent, _, names in os.walk(folder, topdown=False):
        for name in names:
            sync(Path(parent, name))
        sync(Path(parent))


@contextlib.contextmanager
def naming_refusals(path: Path) -> Iterator[None]:
    """Turns a write that the system refuses inside into a WriteError that names `path`. Other errors pass: files that
    are read inside may be missing or unreadable, which says nothing of the place that is written to."""
    try:
        yield
    except Exception as error:
        reason = refusal(error, path)
        if reason is None:
            raise
        raise WriteError(
            f"{path}: cannot be written ({reason}); free some space there or make it writable, and run the same "
            "command again"
        ) from error


def refusal(error: BaseException, path: Path) -> str | None:
    """Why the system refused a write at or below `path`, where `error` says that it did; else None."""
    if isinstance(error, WriteError):
        return None  # its message names the file already
    if isinstance(error, OSError):
        names = [Path(name) for name in (error.filename, error.filename2) if isinstance(name, str)]
        names_path = error.errno != errno.ENOENT and any(_belongs(name, path) for name in names)
        if names and not names_path and error.errno == errno.EIO:
            return None  # another file, which could not be read
        return error.strerror or str(error) if names_path or error.errno in _REFUSALS else None
    os_error = _OS_ERROR.search(str(error))
    if type(error).__name__ == "SafetensorError" and os_error is not None:
        return os.strerror(int(os_error[1]))
    if isinstance(error, RuntimeError) and any(word in str(error) for word in _TORCH_WRITER):
        return "torch.save: the disk takes no more"
    return None


def _replace(new: Path, target: Path) -> None:
    within = _working_place(target)
    if target.exists():
        target.rename(aside(target))
    try:
        new.rename(target)
        sync(target.parent)
    finally:
        settle(target)
        if within is not None:  # else this process would go on in a folder that is deleted
            os.chdir(target / within if (target / within).is_dir() else target)
    if within is not None:
        warnings.warn(
            Notice(
                f"{target}: was replaced by a new folder of this name. A shell that was started in the old one shows "
                f"nothing any more; run there: cd {shlex.quote(str(target))}"
            ),
            stacklevel=2,
        )


def _working_place(target: Path) -> Path | None:
    """Where in `target` this process works; None: elsewhere."""
    try:
        here = Path.cwd()
    except FileNotFoundError:  # deleted by somebody else
        return None
    return here.relative_to(target) if here.is_relative_to(target) else None


def _move_shared(new: Path, target: Path) -> None:
    try:
        new.rename(target)
    except OSError:
        if not target.is_dir():  # else another process was faster, and its folder is as good
            raise
    sync(target.parent)


def _belongs(name: Path, path: Path) -> bool:
    """Whether `name` is `path`, in it, above it, or one of the temporary names that are made for it."""
    if path in (name, *name.parents) or name in path.parents:
        return True
    return any(part.parent == path.parent and part.name.startswith(f".{path.name}.") for part in (name, *name.parents))
