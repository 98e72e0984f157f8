"""What lies beside the PDF files of a folder, and why no pairs are made of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from pathlib import Path

from smart_train.inputs.extensions import IMAGE_EXTENSIONS, VIDEO_EXTENSIONS
from smart_train.inputs.files import files_below

_NAMED = 5  # files of a reason that are named; the others are counted
_PICTURES = (*IMAGE_EXTENSIONS, ".heic", ".heif", ".svg", ".eps", ".psd", ".djvu", ".ico", ".dds")
_OFFICE = (
    (".doc", ".docx", ".odt", ".rtf", ".ppt", ".pptx", ".odp", ".xls", ".xlsx", ".ods", ".epub", ".html", ".htm")
    + (".md", ".rst", ".tex", ".txt", ".ps", ".pages", ".key", ".numbers")
)  # fmt: skip
_PACKED = (".zip", ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar", ".tar", ".tgz")
_ROWS = (".jsonl", ".json", ".csv", ".tsv", ".parquet", ".arrow")
_REASONS = (
    (_PICTURES, "pictures, which have no text layer: put them into a PDF file with text, for example with ocrmypdf"),
    (_OFFICE, "documents of other types: export them as PDF, for example soffice --headless --convert-to pdf FILE"),
    (_PACKED, "packed files: unpack them"),
    (VIDEO_EXTENSIONS, "videos, which have no pages"),
    (_ROWS, "rows of data, which recipes read as they are"),
)
_OTHERS = "files of types that are not known here"


def files_beside(folder: Path, read: Collection[Path]) -> tuple[dict[str, int], list[str]]:
    """Reason -> number of the files below `folder` that are not in `read` (hidden ones aside), and a line for each
    reason that names the first of them."""
    found: dict[str, list[Path]] = defaultdict(list)
    for file in files_below(folder):
        if file not in read:
            suffix = file.suffix.lower()
            reason = next((reason for extensions, reason in _REASONS if suffix in extensions), _OTHERS)
            found[reason].append(file)
    lines = [f"{len(files)} {reason} ({_names(folder, files)})" for reason, files in found.items()]
    return {reason.partition(":")[0]: len(files) for reason, files in found.items()}, lines


def _names(folder: Path, files: Sequence[Path]) -> str:
    names = [file.relative_to(folder).as_posix() for file in files[:_NAMED]]
    return ", ".join(names) + (f" and {len(files) - _NAMED} more" if len(files) > _NAMED else "")
