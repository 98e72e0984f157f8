"""SMART retrieval: a single-vector multimodal embedding model, its token states kept, scored by both.

The public names are imported on first use, so that `import smart_train` and `smart-train --help` cost no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smart_train.utils.lazy import names_on_first_use

if TYPE_CHECKING:
    from smart_train.models import SmartModel
    from smart_train.scoring import ScoringConfig, maxsim, smart_scores
    from smart_train.scoring.embeddings import Embeddings

__version__ = "0.1.0"

_HOMES = {
    "Embeddings": "smart_train.scoring.embeddings",
    "ScoringConfig": "smart_train.scoring",
    "SmartModel": "smart_train.models",
    "maxsim": "smart_train.scoring",
    "smart_scores": "smart_train.scoring",
}

__all__ = ["Embeddings", "ScoringConfig", "SmartModel", "__version__", "maxsim", "smart_scores"]

__getattr__ = names_on_first_use(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
