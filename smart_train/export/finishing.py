"""What a folder of exported weights needs: the files that other libraries read, and proof that they do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from safetensors import safe_open

from smart_train.errors import ExportError
from smart_train.export.closing_token import TOKENIZER, close_texts
from smart_train.export.embedder_layout import plain_obstacle, remove_layout, write_layout
from smart_train.export.golden import Golden
from smart_train.export.routes import LIBRARY, release
from smart_train.export.verify import RouteReport, check_reports, measure_routes
from smart_train.models import SmartModel
from smart_train.models.saving import WEIGHT_INDEX
from smart_train.models.smart_config import SMART_CONFIG
from smart_train.utils.defaults import TOLERANCE

WEIGHTS = "model.safetensors"


def finish_folder(model: SmartModel, folder: Path) -> list[RouteReport]:
    """Lays out `folder`, writes `golden.safetensors` and reads the folder back through every installed library.

    Where the modules of sentence-transformers cannot express how this model pools or which tokens it keeps, or give
    other vectors, the layout names modules of smart_train, and the reports say why.

    Args:
        model: what `folder` holds, in float32 on the CPU. Its backbone is used up: each library loads its own.

    Raises:
        ExportError: the folder does not give the same in smart_train or plain transformers.
    """
    _index_weights(folder)
    _close_texts(model, folder)
    Golden.make(model).save(folder, model)
    release(model.backbone)
    obstacle = plain_obstacle(model)
    write_layout(model, folder, plain=obstacle is None)
    reports = measure_routes(folder)
    misread = next((report for report in reports if _is_misread(report)), None)
    if misread is not None and obstacle is None:
        obstacle = f"it reads the plain layout differently ({misread})"
        write_layout(model, folder, plain=False)
        reports = measure_routes(folder)
    if any(map(_is_misread, reports)) and not model.family.reads_layout:
        remove_layout(folder)
    reports = [_explained(report, obstacle) for report in reports]
    check_reports(folder, reports)
    return reports


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
    if family.closing_id is None:
        return
    token = family.tokenizer.convert_ids_to_tokens(family.closing_id)
    if not (folder / TOKENIZER).is_file():
        raise ExportError(
            f"{family.folder}: the model was trained with {token!r} at the end of each text, but its tokenizer does "
            f"not add it, and only a {TOKENIZER} can be changed to do so; save the tokenizer with transformers 5 first"
        )
    close_texts(folder, token, family.closing_id)


def _is_misread(report: RouteReport) -> bool:
    return report.route in LIBRARY and report.largest > TOLERANCE


def _explained(report: RouteReport, obstacle: str | None) -> RouteReport:
    """`report` with the reason why it needs smart_train. Where a version of the library gives other vectors even with
    smart_train's modules, the weights are not at fault: the report then says that this route was left out."""
    if _is_misread(report):
        return replace(
            report, differences={}, failure=None, skipped=f"left out: it reads the folder differently ({report})"
        )
    return report if obstacle is None or report.needs is None else replace(report, needs=f"{report.needs}: {obstacle}")
