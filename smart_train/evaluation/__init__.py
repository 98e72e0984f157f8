"""How well a model retrieves: evaluation sets, metrics, paired comparison, tables and plots."""

from smart_train.evaluation.compare import (
    Comparison,
    Difference,
    compare,
    compare_scores,
    fewest_queries,
    least_difference,
)
from smart_train.evaluation.compare_several import SideBySide, side_by_side
from smart_train.evaluation.evaluator import RetrievalEvaluator
from smart_train.evaluation.plots import run_figures
from smart_train.evaluation.ranking import RankingBuilder, rank_documents
from smart_train.evaluation.result import EvaluationResult
from smart_train.evaluation.result_tables import evaluation_report, print_report, report_table, save_report
from smart_train.evaluation.selection import Selection, best_step, selection_note
from smart_train.evaluation.sets import EvaluationSet
from smart_train.evaluation.tuning import tune
from smart_train.evaluation.tuning_grid import TuningGrid
from smart_train.evaluation.tuning_result import TunedSetting, TuningResult
from smart_train.evaluation.verdict import Verdict, conclusion, verdict
from smart_train.utils.terms import SCORES

__all__ = [
    "SCORES",
    "Comparison",
    "Difference",
    "EvaluationResult",
    "EvaluationSet",
    "RankingBuilder",
    "RetrievalEvaluator",
    "Selection",
    "SideBySide",
    "TunedSetting",
    "TuningGrid",
    "TuningResult",
    "Verdict",
    "best_step",
    "compare",
    "compare_scores",
    "conclusion",
    "evaluation_report",
    "fewest_queries",
    "least_difference",
    "print_report",
    "rank_documents",
    "report_table",
    "run_figures",
    "save_report",
    "selection_note",
    "side_by_side",
    "tune",
    "verdict",
]
