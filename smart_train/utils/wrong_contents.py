"""What a file holds in the place of what its name says, told by its first bytes: what downloads and copies leave
behind, and formats that are not read."""

from __future__ import annotations

BEGINNING = 256  # bytes that are enough to tell

_LFS = b"version https://git-lfs.github.com/spec/"
_WEB_PAGES = (b"<!doctype html", b"<html")
_HEIC = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")


def left_behind(head: bytes) -> str | None:
    """Which file stands in the place of another whose download failed or was left for later, and what to do; None of
    any other beginning."""
    if head.startswith(_LFS):
        return "a pointer of Git LFS, and not the file itself; fetch that: git lfs pull"
    if head.lstrip().lower().startswith(_WEB_PAGES):
        return "a web page, as servers send it where a file is gone; download the file again"
    return None


def no_picture(head: bytes) -> str | None:
    """What is called a picture and is none that is read, and what to do; None where that is not known."""
    if head[4:8] == b"ftyp" and head[8:12] in _HEIC:
        return "a HEIC picture; save it as JPEG or PNG"
    if head.startswith(b"%PDF-"):
        return "a PDF file; call it so, and name a page of it: FILE.pdf#page=1"
    if b"<svg" in head.lower():
        return "an SVG drawing; save it as PNG"
    return left_behind(head)
