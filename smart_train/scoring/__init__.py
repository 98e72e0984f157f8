"""The one definition of the SMART score; everything that scores calls this package."""

from smart_train.scoring.hybrid import ScoringConfig, combine, score_parts, smart_scores
from smart_train.scoring.maxsim import maxsim
from smart_train.scoring.packed import PackedDocuments, TopK
from smart_train.scoring.reference import EMPTY_DOCUMENT_SCORE

__all__ = [
    "EMPTY_DOCUMENT_SCORE",
    "PackedDocuments",
    "ScoringConfig",
    "TopK",
    "combine",
    "maxsim",
    "score_parts",
    "smart_scores",
]
