"""Merge, write, reload, compare, and only then move into place."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import torch
from peft import PeftModel
from torch import Tensor

from smart_train.errors import ExportError
from smart_train.export.parity import TOLERANCE, ParityReport, Probe, measure_parity
from smart_train.models import SmartModel
from smart_train.models.storage import generation_head, locate, save_merged
from smart_train.types import Example

REPORT_NAME = "parity.json"


def export_model(
    trained: str | Path,
    output: Path,
    *,
    dtype: str = "float32",
    examples: Sequence[Example] = (),
    overwrite: bool = False,
) -> ParityReport:
    """Merged weights of `trained` in a standard transformers folder at `output`.

    The adapter is merged in float32; the merged folder is written, loaded back and scored on a probe against the
    unmerged model. Only a folder that passes is cast to `dtype` and moved to `output`.

    Args:
        trained: a folder that `SmartModel.from_pretrained` reads (a run's `final`, a checkpoint, an adapter).
        dtype: of the exported weights. What rounding to it changes is measured and written down, not gated.
        examples: held-out pairs to add to the probe.
        overwrite: replace an existing `output`.

    Returns:
        The differences measured in float32.

    Raises:
        ExportError: `output` exists, or a score differs by more than `TOLERANCE`.
    """
    if output.exists() and not overwrite:
        raise ExportError(f"{output}: exists already; choose another output or pass --overwrite")
    model = SmartModel.from_pretrained(trained, dtype="float32", device="cpu")
    probe = Probe.make(model.family.modalities, examples)
    expected = probe.encode(model)
    head = {} if model.base is None else generation_head(locate(model.base, model.base_revision))
    if isinstance(model.backbone, PeftModel):
        model.backbone = model.backbone.merge_and_unload(safe_merge=True)
    partial = output.with_name(f".{output.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.parent.mkdir(parents=True, exist_ok=True)
    try:
        _write(model, partial, head, torch.float32)
        report = measure_parity(expected, probe.encode(SmartModel.from_pretrained(partial, device="cpu")), model)
        if report.largest > TOLERANCE:
            raise ExportError(
                f"{trained}: the merged model does not score like the trained one: largest difference "
                f"{report.largest:.2e} (pooled {report.pooled:.2e}, late {report.late:.2e}, hybrid {report.hybrid:.2e}),"
                f" allowed {TOLERANCE:.0e}. Nothing was exported"
            )
        measured = {"float32": report.to_dict(), "tolerance": TOLERANCE, "probe_queries": len(probe.queries)}
        if dtype != "float32":
            _write(model, partial, head, getattr(torch, dtype))
            cast = SmartModel.from_pretrained(partial, dtype="float32", device="cpu")
            measured[dtype] = measure_parity(expected, probe.encode(cast), model).to_dict()
        (partial / REPORT_NAME).write_text(json.dumps(measured, indent=2) + "\n")
        if output.exists():
            shutil.rmtree(output)
        partial.rename(output)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return report


def _write(model: SmartModel, folder: Path, head: dict[str, Tensor], dtype: torch.dtype) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    if dtype != torch.float32:
        model.backbone.to(dtype)
        head = {name: value.to(dtype) for name, value in head.items()}
    save_merged(model, folder, head)
