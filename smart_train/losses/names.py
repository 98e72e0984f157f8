"""The objectives there are. A recipe takes these names, and is read before torch is imported."""

from __future__ import annotations

# objective -> the score matrices it needs
OBJECTIVES: dict[str, tuple[str, ...]] = {
    "joint": ("pooled", "late"),
    "hybrid": ("pooled", "late"),
    "late": ("late",),
    "pooled": ("pooled",),
}
