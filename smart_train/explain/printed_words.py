"""A text that OCR read, explained over the picture of its page: its tokens lie where their words are printed."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from difflib import SequenceMatcher
from pathlib import Path

from smart_train.data.formats.ocr_layout import OcrPage, OcrWord
from smart_train.explain.explanation import Explanation
from smart_train.explain.tokens import Box
from smart_train.inputs.images import load_image

_SHORTEST = 4  # characters that a piece of the text and the page share; fewer are alike by chance


def on_picture(explanation: Explanation, page: OcrPage, picture: str | Path) -> Explanation:
    """The explanation of a text that OCR read, with its tokens on the picture of the page, which becomes an image of
    the document: heat maps, frames and records then have the places of words. Tokens that stand nowhere on the page, as
    those of a prompt around the text, have no place.

    Args:
        explanation: of the page's text, or of a part of it.
        page: what OCR read. picture: on this image file; it is shown as it was read, see `OcrPage.turned`.
    """
    image = load_image(picture).rotate(page.turned, expand=True)
    boxes = places([token.text for token in explanation.document_prompt], page.words)
    prompt = tuple(
        token if box is None else replace(token, image=0, box=box)
        for token, box in zip(explanation.document_prompt, boxes, strict=True)
    )
    return replace(explanation, document=replace(explanation.document, images=(image,)), document_prompt=prompt)


def places(texts: Sequence[str], words: Sequence[OcrWord]) -> list[Box | None]:
    """Where each of `texts`, pieces of one text, is printed: the box of the word that it is in, of several words the
    first. Tokenizers change case, accents and blanks, and divided words are whole in the text, so the two are compared
    letter by letter."""
    tokens = [(letter, place) for place, text in enumerate(texts) for letter in _letters(text)]
    printed = [(letter, place) for place, word in enumerate(words) for letter in _letters(word.text)]
    # Not with `autojunk`, which passes over letters that are frequent, so nearly all.
    matcher = SequenceMatcher(None, [letter for letter, _ in tokens], [letter for letter, _ in printed], autojunk=False)
    boxes: list[Box | None] = [None] * len(texts)
    for block in matcher.get_matching_blocks():
        for step in range(block.size if block.size >= _SHORTEST else 0):
            place = tokens[block.a + step][1]
            boxes[place] = boxes[place] or words[printed[block.b + step][1]].box
    return boxes


def _letters(text: str) -> str:
    """A text without what tokenizers change."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in plain if not letter.isspace() and not unicodedata.combining(letter))
