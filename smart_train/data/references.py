"""What a row calls an image or video by: a path below the data root, a page of a PDF or TIFF file, a URL, a data URI,
base64."""

from __future__ import annotations

import os
import re
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from smart_train.data.formats.ocr_engine import INSTALL
from smart_train.data.formats.pdf import read_pdf
from smart_train.data.formats.tiff import read_image_pages
from smart_train.errors import DataError
from smart_train.inputs.encoded import encoded_image
from smart_train.inputs.extensions import IMAGE_EXTENSIONS, TIFF_EXTENSIONS, VIDEO_EXTENSIONS
from smart_train.inputs.fetching import URL_SCHEMES, path_of_address
from smart_train.inputs.images import describe_image
from smart_train.inputs.text import check_characters

# Pages and pictures that nothing here can read as an image; their names are no text to be searched either. What
# IMAGE_EXTENSIONS lists is read all the same.
OTHER_TYPES = (
    "pdf|svgz?|e?ps|heic|heif|avifs?|jp2|j2k|jpx|jxl|jfif|jpe|pgm|pbm|pnm|ico|apng|psd|djvu|emf|wmf|"
    "docx?|pptx?|xlsx?|odt|odp|ods|epub"
)
_NO_IMAGE = re.compile(rf"[^\n]{{1,250}}\.({OTHER_TYPES})", re.IGNORECASE)
# What else to do where a model that reads only text is given images.
READ_AS_TEXT = (
    " (pages of PDF files have a text: pages_as: text in a recipe, --pages-as text on the command line; scans and "
    f"pictures have one by OCR: {INSTALL})"
)
UNREADABLE = "put the right file there, or remove the row"  # what to do about an image or a video
# As in a link: pages count from 1, other parameters of the address say how a reader shows them.
PAGE_NAME = re.compile(
    r"(?P<file>[^\n]+?\.(?:pdf|tiff?))[#?](?:[^\s#?]*&)?page=0*(?P<number>\d+)(?:[&#?]\S*)?", re.IGNORECASE
)
_PDF_OTHERWISE = re.compile(r"\S+\.pdf(?:[\W_]{1,3}(?:pages?|pg|p|seite|s)?[\W_]{0,2}\d+\W?|[#?]\S*)", re.IGNORECASE)
ADDRESS = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]{1,20})://\S*")
# How exports of Label Studio name files; what is uploaded it keeps below its folder `upload`.
_LABEL_STUDIO = re.compile(r"/data/(?:local-files/\?d=(?P<local>.+)|(?P<upload>upload/.+))", re.DOTALL)
_ONE_WORD_PATH = re.compile(r"(?:[^\s/]+/)+[^\s/]+")
_Page = TypeVar("_Page")
_ONE_WORD_FILE = re.compile(r"\S+\.\w{1,8}")


_INVISIBLE = "\ufeff\u200b\u200e\u200f\u2060"  # marks that editors and web pages leave around a name


def bare(text: str) -> str:
    """A name without blanks and invisible marks around it."""
    return text.strip().strip(_INVISIBLE).strip()


