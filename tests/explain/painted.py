"""A backbone whose states are known: a token of an image says how much of it has which colour, a word names a colour.

Whether a winning patch lies where it should then depends on nothing but where the package thinks that it lies.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from smart_train import SmartModel
from smart_train.models.family import Family
from tests.models.projector_family import PATCH

COLOURS = {
    "red": (220, 20, 30),
    "green": (20, 150, 60),
    "blue": (30, 70, 220),
    "orange": (245, 140, 10),
    "purple": (140, 40, 170),
    "black": (20, 20, 20),
}
ELSE, OTHER_WORD = len(COLOURS), len(COLOURS) + 1  # what else an image shows; all other words
NEAR = 8 / 255  # resizing blends colours at their edges only


class PaintedBackbone(nn.Module):
    """Takes the place of a backbone; its width is that of the states, whatever the configuration says."""

    def __init__(self, family: Family, config: Any) -> None:
        super().__init__()
        self.config = config
        self.weight = nn.Parameter(torch.zeros(1))  # says which device the model is on
        self.visual_ids = family.visual_ids
        self.words = {}
        for place, colour in enumerate(COLOURS):
            for text in (colour, f" {colour}"):
                self.words[family.tokenizer(text, add_special_tokens=False)["input_ids"][0]] = place
        images = getattr(family, "image_processor", None) or family.processor.image_processor
        self.mean, self.std = (torch.tensor(value) for value in (images.image_mean, images.image_std))
        self.merged = getattr(images, "merge_size", 1) ** 2

    def forward(self, input_ids: Tensor, pixel_values: Tensor | None = None, **_: Any) -> Any:
        places = torch.full_like(input_ids, OTHER_WORD)
        for token, place in self.words.items():
            places[input_ids == token] = place
        states = nn.functional.one_hot(places, OTHER_WORD + 1).float()
        if pixel_values is not None:
            states[torch.isin(input_ids, self.visual_ids)] = self.shares(pixel_values)
        return SimpleNamespace(last_hidden_state=states)

    def shares(self, pixels: Tensor) -> Tensor:
        """[tokens, width]: how much of each token's pixels has each colour."""
        if pixels.ndim == 4:  # whole images
            cut = nn.functional.unfold(pixels, PATCH, stride=PATCH)
            by_token = cut.transpose(1, 2).reshape(-1, 3, PATCH**2)
        else:  # patches: channels, two equal frames, rows, columns; those of a merged token follow each other
            by_token = pixels.reshape(len(pixels) // self.merged, self.merged, 3, -1).transpose(1, 2).flatten(2)
        values = by_token * self.std[:, None] + self.mean[:, None]
        known = torch.tensor(list(COLOURS.values())) / 255
        found = ((values[:, None] - known[None, :, :, None]).abs() < NEAR).all(dim=2).float().mean(dim=2)
        rest = 1 - found.sum(dim=1, keepdim=True)
        return torch.cat([found, rest, torch.zeros(len(found), 1)], dim=1)


def painted(model: SmartModel) -> SmartModel:
    """`model`, with the states of this file."""
    model.backbone = PaintedBackbone(model.family, model.config)
    return model
