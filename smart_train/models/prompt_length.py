"""Prompts that fit `max_length`: the text of an input is cut, and the prompt around it and all images stay whole."""

from __future__ import annotations

from smart_train.errors import ModelError
from smart_train.models.family import Family, Role
from smart_train.types import ModelInput


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
    # Four tokens of slack: cut text may merge differently with what follows it.
    room = len(tokens) - excess - 4
    if room <= 0:
        raise ModelError(
            f"an input needs {length} tokens, of which only {len(tokens)} are text; this is more than "
            f"model.max_length {family.max_length}: raise model.max_length"
            + (" or lower model.max_pixels" if family.pixel_bounds else "")
        )
    cut = ModelInput(family.tokenizer.decode(tokens[:room]), item.images, item.video, item.instruction)
    return family.render(cut, role)
