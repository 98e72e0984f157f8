"""What a user may hand in as one query or one document."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from smart_train.errors import DataError, did_you_mean
from smart_train.inputs.extensions import VIDEO_EXTENSIONS
from smart_train.inputs.fetching import names_image, names_video
from smart_train.inputs.text import check_characters
from smart_train.types import ModelInput

INPUT_KEYS = ("text", "image", "images", "video", "instruction")


def as_model_input(value: Any) -> ModelInput:
    """What a user hands in as one query or document, as a `ModelInput`.

    Args:
        value: ModelInput; str (text, unless all of it is the address of an image or video: a URL with the ending of
            one, a `data:` URI of an image, or the name of an existing file of such a kind); Path (a video by its
            ending, else an image), bytes or PIL image (an image); or a mapping with any of `text`, `image` or `images`,
            `video`, `instruction`.

    Raises:
        DataError: another type, an unknown key, nothing to encode, or half of a character.
    """
    if isinstance(value, ModelInput):
        return value
    if isinstance(value, Path) and value.suffix.lower() in VIDEO_EXTENSIONS:
        return ModelInput(video=value)
    if isinstance(value, str):
        check_characters(value, "input")
        if names_video(value):
            return ModelInput(video=value)
        return ModelInput(images=(value,)) if names_image(value) else ModelInput(text=value)
    if isinstance(value, (Path, bytes, Image.Image)):
        return ModelInput(images=(value,))
    if not isinstance(value, Mapping):
        raise DataError(
            f"input of type {type(value).__name__}: expected str, Path, bytes, PIL image, mapping or ModelInput"
        )
    for key in value:
        if key not in INPUT_KEYS:
            hint = did_you_mean(str(key), INPUT_KEYS)
            raise DataError(f"input key {key!r}: unknown{hint}; known: {', '.join(INPUT_KEYS)}")
    images = [*images_of(value.get("image")), *images_of(value.get("images"))]
    if value.get("text") is None and not images and value.get("video") is None:
        raise DataError(f"input with keys {sorted(value)}: has neither text nor image nor video")
    for key in ("text", "instruction"):
        if not isinstance(value.get(key), str | None):
            raise DataError(f"input key {key!r}: {value[key]!r} is {type(value[key]).__name__}; it must be text")
        check_characters(value.get(key) or "", f"input key {key!r}")
    return ModelInput(value.get("text"), tuple(images), value.get("video"), value.get("instruction"))


def images_of(value: Any) -> list[Any]:
    """The images of what a user gives for one or several: itself, a list of them, or mappings {image: ...} of them,
    however deep. An image as the `datasets` library writes it, {bytes: ..., path: ...}, stays what it is."""
    if value is None:
        return []
    if isinstance(value, (list, tuple)):
        return [image for item in value for image in images_of(item)]
    if isinstance(value, Mapping) and value and value.keys() <= {"image", "images"}:
        return [*images_of(value.get("image")), *images_of(value.get("images"))]
    return [value]
