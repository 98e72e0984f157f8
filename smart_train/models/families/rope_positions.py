"""Rotary positions of Qwen's vision-language models, made beside the tokens on the CPU.

A page's tokens are numbered by rows and columns, so a token has three positions: in time, height and width. The
backbones count them inside their forward, where every image makes the process wait for its device several times, and
gradient caching counts twice. In a loader's worker nobody waits. The numbers are those of `get_rope_index` in
transformers (tested for each kind of backbone); the rule is that of Qwen2-VL (arXiv 2409.12191, section 2.1).

Shapes: B rows, T tokens, g temporal steps of a video.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any, NamedTuple

import torch
from torch import Tensor

from smart_train.models.slicing import VisualFields

_IMAGE, _VIDEO = 1, 2  # in `mm_token_type_ids`; 0 is text


class RopeRule(NamedTuple):
    """How a backbone numbers visual tokens.

    Attributes:
        merge: patches of a token's side.
        frames_apart: whether text stands between the temporal steps of a video, so that each is numbered by itself.
        per_second: temporal positions of one second of video; None: one for each step.
        behind_last_moment: whether what follows a video is numbered behind its last temporal position too, as
            transformers did up to release 4.57. Since release 5 only its rows and columns count.
    """

    merge: int
    frames_apart: bool = False
    per_second: float | None = None
    behind_last_moment: bool = False

    @classmethod
    def of(cls, config: dict[str, Any]) -> RopeRule | None:
        """From a config.json; None for a kind of backbone that is not known here, which then counts by itself."""
        vision = config.get("vision_config") or {}
        kind = config.get("model_type")
        if kind == "qwen2_vl":
            return cls(vision.get("spatial_merge_size", 2))
        if kind == "qwen2_5_vl":
            return cls(vision.get("spatial_merge_size", 2), per_second=vision.get("tokens_per_second", 4))
        if kind == "qwen3_vl":
            return cls(vision.get("spatial_merge_size", 2), frames_apart=True)
        return None


def rope_positions(features: dict[str, Tensor], visuals: tuple[VisualFields, ...], rule: RopeRule) -> Tensor:
    """int64 [B, T, 3]: time, height and width of every token, 0 at padding.

    Args:
        features: `mm_token_type_ids` and `attention_mask` [B, T], and the grids of `visuals`.
    """
    grids = {visual.kind: features[visual.grids] for visual in visuals if visual.grids in features}
    spans = {
        _IMAGE: _steps(grids.get("image"), rule.merge),
        _VIDEO: _steps(
            grids.get("video"),
            rule.merge,
            apart=rule.frames_apart,
            per_second=rule.per_second,
            seconds=features.get("second_per_grid_ts"),
            behind_last_moment=rule.behind_last_moment,
        ),
    }
    valid = features["attention_mask"].bool()
    positions = torch.zeros(*valid.shape, 3, dtype=torch.int64)
    for row, kinds in enumerate(features["mm_token_type_ids"]):
        parts, start = [], 0
        for kind, run in groupby(kinds[valid[row]].tolist()):
            if kind == 0:
                length = sum(1 for _ in run)
                parts.append(torch.arange(start, start + length).unsqueeze(1).expand(-1, 3))
                start += length
            else:
                part, side = next(spans[kind])
                parts.append(part + start)
                start += side
        positions[row, valid[row]] = torch.cat(parts)
    return positions


def _steps(
    grids: Tensor | None,
    merge: int,
    *,
    apart: bool = False,
    per_second: float | None = None,
    seconds: Tensor | None = None,
    behind_last_moment: bool = False,
) -> Iterator[tuple[Tensor, int]]:
    """For each image, video, or temporal step that is numbered by itself: its tokens' positions from 0 on, and how far
    it moves what follows it.

    Args:
        grids: int64 [items, 3], patches in time, height and width.
        apart, per_second, behind_last_moment: as in `RopeRule`.
        seconds: float [items], of one temporal step; None: one second.
    """
    for number, (time, height, width) in enumerate([] if grids is None else grids.tolist()):
        rows, columns = height // merge, width // merge
        moments = torch.arange(1 if apart else time)
        if per_second is not None:
            moments = (moments * (per_second * (1 if seconds is None else seconds[number]))).long()
        grid = torch.stack(torch.meshgrid(moments, torch.arange(rows), torch.arange(columns), indexing="ij"), dim=-1)
        side = max(rows, columns, int(moments[-1]) + 1 if behind_last_moment else 0)
        for _ in range(time if apart else 1):
            yield grid.reshape(-1, 3), side
