"""What a folder of exported weights needs before it leaves: files that other libraries read, and proof that they do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from safetensors import safe_open

from smart_train.errors import ExportError
from smart_train.export.closing import TOKENIZER, close_texts
from smart_train.export.embedder_layout import pooled_obstacle, remove_layout, token_obstacle, write_layout
from smart_train.export.golden import Golden
from smart_train.export.parity import TOLERANCE
from smart_train.export.routes import release
from smart_train.export.verify import RouteReport, check_reports, measure_routes
from smart_train.models import SmartModel
from smart_train.models.saving import WEIGHT_INDEX
from smart_train.models.smart_config import SMART_CONFIG
from smart_train.models.text import TextFamily

WEIGHTS = "model.safetensors"
POOLED, TOKENS = "SentenceTransformer", "MultiVectorEncoder"


def finish_folder(model: SmartModel, folder: Path) -> list[RouteReport]:
    """Lays out `folder`, writes `golden.safetensors` and reads the folder back through every installed library.

    A class of sentence-transformers that cannot be told how this model pools or which tokens it keeps, or that reads
    the folder otherwise than it should, gets no layout: its report says why.

    Args:
        model: what `folder` holds, in float32 on the CPU. Its backbone is used up: each library loads its own.

    Raises:
        ExportError: the folder does not give the same in smart_train or plain transformers.
    """
    _index_weights(folder)
    _close_texts(model, folder)
    Golden.make(model).save(folder, model)
    release(model.backbone)
    obstacles = {POOLED: pooled_obstacle(model)}
    obstacles[TOKENS] = obstacles[POOLED] or token_obstacle(model)
    _lay_out(model, folder, obstacles)
    reports = measure_routes(folder)
    misread = {report.route: report for report in reports if report.route in obstacles and not _is_within(report)}
    if misread:
        found = {name: f"it reads the folder otherwise ({report})" for name, report in misread.items()}
        obstacles = {name: obstacle or found.get(name, found.get(POOLED)) for name, obstacle in obstacles.items()}
        _lay_out(model, folder, obstacles)
        reports = measure_routes(folder)
    check_reports(folder, reports)
    return [_explained(report, obstacles) for report in reports]


def add_provenance(folder: Path, fingerprints: Mapping[str, str]) -> None:
    """Which recipe and which rows made the model, by their digests, in its `smart_config.json`."""
    path = folder / SMART_CONFIG
    values = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**values, "fingerprints": dict(fingerprints)}, indent=2) + "\n", encoding="utf-8")


def _index_weights(folder: Path) -> None:
    """Says which file holds the model's weights also where it is a single one: servers that find no index load every
    safetensors file in the folder, the golden vectors and the projection among them (vLLM 0.32 does)."""
    path = folder / WEIGHT_INDEX
    if path.is_file():
        return
    with safe_open(folder / WEIGHTS, "pt") as file:
        names = list(file.keys())
        sizes = [file.get_tensor(name).nbytes for name in names]
    index = {"metadata": {"total_size": sum(sizes)}, "weight_map": dict.fromkeys(names, WEIGHTS)}
    path.write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")


def _close_texts(model: SmartModel, folder: Path) -> None:
    family = model.family
    if not isinstance(family, TextFamily) or family.closing_id is None:
        return
    token = family.tokenizer.convert_ids_to_tokens(family.closing_id)
    if not (folder / TOKENIZER).is_file():
        raise ExportError(
            f"{family.folder}: its tokenizer does not close a text with {token!r}, as the model was trained, and only "
            f"a {TOKENIZER} can be taught to; save the tokenizer with transformers 5 first"
        )
    close_texts(folder, token, family.closing_id)


def _lay_out(model: SmartModel, folder: Path, obstacles: Mapping[str, str | None]) -> None:
    if obstacles[POOLED] is None:
        write_layout(model, folder, tokens=obstacles[TOKENS] is None)
    elif not isinstance(model.family, TextFamily):  # which reads its own pooling and prompts there
        remove_layout(folder)


def _is_within(report: RouteReport) -> bool:
    return report.largest <= TOLERANCE


def _explained(report: RouteReport, obstacles: Mapping[str, str | None]) -> RouteReport:
    reason = obstacles.get(report.route)
    return report if reason is None else replace(report, differences={}, skipped=f"left out: {reason}")
