"""Identity of queries and documents: stable signed 64-bit keys, the same on every machine and rank."""

from __future__ import annotations

import re
from dataclasses import replace

from smart_train.inputs.images import image_key
from smart_train.inputs.video import video_key
from smart_train.types import ModelInput
from smart_train.utils.hashing import stable_hash

_DEFAULT_ID = re.compile("[0-9a-f]{16}")


def content_key(item: ModelInput) -> int:
    """Equal for inputs that say the same, whatever they are called. One image alone has the key of the image, so that
    a page is recognised wherever its file lies; a blank text beside it says nothing, nor does an empty instruction.

    Raises: DataError when the file of an image or a video cannot be read.
    """
    images = [image_key(image) for image in item.images]
    text, instruction = item.text, item.instruction or None
    if (images or item.video is not None) and not (text or "").strip():
        text = None
    if len(images) == 1 and text is None and item.video is None and instruction is None:
        return images[0]
    # as text, so that inputs without a video keep the ids they have always had
    video = str(None if item.video is None else video_key(item.video))
    return stable_hash(repr((text, images, video, instruction)).encode())


def default_id(item: ModelInput) -> str:
    """The id of a query or document that was given none: its content key, in 16 hexadecimal digits."""
    return f"{content_key(item) % 2**64:016x}"


def is_default_id(identity: str) -> bool:
    """Whether an id has the form of `default_id`; one that a user gives may have it, too."""
    return _DEFAULT_ID.fullmatch(identity) is not None


def id_key(identity: str) -> int:
    """The key of an id."""
    return stable_hash(identity.encode())


def is_itself(query: ModelInput, document: ModelInput, identity: str) -> bool:
    """Whether a query is the very document that has its id, as in collections whose queries are taken from the corpus.

    Ids that only count (1, 2, ...) often agree by chance: there the document has to say what the query says, perhaps
    below a title.

    Args:
        identity: of both.

    Raises:
        DataError: a file that has to be compared cannot be read.
    """
    if not identity.isdecimal():
        return True
    asked = replace(query, instruction=None)
    if asked.text and not asked.images and asked.video is None:
        return document.text is not None and _words(document.text).endswith(_words(asked.text))
    return content_key(asked) == content_key(replace(document, instruction=None))


def _words(text: str) -> str:
    return " ".join(text.split())
