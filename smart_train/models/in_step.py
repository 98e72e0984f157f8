"""Forwards in which an engine makes the ranks wait for each other: all of them must call the same modules."""

from __future__ import annotations

import torch
from PIL import Image

from smart_train.distributed import any_rank
from smart_train.models.family import Family, Features
from smart_train.models.readout import TOKEN_COUNTS, on_device
from smart_train.models.slicing import append_rows
from smart_train.types import ModelInput


def with_what_others_see(features: Features, family: Family, device: torch.device, *, always: bool = False) -> Features:
    """`features`, with a row more that keeps no token for each kind of visual input that only other ranks' have.

    As rows of the batch, not as calls of the vision tower beside it: the ranks must gather the same weights in the same
    order. Every rank must call it.

    Args:
        always: add such a row also where no rank sees anything, so that every batch reaches the vision tower.
    """
    if TOKEN_COUNTS not in features:
        features = on_device(features, device)
    visuals = family.visual_fields
    here = [visual.pixels in features for visual in visuals]
    anywhere = [any_rank(seen, device) for seen in here]
    if always and visuals and not any(anywhere):
        anywhere[0] = True
    for visual, seen, wanted in zip(visuals, here, anywhere, strict=True):
        if wanted == seen:
            continue
        page = Image.new("RGB", (32, 32))
        item = ModelInput(images=(page,)) if visual.kind == "image" else ModelInput(video=(page, page))
        blank = family.featurize([item], "document")
        blank["token_mask"] = torch.zeros_like(blank["token_mask"])
        features = append_rows(features, on_device(blank, device), visuals)
    return features
