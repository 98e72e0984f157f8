"""The one definition of the SMART score; everything that scores calls this package."""

from smart_train.scoring.hybrid import ScoringConfig, combine, score_parts, smart_scores
from smart_train.scoring.maxsim import maxsim
from smart_train.scoring.packed import PackedDocuments, TopK
from smart_train.scoring.processor_arithmetic import Arithmetic, arithmetic, forced_arithmetic
from smart_train.scoring.reference import EMPTY_DOCUMENT_SCORE

__all__ = [
    "EMPTY_DOCUMENT_SCORE",
    "Arithmetic",
    "PackedDocuments",
    "ScoringConfig",
    "TopK",
    "arithmetic",
    "combine",
    "forced_arithmetic",
    "maxsim",
    "score_parts",
    "smart_scores",
]
