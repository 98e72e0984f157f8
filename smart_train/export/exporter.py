"""Merge, write, reload, compare, and only then move into place."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel

from smart_train.errors import ExportError, NonFiniteError
from smart_train.export.adapters import NOT_EXPORTED, Trained, load_exactly, load_trained
from smart_train.export.card import CARD_NAME, CardFacts, Lineage, copy_plots, merged_card
from smart_train.export.finishing import add_provenance, finish_folder
from smart_train.export.parity import ParityReport, Probe, measure_parity
from smart_train.export.parity_record import check_output, write_record, writing
from smart_train.export.routes import release
from smart_train.export.verify import RouteReport
from smart_train.models import SmartModel
from smart_train.models.loading import locate
from smart_train.models.quantization import is_installed
from smart_train.models.saving import save_merged, weights_dtype
from smart_train.models.smart_config import SmartConfig
from smart_train.scoring import ScoringConfig
from smart_train.scoring.embeddings import Embeddings
from smart_train.types import Example
from smart_train.utils.defaults import TOLERANCE

DTYPES = ("float32", "bfloat16", "float16")


@dataclass(frozen=True)
class ExportReport:
    """What was measured on the way.

    Attributes:
        parity: scores of the merged weights against the trained model's, in float32.
        dtype: of the weights that were written.
        rounding: what was rounded to `dtype` against the trained model; None where `dtype` is float32.
        routes: the finished folder through each library, against its `golden.safetensors`.
    """

    parity: ParityReport
    dtype: str
    rounding: ParityReport | None
    routes: Sequence[RouteReport]

    def __str__(self) -> str:
        lines = [f"largest score difference to the trained model {self.parity.largest:.1e}"]
        if self.rounding is not None:
            lines.append(f"{self.dtype}: {self.rounding.effect}")
        return "\n  ".join([*lines, *map(str, self.routes)])


def export_model(
    trained: Trained,
    output: str | Path,
    *,
    dtype: str | None = None,
    examples: Sequence[Example] = (),
    overwrite: bool = False,
    facts: CardFacts | None = None,
    trust_remote_code: bool = False,
    family: str | None = None,
    base: str | Path | None = None,
) -> ExportReport:
    """Merged weights of `trained` in a standard transformers folder at `output`.

    The adapter is merged in float32, into full-precision weights also when it was trained on quantised ones; the merged
    folder is written, loaded back and scored on a probe against the unmerged model. Only a folder that passes is cast
    to `dtype`, laid out for other libraries, read back through each that is installed, and moved to `output`. What
    rounding to `dtype` changes, and what full precision changes against the quantised model that was trained, is
    measured and written down, not gated: a rank changes only between documents that were nearer than the rounding.

    One copy of the weights in float32 is in memory at a time: 4 bytes a weight, and a fifth more for what is beside it.

    Args:
        trained: a folder that `SmartModel.from_pretrained` reads (a run's `final`, a checkpoint, an adapter); or
            several LoRA adapters of one base, each with its weight in the sum that is merged.
        dtype: of the exported weights: float32, bfloat16 or float16. None is that of the base checkpoint an adapter or
            projection was trained on (in full precision, where it was trained on a quantised one); of a whole model,
            that of its own folder.
        examples: held-out pairs to add to the probe.
        overwrite: replace an earlier export at `output`.
        facts: for the model card, which is plainer without them.
        trust_remote_code: run Python code that the base brings; it is copied into the export.
        family: of a published model or adapter whose files do not say it.
        base: where the base of `trained` lies, if not where it says.

    Raises:
        ExportError: `output` is taken, a score differs by more than `TOLERANCE`, `dtype` cannot hold the weights, or
            a library reads the finished folder otherwise.
        ModelError: the model is late only.
    """
    facts = facts or CardFacts()
    if dtype is not None and dtype not in DTYPES:
        raise ExportError(f"dtype {dtype!r}: choose {', '.join(DTYPES)}")
    output = Path(os.path.abspath(output))
    check_output(output, overwrite=overwrite)
    model = load_trained(trained, trust_remote_code=trust_remote_code, family=family, base=base)
    model.family.check_pooled(f"export {trained}", NOT_EXPORTED)
    dtype = dtype or weights_dtype(Path(model.family.folder))
    _check_not_source(output, trained, model)
    origin = facts.base or model.trained_from or model.named_base
    scoring, lineage = model.scoring, Lineage.of(origin, Path(model.family.folder))
    probe = Probe.make(model.family.modalities, examples)
    expected = _encode(
        probe, model, f"{trained}: the trained model gives NaN or infinite embeddings, so it cannot be exported"
    )
    _merge(model, trained)
    with writing(output, overwrite=overwrite) as partial:
        save_merged(model, partial)
        release(model.backbone)  # the written one takes its place in memory
        exported = load_exactly(partial, trust_remote_code)
        report = _parity_of(exported, trained, probe, expected, scoring)
        reports = {"float32": report}
        if dtype != "float32":
            exported = _cast(exported, partial, dtype, trust_remote_code)
            reports[dtype] = _measure_rounding(exported, dtype, probe, expected)
        add_provenance(partial, facts.fingerprints)
        routes = finish_folder(exported, partial)
        reports |= _quantised(trained, probe, expected, trust_remote_code, base)
        copy_plots(partial, facts.plots)
        (partial / CARD_NAME).write_text(merged_card(exported, lineage, facts, reports, routes), encoding="utf-8")
        write_record(partial, _measured(reports, probe, routes))
    return ExportReport(report, dtype, reports.get(dtype) if dtype != "float32" else None, routes)


def _check_not_source(output: Path, trained: Trained, model: SmartModel) -> None:
    """Raises ExportError where `output` holds the weights that the export is made from. An earlier export may be
    there."""
    sources = trained if isinstance(trained, Mapping) else [trained]
    if output.resolve() in (*(Path(source).resolve() for source in sources), Path(model.family.folder).resolve()):
        raise ExportError(f"{output}: {trained} uses the weights in this folder; choose another output")


def _encode(probe: Probe, model: SmartModel, fault: str) -> tuple[Embeddings, Embeddings]:
    """The probe, encoded by `model`. Raises ExportError with `fault` where that is NaN or infinite."""
    try:
        return probe.encode(model)
    except NonFiniteError as error:
        raise ExportError(fault) from error


def _merge(model: SmartModel, trained: Trained) -> None:
    if not isinstance(model.backbone, PeftModel):
        return
    try:
        model.backbone = model.backbone.merge_and_unload(safe_merge=True)
    except ValueError as error:  # PEFT's check for NaN and infinity in the merged weights
        raise ExportError(f"{trained}: the adapter cannot be merged ({error})") from error


def _parity_of(
    exported: SmartModel,
    trained: Trained,
    probe: Probe,
    expected: tuple[Embeddings, Embeddings],
    scoring: ScoringConfig,
) -> ParityReport:
    """How far the merged model, read back, scores from the trained one. Raises ExportError when that is beyond the
    tolerance."""
    fault = f"{trained}: the merged model gives NaN or infinite embeddings. Nothing was exported"
    report = measure_parity(expected, _encode(probe, exported, fault), scoring)
    if report.largest > TOLERANCE:
        raise ExportError(
            f"{trained}: the merged model does not score like the trained one: {report}, allowed {TOLERANCE:.0e}. "
            "Nothing was exported"
        )
    return report


def _measured(reports: Mapping[str, ParityReport], probe: Probe, routes: Sequence[RouteReport]) -> dict[str, Any]:
    """What was measured, for the folder's record."""
    return {
        **{name: item.to_dict() for name, item in reports.items()},
        "tolerance": TOLERANCE,
        "probe": {"queries": len(probe.queries), "documents": len(probe.documents)},
        "routes": {item.route: item.to_dict() for item in routes},
    }


def _cast(exported: SmartModel, folder: Path, dtype: str, trust_remote_code: bool) -> SmartModel:
    """Rewrites the float32 export in `folder` as `dtype`; returns it read back, in float32. `exported` is used up."""
    exported.backbone.to(getattr(torch, dtype))
    save_merged(exported, folder)
    release(exported.backbone)
    return load_exactly(folder, trust_remote_code)


def _measure_rounding(
    rounded: SmartModel, dtype: str, probe: Probe, expected: tuple[Embeddings, Embeddings]
) -> ParityReport:
    fault = f"dtype {dtype!r}: some weights are outside its range; export as bfloat16 or float32"
    return measure_parity(expected, _encode(probe, rounded, fault), rounded.scoring)


def _quantised(
    trained: Trained,
    probe: Probe,
    expected: tuple[Embeddings, Embeddings],
    trust_remote_code: bool,
    base: str | Path | None,
) -> dict[str, ParityReport]:
    """How far full precision scores from the quantised model that was trained. Empty where it was not quantised, is a
    mixture of adapters (which was not trained as one), or cannot be loaded because the library that quantises is
    missing."""
    if isinstance(trained, Mapping) or not is_installed():
        return {}
    quantization = SmartConfig.read(locate(str(trained))).quantization
    if quantization is None:
        return {}
    model = load_exactly(trained, trust_remote_code, quantization, base=base)
    return {f"{quantization} training": measure_parity(expected, probe.encode(model), model.scoring)}
