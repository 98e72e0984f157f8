"""The tokens of a prompt as people can read them: what each says, or where on which image it lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from smart_train.errors import ModelError
from smart_train.models.family import Family, Role
from smart_train.types import ModelInput

Box = tuple[float, float, float, float]  # left, top, right, bottom, as shares of an image's width and height
_PART = "(part)"  # of a character that a later token completes
_INCOMPLETE = "\ufffd"  # how decoders write a character of which a token holds a part

_LONGEST_CHARACTER = 4  # bytes, so tokens at most; the text itself may hold the sign of a part


@dataclass(frozen=True)
class SeenToken:
    """One token of a prompt.

    Attributes:
        text: what it adds to the text before it, blanks included; empty where a later token completes a character, and
            of what an image shows.
        kept: whether it takes part in late interaction.
        image: which of the input's images it is a part of, from 0; None of text, unless OCR read it on that image.
        box: where it lies on that image; None where `image` is.
        row, column: of the box among its image's boxes, from 0; -1 of text.
    """

    text: str
    kept: bool
    image: int | None = None
    box: Box | None = None
    row: int = -1
    column: int = -1

    @property
    def label(self) -> str:
        """The text without the blanks around it (of blanks alone: as escapes), or the place on the image."""
        if self.image is not None and not self.text:
            return f"image {self.image + 1}, row {self.row + 1}, column {self.column + 1}"
        if not self.text:
            return _PART
        return self.text.strip() or self.text.replace(" ", "\u2423").replace("\n", "\\n").replace("\t", "\\t")

    @property
    def name(self) -> str:
        """The label, text in quotes."""
        return f"'{self.label}'" if self.text else self.label

    @property
    def is_words(self) -> bool:
        """Whether it is a part of a text, printed on an image or not."""
        return self.image is None or bool(self.text)


def seen_tokens(family: Family, item: ModelInput, role: Role) -> list[SeenToken]:
    """All tokens of the prompt of `item`, in order; the kept ones are those of its embeddings, in the same order.

    Raises:
        ModelError: a video, or a family that does not say where the tokens of an image lie. DataError: an image that
            cannot be read.
    """
    if item.video is not None:
        raise ModelError(
            f"explain: the {role} holds a video; pages and texts can be explained, videos cannot, because a token "
            "covers two frames"
        )
    features = family.featurize([item], role)
    valid = features["attention_mask"][0].bool()
    ids, kept_flags = features["input_ids"][0][valid], features["token_mask"][0][valid].tolist()
    visual = torch.isin(ids, family.visual_ids).tolist()
    places = _places(family, features) if item.images else []
    if len(places) != sum(visual):
        raise ModelError(
            f"{family.name}: image_boxes gives {len(places)} places, and the prompt of this {role} has {sum(visual)} "
            "visual tokens; the numbers must be equal"
        )
    texts, remaining = token_texts(family.tokenizer, ids.tolist()), iter(places)
    return [
        SeenToken("", keep, *next(remaining)) if is_visual else SeenToken(text, keep)
        for text, keep, is_visual in zip(texts, kept_flags, visual, strict=True)
    ]


def _places(family: Family, features: dict[str, torch.Tensor]) -> list[tuple[int, Box, int, int]]:
    """Image, box, row and column of every visual token, in the order of the tokens."""
    places: list[tuple[int, Box, int, int]] = []
    for image, boxes in enumerate(family.image_boxes(features)):
        tops, rows = boxes[:, 1].unique(return_inverse=True)
        lefts, columns = boxes[:, 0].unique(return_inverse=True)
        for box, row, column in zip(boxes.tolist(), rows.tolist(), columns.tolist(), strict=True):
            left, top, right, bottom = box
            places.append((image, (left, top, right, bottom), row, column))
    return places


def token_texts(tokenizer: Any, ids: Sequence[int]) -> list[str]:
    """What each token adds to the text of those before it. Joined, they are the decoded text.

    A token alone may decode to something else than in its place: a word piece has marks, a part of a character none.
    So each is decoded behind the token before it, and what is new is its text.
    """

    def decode(start: int, stop: int) -> str:
        return tokenizer.decode(list(ids[start:stop]), skip_special_tokens=False, clean_up_tokenization_spaces=False)

    texts, start, done = [], 0, 0
    for stop in range(1, len(ids) + 1):
        before, after = decode(start, done), decode(start, stop)
        if after.endswith(_INCOMPLETE) and stop < len(ids) and stop - done < _LONGEST_CHARACTER:
            texts.append("")
            continue
        texts.append(after[len(before) :])
        start, done = done, stop
    return texts
