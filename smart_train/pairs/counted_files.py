"""Which files of a folder are read, which others are in it, and why those are not read."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from smart_train.data.formats.office import OFFICE_EXTENSIONS, office_program
from smart_train.data.formats.pdf import pdf_files
from smart_train.inputs.extensions import IMAGE_EXTENSIONS, OTHER_PICTURES, VIDEO_EXTENSIONS
from smart_train.inputs.folder_listing import files_below
from smart_train.utils.counts import counted


@dataclass(frozen=True)
class _Kind:
    """Files that are not read: their endings, what several of them and one are called, and what to do."""

    extensions: tuple[str, ...]
    several: str
    one: str
    to_do: str = ""


_NAMED = 5  # files of a reason that are named; the others are counted
_PICTURES = (*IMAGE_EXTENSIONS, *OTHER_PICTURES)
_TEXTS = (".rst", ".tex", ".txt", ".ps", ".pages", ".key", ".numbers")
_PACKED = (".zip", ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar", ".tar", ".tgz")
_ROWS = (".jsonl", ".json", ".csv", ".tsv", ".parquet", ".arrow", ".feather")
# Each kind of file with the words for one of them, and what to do with such files.
_KINDS = (
    _Kind(_PICTURES, "pictures", "picture", "put such files into PDF files, for example with img2pdf; OCR reads these"),
    _Kind(OFFICE_EXTENSIONS, "office, web and book files", "office, web or book file", "{}"),
    _Kind(_TEXTS, "documents of other types", "document of another type", "export such files as PDF"),
    _Kind(_PACKED, "packed files", "packed file", "unpack such files"),
    _Kind(VIDEO_EXTENSIONS, "videos, which have no pages", "video, which has no pages"),
    _Kind(_ROWS, "files of rows, which recipes read as they are", "file of rows, which recipes read as it is"),
    _Kind((), "links to nothing", "link to nothing", "remove such links, or mend them"),
    _Kind((), "files of types that are not known here", "file of a type that is not known here"),
)
_BROKEN_LINK, _OTHERS = _KINDS[-2:]
_READ = ("PDF files read", "PDF file read")
_UNUSABLE = ("PDF files that cannot be used", "PDF file that cannot be used")
_CONVERTED = ("office, web and book files converted and read", "office, web or book file converted and read")
_NOT_CONVERTED = ("office, web and book files that cannot be used", "office, web or book file that cannot be used")
_ONE = dict([_READ, _UNUSABLE, _CONVERTED, _NOT_CONVERTED, *((kind.several, kind.one) for kind in _KINDS)])

_TO_INSTALL = (
    "install LibreOffice, whose program soffice is not on the PATH, to have such files read, or export them as PDF"
)
_TO_ALLOW = "let LibreOffice convert such files (office auto, --office auto), or export them as PDF"


def files_in_words(number: int, kind: str) -> str:
    """`3 pictures`, `1 picture`.

    Args:
        kind: a key of what `count_files` gives.
    """
    return counted(number, _ONE[kind], kind)


def files_beside(folder: Path, read: Collection[Path]) -> tuple[dict[str, int], list[str]]:
    """Kind -> number of the files below `folder` that are not in `read` (hidden ones aside), and a line for each kind
    that names the first of them and says what to do."""
    files_of: dict[_Kind, list[Path]] = defaultdict(list)
    for file in files_below(folder):
        if file not in read:
            files_of[_kind_of(file)].append(file)
    office = _TO_ALLOW if office_program() else _TO_INSTALL
    lines = [
        f"{files_in_words(len(files), kind.several)}{': ' if kind.to_do else ''}{kind.to_do.format(office)} "
        f"({_names(folder, files)})"
        for kind, files in files_of.items()
    ]
    return {kind.several: len(files) for kind, files in files_of.items()}, lines


def _kind_of(file: Path) -> _Kind:
    if not file.exists():
        return _BROKEN_LINK
    return next((kind for kind in _KINDS if file.suffix.lower() in kind.extensions), _OTHERS)


def count_files(folder: Path, read: Collection[Path], *, office: bool) -> tuple[dict[str, int], list[str]]:
    """What became of every file below `folder` -> how many, and a line for each kind that is not read at all.

    Args:
        read: the files whose pages are used. office: whether LibreOffice was to convert what it can.
    """
    there = files_to_read(folder, office)
    beside, lines = files_beside(folder, set(there))
    kinds = Counter((file.suffix.lower() == ".pdf", file in read) for file in there)
    counts = {
        _READ[0]: kinds[True, True],
        _UNUSABLE[0]: kinds[True, False],
        _CONVERTED[0]: kinds[False, True],
        _NOT_CONVERTED[0]: kinds[False, False],
        **beside,
    }
    return {what: number for what, number in counts.items() if number}, lines


def files_to_read(folder: Path, office: bool) -> list[Path]:
    """The PDF files below `folder`, and with `office` also what LibreOffice makes PDF files of; sorted."""
    return files_below(folder, (".pdf", *OFFICE_EXTENSIONS)) if office else pdf_files(folder)


def _names(folder: Path, files: Sequence[Path]) -> str:
    names = [file.relative_to(folder).as_posix() for file in files[:_NAMED]]
    return ", ".join(names) + (f" and {len(files) - _NAMED} more" if len(files) > _NAMED else "")
