"""Which files of a folder are read, which others are in it, and why those are not read."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from pathlib import Path

from smart_train.data.formats.office import OFFICE_EXTENSIONS, office_program
from smart_train.data.formats.pdf import pdf_files
from smart_train.inputs.extensions import IMAGE_EXTENSIONS, VIDEO_EXTENSIONS
from smart_train.inputs.folder_listing import files_below

_NAMED = 5  # files of a reason that are named; the others are counted
_PICTURES = (*IMAGE_EXTENSIONS, ".heic", ".heif", ".svg", ".eps", ".psd", ".djvu", ".ico", ".dds")
_TEXTS = (".rst", ".tex", ".txt", ".ps", ".pages", ".key", ".numbers")
_PACKED = (".zip", ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar", ".tar", ".tgz")
_ROWS = (".jsonl", ".json", ".csv", ".tsv", ".parquet", ".arrow")
_REASONS = (
    (_PICTURES, "pictures: put them into PDF files, for example with img2pdf, whose pages OCR then reads"),
    (OFFICE_EXTENSIONS, "office, web and book files: {}"),
    (_TEXTS, "documents of other types: export them as PDF"),
    (_PACKED, "packed files: unpack them"),
    (VIDEO_EXTENSIONS, "videos, which have no pages"),
    (_ROWS, "rows of data, which recipes read as they are"),
)
_OTHERS = "files of types that are not known here"


_TO_INSTALL = "install LibreOffice, whose program soffice is not on the PATH, to have them read, or export them as PDF"
_TO_ALLOW = "let LibreOffice convert them (office auto, --office auto), or export them as PDF"


def files_beside(folder: Path, read: Collection[Path]) -> tuple[dict[str, int], list[str]]:
    """Reason -> number of the files below `folder` that are not in `read` (hidden ones aside), and a line for each
    reason that names the first of them."""
    files_of: dict[str, list[Path]] = defaultdict(list)
    for file in files_below(folder):
        if file not in read:
            suffix = file.suffix.lower()
            files_of[next((reason for extensions, reason in _REASONS if suffix in extensions), _OTHERS)].append(file)
    office = _TO_ALLOW if office_program() else _TO_INSTALL
    lines = [f"{len(files)} {reason.format(office)} ({_names(folder, files)})" for reason, files in files_of.items()]
    return {reason.partition(":")[0]: len(files) for reason, files in files_of.items()}, lines


def count_files(folder: Path, read: Collection[Path], *, office: bool) -> tuple[dict[str, int], list[str]]:
    """What became of every file below `folder` -> how many, and a line for each kind that is not read at all.

    Args:
        read: the files whose pages are used. office: whether LibreOffice was to convert what it can.
    """
    there = files_to_read(folder, office)
    beside, lines = files_beside(folder, set(there))
    kinds = Counter((file.suffix.lower() == ".pdf", file in read) for file in there)
    counts = {
        "PDF files read": kinds[True, True],
        "PDF files that cannot be used": kinds[True, False],
        "office, web and book files converted and read": kinds[False, True],
        "office, web and book files that cannot be used": kinds[False, False],
        **beside,
    }
    return {what: number for what, number in counts.items() if number}, lines


def files_to_read(folder: Path, office: bool) -> list[Path]:
    """The PDF files below `folder`, and with `office` also what LibreOffice makes PDF files of; sorted."""
    return files_below(folder, (".pdf", *OFFICE_EXTENSIONS)) if office else pdf_files(folder)


def _names(folder: Path, files: Sequence[Path]) -> str:
    names = [file.relative_to(folder).as_posix() for file in files[:_NAMED]]
    return ", ".join(names) + (f" and {len(files) - _NAMED} more" if len(files) > _NAMED else "")
