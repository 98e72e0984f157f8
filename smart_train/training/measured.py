"""The evaluation of a checkpoint's weights, kept in the checkpoint: the same weights need not be measured twice.

It counts for other files where these hold the same bytes, and for an evaluation that would be made in the same way.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from smart_train.distributed import world_size
from smart_train.errors import DataError
from smart_train.evaluation import EvaluationResult, RetrievalEvaluator
from smart_train.models import SmartModel
from smart_train.training.checkpoint_search import checkpoints
from smart_train.utils.atomic import write_json
from smart_train.utils.manifest import MANIFEST, changed, recorded_digests
from smart_train.utils.versions import versions

MEASURED_NAME = "evaluation.json"


def way_of_measuring(evaluator: RetrievalEvaluator, model: SmartModel) -> dict[str, Any]:
    """What may move a figure, if only in its last digits, beside the weights and the rows; plain values. A run keeps to
    its rows by itself."""
    return {
        "measured_on": evaluator.evaluation_set.name,
        "cut-offs": list(evaluator.ks),
        "batch_size": evaluator.batch_size,
        "products": evaluator.products,
        "scoring": model.scoring.to_dict(),
        "device": model.device.type,
        "processes": world_size(),
        "versions": versions(),
    }


def save_measured(checkpoint: Path, result: EvaluationResult, way: dict[str, Any]) -> None:
    """Puts `result` beside the weights that it is of. Before the checkpoint's manifest, which then covers it."""
    write_json(checkpoint / MEASURED_NAME, {"way": way, "result": result.to_dict()})


def measured_result(run: Path, trained: Path, way: dict[str, Any]) -> tuple[Path, EvaluationResult] | None:
    """A checkpoint of `run` that holds the same weights as the folder `trained`, by the digests with which both were
    written, and their result, measured in that `way`; None where there is none."""
    weights = recorded_digests(trained, MANIFEST, lambda name: True)
    for checkpoint in checkpoints(run):
        recorded = recorded_digests(checkpoint, MANIFEST, lambda name: True)
        if not weights or MEASURED_NAME not in recorded or not weights.items() <= recorded.items():
            continue
        if changed(checkpoint, {MEASURED_NAME: recorded[MEASURED_NAME]}) is not None:
            continue
        try:
            saved = json.loads((checkpoint / MEASURED_NAME).read_text(encoding="utf-8"))
            result = EvaluationResult.from_dict(saved["result"])
        except (OSError, ValueError, KeyError, TypeError, DataError):  # of another version
            continue
        if saved["way"] == json.loads(json.dumps(way)):
            return checkpoint, result
    return None
