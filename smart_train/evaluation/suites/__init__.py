"""Published benchmarks, run by the library mteb (extra `mteb`): ViDoRe, VisRAG, and any of its retrieval tasks.

Not imported by `smart_train.evaluation`: mteb is optional and takes seconds to import.
"""

from smart_train.evaluation.suites.adapter import MtebModel
from smart_train.evaluation.suites.catalogue import SUITES, Chosen, Suite, choose
from smart_train.evaluation.suites.results import TaskScores
from smart_train.evaluation.suites.run import BenchmarkRun, RunSettings, run_tasks
from smart_train.evaluation.suites.summary import (
    published_records,
    published_table,
    score_table,
    settings_lines,
    task_records,
    write_summary,
)

__all__ = [
    "SUITES",
    "BenchmarkRun",
    "Chosen",
    "MtebModel",
    "RunSettings",
    "Suite",
    "TaskScores",
    "choose",
    "published_records",
    "published_table",
    "run_tasks",
    "score_table",
    "settings_lines",
    "task_records",
    "write_summary",
]
