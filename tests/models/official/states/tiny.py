"""The weights and inputs of the golden states: arithmetic alone, so that any process at any time makes the same."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

WIDTH = 16  # of each kept token's state, so much is stored
# Three features of DeepStack and decoder layers behind them, as the published models have.
OVERRIDES = {
    "qwen3_vl": {
        "text_config": {"num_hidden_layers": 5},
        "vision_config": {"depth": 4, "deepstack_visual_indexes": [0, 1, 3]},
    },
    "qwen2_vl": {},
    "qwen2_5_vl": {},
    "paligemma": {},
    "idefics3": {},
}


@dataclass(frozen=True)
class Input:
    """One input: its side, text, sizes of its images or of its video's frames as (width, height), an instruction of its
    own, and, of a video file, the frames a second."""

    role: str
    text: str | None = None
    sizes: tuple[tuple[int, int], ...] = ()
    instruction: str | None = None
    frame_sizes: tuple[tuple[int, int], ...] = ()
    rate: int | None = None

    @property
    def images(self) -> tuple[Image.Image, ...]:
        return tuple(image(*size, shift=17 * index) for index, size in enumerate(self.sizes))

    @property
    def frames(self) -> tuple[Image.Image, ...]:
        return tuple(image(*size, shift=5 * index) for index, size in enumerate(self.frame_sizes))


def image(width: int, height: int, *, shift: int) -> Image.Image:
    """Slopes of three directions, without noise: resizing it by another library changes little."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    waves = [np.sin((x * a + y * b) / 40 + shift) for a, b in ((3, 1), (1, -2), (2, 2))]
    return Image.fromarray((127.5 + 127.5 * np.stack(waves, axis=-1)).astype(np.uint8))


FIND = "Find a document image that matches the given query."


def inputs(patch: int, *, page: tuple[int, int] | None = None) -> dict[str, Input]:
    """The inputs by name. `patch`: pixels of a visual token's side; images of whole tokens need no resizing.

    `page` is the size of the page and of the composed query's image, where the family has large bounds.
    """
    second = page[::-1] if page else (2 * patch, 5 * patch)
    page = page or (4 * patch, 3 * patch)
    return {
        "text": Input("query", "total revenue 2019", instruction=FIND),
        "question": Input("query", "how many ships were built?", instruction=FIND),
        "page": Input("document", None, (page,)),
        "several": Input("document", None, (page, second)),
        "composed": Input("query", "the same in blue", (page,), instruction=FIND),
        "tiny image": Input("document", None, ((40, 24),)),
        "huge image": Input("document", None, ((1400, 1800),)),
    }


def videos(size: tuple[int, int]) -> dict[str, Input]:
    """The videos by name, with frames of `size`: an odd list beside a text, and a file of two seconds."""
    return {
        "frame list": Input("document", "a walk by the sea", frame_sizes=(size,) * 3),
        "file video": Input("document", frame_sizes=(size,) * 20, rate=10),
    }


def weight(name: str, shape: torch.Size) -> torch.Tensor:
    """fp32 of `shape`, from the hash of its name and of each place: uniform around 0, or around 1 for the gain of a
    norm."""
    seed = np.uint64(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little"))
    with np.errstate(over="ignore"):
        mixed = np.arange(shape.numel(), dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15) + seed
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
        mixed ^= mixed >> np.uint64(31)
    uniform = torch.from_numpy((mixed >> np.uint64(40)).astype(np.float32) / 2**24)
    gain = (
        len(shape) == 1
        and name.endswith("norm.weight")
        or name.endswith(("norm1.weight", "norm2.weight", "ln_q.weight"))
    )
    return ((uniform - 0.5) * 0.18 + float(gain)).reshape(shape)


@torch.no_grad()
def fill(module: torch.nn.Module, names: dict[str, str]) -> None:
    """Gives every weight of `module` its value, drawn by its name in a checkpoint (`names`)."""
    for name, value in module.state_dict().items():
        value.copy_(weight(names[name], value.shape))