class References:
    """Finds what a row's text names.

    Args:
        root: the folder that relative paths start from and may not leave.
        dpi: resolution of pages of PDF files.
        library: rows come through the `datasets` library, which keeps what it downloads in caches of its own and names
            it there by absolute paths.
    """

    def __init__(self, root: Path, dpi: int, *, library: bool = False) -> None:
        self.root, self.dpi, self.library = os.path.abspath(root), dpi, library
        self._pages: dict[Path, list[Path]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_pages": {}}

    def means_words(self, text: str) -> bool:
        """Whether a row that holds `text` means these words, and not an image or a video of that name."""
        name = bare(text)
        try:
            if _surely_words(name):  # of several words, so not an address either
                return encoded_image(name) is None
            image = self.locate(name, "", is_image=False)
            return image is None and self.locate_video(name, "", is_video=False) is None
        except DataError:
            return False

    def locate(self, text: str, where: str, *, is_image: bool) -> str | Path | None:
        """The image that `text` names, as `load_image` takes it; None when it is text to be read.

        A string names an image when it looks like one. The file need not exist: a missing page is an error, and must
        not become a document that reads "page_7.png". Blanks around a name do not belong to it.

        Args:
            is_image: text that looks like nothing else is a path.

        Raises:
            DataError: a path outside the root, a page that its PDF file does not have, an address that is not read, or
                a file that is not an image.
        """
        name = bare(text)
        address = ADDRESS.fullmatch(name)
        if address is not None:
            return self._addressed(name, address["scheme"].lower(), where)
        try:
            encoded = encoded_image(name)
        except DataError as error:
            raise DataError(f"{where}: {error}") from error
        if encoded is not None:
            return encoded
        if not is_image and _surely_words(name):
            return None
        page = PAGE_NAME.fullmatch(name)
        if page is not None:
            return self.page_image(self.below_root(page["file"], where), int(page["number"]), where)
        if ends_in(name, IMAGE_EXTENSIONS):
            return self.below_root(name, where)
        self._check_kind(name, where)
        return self.below_root(name, where) if is_image else self._without_extension(name, where)

    def locate_video(self, text: str, where: str, *, is_video: bool) -> str | Path | None:
        """The video that `text` names, as `load_video` takes it; None when it is something else. By the rules of
        `locate`, `is_video` standing for `is_image`; an address is a video's when it ends like one.

        Raises:
            DataError: a path that leaves the root, or an address that is not read.
        """
        name = bare(text)
        if not (is_video or ends_in(name, VIDEO_EXTENSIONS)):
            return None
        address = ADDRESS.fullmatch(name)
        if address is not None:
            return self._addressed(name, address["scheme"].lower(), where)
        return self.below_root(name, where)

    def names_media(self, text: str) -> bool:
        """Whether `text` looks like the name of an image, of a video or of a PDF file's page, or is one in base64;
        whether it can be read is not asked."""
        name = bare(text)
        if name.lower().startswith(URL_SCHEMES) and ADDRESS.fullmatch(name):
            return True
        try:
            encoded = encoded_image(name) is not None
        except DataError:  # a file in base64, if not an image
            encoded = True
        return encoded or bool(PAGE_NAME.fullmatch(name)) or ends_in(name, (*IMAGE_EXTENSIONS, *VIDEO_EXTENSIONS))

    def names_file_there(self, text: str) -> bool:
        """Whether `text` names an image, a video or a page: a file or folder that is there, an address, or itself."""
        if not self.names_media(text):
            return False
        name = bare(text)
        page = PAGE_NAME.fullmatch(name)
        address = ADDRESS.fullmatch(name) is not None
        if page is None and not ends_in(name, (*IMAGE_EXTENSIONS, *VIDEO_EXTENSIONS)):
            return name[:5].lower() == "data:" or not address
        paths = [os.path.join(self.root, path) for path in _spellings(page["file"] if page else name)]
        one_word = _ONE_WORD_PATH.fullmatch(name.lstrip("/")) is not None
        beside = one_word and any(os.path.isdir(os.path.dirname(path)) for path in paths)
        return address or beside or any(map(os.path.isfile, paths))

    def holds(self, text: str) -> bool:
        """Whether `text` is a file in base64, or names one that is there below the root."""
        name = bare(text)
        page = PAGE_NAME.fullmatch(name)
        if page is None and not ends_in(name, (*IMAGE_EXTENSIONS, *VIDEO_EXTENSIONS)):
            return self.names_media(name)
        try:
            return os.path.isfile(self.below_root(page["file"] if page else name, ""))
        except DataError:
            return False

    def undecoded(self, path: str, where: str) -> Path:
        """The file that a cell {"bytes": None, "path": ...} names.

        Raises:
            DataError: a path that leaves the root.
        """
        return Path(path) if self.library and os.path.isabs(path) else self.below_root(path, where)

    @staticmethod
    def page_id(value: Any) -> str | None:
        """The document id of a page of a PDF or TIFF file, the same that the folder of that file gives it."""
        page = PAGE_NAME.fullmatch(bare(value)) if isinstance(value, str) else None
        if page is None:
            return None
        file = Path(os.path.normpath(page["file"].replace("\\", "/"))).as_posix()
        return f"{file}#page={page['number']}"

    def _addressed(self, name: str, scheme: str, where: str) -> str | Path:
        check_characters(name, where)
        path = path_of_address(name)
        if path is None:
            raise DataError(f"{where}: {describe_image(name)} is not a whole address; correct it")
        if scheme == "file":
            return self.below_root(urllib.request.url2pathname(path), where)
        if f"{scheme}://" not in URL_SCHEMES:
            raise DataError(
                f"{where}: {describe_image(name)} is not an address that is read (http, https, file); download it, "
                "and name the file"
            )
        if path.lower().endswith(".pdf"):
            raise DataError(f"{where}: {describe_image(name)} is a PDF file on the web; download it, and name a page")
        return scheme + name[len(scheme) :]

    def page_image(self, file: Path, number: int, where: str) -> Path:
        if file not in self._pages:
            try:
                if file.suffix.lower() in TIFF_EXTENSIONS:
                    self._pages[file] = [image for _, image in read_image_pages(file, file.name)]
                else:
                    self._pages[file] = [page.image for page in read_pdf(file, dpi=self.dpi)]
            except DataError as error:
                raise DataError(f"{where}: {error}; {UNREADABLE}") from error
        return numbered(self._pages[file], file, number, where)

    def _check_kind(self, name: str, where: str) -> None:
        """Raises DataError for what names a file without being an image: one word, or a file that is there."""
        if _PDF_OTHERWISE.fullmatch(name):
            raise DataError(f"{where}: {describe_image(name)}: name a page of a PDF file as FILE.pdf#page=N")
        match = _NO_IMAGE.fullmatch(name)
        one_word = len(name.split()) == 1
        if match is None:
            if not (one_word and _ONE_WORD_FILE.fullmatch(name) and self.is_there(name)):
                return
        elif not one_word and not self.is_there(name):
            return
        shown = describe_image(name)
        if match is not None and match[1].lower() == "pdf":
            raise DataError(f"{where}: {shown} names a whole PDF file; name a page of it: {shown}#page=1")
        raise DataError(
            f"{where}: {shown} is not an image type that can be read; convert it to one of "
            f"{', '.join(IMAGE_EXTENSIONS)}"
        )

    def _without_extension(self, name: str, where: str) -> Path | None:
        """The file that a word with a slash names. If its folder exists, the word is a name and not a text.

        Raises:
            DataError: the folder is there, but not the file.
        """
        if len(name) > 250 or not _ONE_WORD_PATH.fullmatch(name):
            return None
        path = os.path.join(self.root, name)
        if not os.path.isdir(os.path.dirname(path)):
            return None
        path = str(self.below_root(name, where))
        if os.path.isfile(path):
            return Path(path)
        near = next((f"{name}{end}" for end in IMAGE_EXTENSIONS if os.path.isfile(f"{path}{end}")), None)
        hint = f", did you mean {near}?" if near else "."
        raise DataError(
            f"{where}: there is no file {describe_image(name)}{hint} Name it with its extension, or write "
            f'{{"text": {name!r}}} if these words are the document'
        )

    def is_there(self, name: str) -> bool:
        """Whether there is a file of this name below the root, whatever it holds."""
        return len(name) <= 250 and os.path.isfile(os.path.join(self.root, name))

    def below_root(self, reference: str, where: str) -> Path:
        """The file that `reference` names. Links below the root may point anywhere, the path itself may not.

        Raises:
            DataError: it leaves the root, is empty, or holds a NUL or half of a character.
        """
        check_characters(reference, where)
        labelled = _LABEL_STUDIO.match(reference)
        if labelled is not None and not reference.startswith(f"{self.root}{os.sep}"):
            reference = urllib.parse.unquote(labelled["local"] or labelled["upload"])
        spellings = _spellings(reference)
        paths = [os.path.normpath(os.path.join(self.root, spelling)) for spelling in spellings]
        for path in paths:
            if os.path.commonpath([self.root, path]) != self.root:
                raise DataError(
                    f"{where}: path {describe_image(reference)} is outside {self.root}; set image_root to a folder "
                    "that holds all images and videos"
                )
        if not paths:
            raise DataError(f"{where}: {describe_image(reference)!r} is not the name of a file; {UNREADABLE}")
        if len(paths) == 1:  # most names have one spelling, and need no look at the disk
            return Path(paths[0])
        return Path(next((path for path in paths if os.path.isfile(path)), paths[0]))


def numbered(pages: Sequence[_Page], file: Path, number: int, where: str) -> _Page:
    """The page with this number, from 1. Raises DataError where `file` has no such page."""
    if not 1 <= number <= len(pages):
        raise DataError(f"{where}: {file} has pages 1 to {len(pages)}, not {number}")
    return pages[number - 1]


def _spellings(reference: str) -> list[str]:
    """`reference`, and what else it may mean where it is not there: without the part of an address that follows the
    file's name, with the slashes of other systems, without the escapes of an address."""
    spellings = [reference]
    if any(mark in reference for mark in "?#"):
        spellings.append(re.split(r"[?#]", reference)[0])
    if "\\" in reference:
        spellings += [spelling.replace("\\", "/") for spelling in spellings]
    if "%" in reference:
        spellings += [urllib.parse.unquote(spelling) for spelling in spellings]
    return list(dict.fromkeys(spelling for spelling in spellings if spelling and "\0" not in spelling))


def _surely_words(name: str) -> bool:
    """Whether none of the patterns above can match: they are asked of every text of every row. A name of several words
    has the point of its ending in the last of them, or, before words for a page, in the first."""
    words = name.split(None, 1)
    return len(words) == 2 and "." not in words[0] and "." not in words[1].rsplit(None, 1)[-1].rstrip(".")


def ends_in(text: str, extensions: tuple[str, ...]) -> bool:
    """Whether `text` is one line that ends in one of these, with or without what an address has after its path."""
    if "\n" in text or len(text) >= 1024:
        return False
    lower = text.lower()
    if lower.endswith(extensions):
        return True
    if "?" not in lower and "#" not in lower:  # most texts: each is asked for images and for videos
        return False
    path, mark, rest = re.match(r"([^?#]*)([?#]?)(.*)", lower).groups()  # type: ignore[union-attr]  # matches anything
    return bool(mark) and path.endswith(extensions) and not any(letter.isspace() for letter in rest)
