"""How well a model retrieves: evaluation sets, metrics, paired comparison, tables and plots."""

from smart_train.evaluation.evaluator import RetrievalEvaluator
from smart_train.evaluation.ranking import RankingBuilder, rank_documents
from smart_train.evaluation.result import SCORES, EvaluationResult
from smart_train.evaluation.sets import EvaluationSet

__all__ = ["SCORES", "EvaluationResult", "EvaluationSet", "RankingBuilder", "RetrievalEvaluator", "rank_documents"]
