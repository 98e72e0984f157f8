"""Prompts that fit `max_length`: the text of an input is cut, and the prompt around it and all images stay whole. What
cannot be made to fit is known from image sizes, before anything is decoded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from smart_train.errors import ModelError
from smart_train.inputs.fetching import URL_SCHEMES
from smart_train.models.family import Family, Role
from smart_train.models.image_sizes import Size
from smart_train.types import ModelInput

_SLACK = 4  # tokens: cut text may merge differently with what follows it
_LETTER = "a"


def shortened(family: Family, item: ModelInput, role: Role, *, length: int, text: str) -> str:
    """The prompt of `item`, which has `length` tokens, with so much of its text that it has `family.max_length`.

    Args:
        text: that of `item`, safe to put into a prompt.

    Raises:
        ModelError: what is not text is longer than that by itself.
    """
    excess = length - family.max_length
    if excess <= 0:
        return family.render(item, role)
    tokens = family.tokenizer(text, add_special_tokens=False)["input_ids"]
    room = len(tokens) - excess - _SLACK
    if room <= 0:
        raise _too_long(family, length, len(tokens))
    cut = ModelInput(family.tokenizer.decode(tokens[:room]), item.images, item.video, item.instruction)
    return family.render(cut, role)


def _too_long(family: Family, length: int, of_text: int) -> ModelError:
    return ModelError(
        f"an input needs {length} tokens, of which only {of_text} are text; this is more than model.max_length "
        f"{family.max_length}: raise model.max_length" + (" or lower model.max_pixels" if family.pixel_bounds else "")
    )


class LengthCheck:
    """Tells of any number of inputs, without their pixels, whether a family's `featurize` would refuse them because
    what is not text leaves no room for it. Not safe to share between threads, as tokenizers are not.

    Texts are counted only where the rest nearly fills `max_length`: prompts of like images have a like length, which is
    counted once.
    """

    def __init__(self, family: Family) -> None:
        self.family = family
        self._lengths: dict[tuple[Role, str | None, bool, tuple[Size, ...]], int] = {}

    def __call__(self, item: ModelInput, role: Role, image_sizes: Sequence[Size]) -> None:
        """Raises ModelError where `item` does not fit; or what `token_count` raises. A video behind an address passes:
        nothing is fetched for it.

        Args:
            image_sizes: (width, height) in pixels of each image of `item`, in order.
        """
        limit = self.family.max_length
        if item.video is not None:
            if not (isinstance(item.video, str) and item.video.startswith(URL_SCHEMES)):
                self._check(item, role, image_sizes)
            return
        around = self._around(item, role, tuple(image_sizes))
        # Text families cut a prompt anywhere, and refuse it by themselves where it is nothing but instruction.
        if around + 2 * _SLACK < limit or "image" not in self.family.modalities:
            return
        self._check(item, role, image_sizes)

    def _check(self, item: ModelInput, role: Role, image_sizes: Sequence[Size]) -> None:
        limit = self.family.max_length
        length = self.family.token_count(item, role, image_sizes)
        of_text = len(self.family.tokenizer(item.text or "", add_special_tokens=False)["input_ids"])
        # `of_text` is too small where the text quotes control tokens, which a prompt spells out; `around` may be wrong
        # by the few tokens that merge with a text. Nothing is refused by one of them alone.
        if length > limit and of_text - (length - limit) <= _SLACK:
            raise _too_long(self.family, length, of_text)

    def _around(self, item: ModelInput, role: Role, image_sizes: tuple[Size, ...]) -> int:
        """Tokens of the prompt and the images around the text of `item`."""
        key = (role, item.instruction, bool(item.text), image_sizes)
        if key not in self._lengths:
            # Not without any text: a prompt may put words of its own in its place.
            short = replace(item, text=_LETTER) if item.text else item
            self._lengths[key] = self.family.token_count(short, role, image_sizes) - bool(item.text)
        return self._lengths[key]
