"""Adapters and projections without a merge: one published without its base, or several mixed into one model."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from peft import PeftModel

from smart_train.errors import ExportError
from smart_train.export.card import CARD_NAME, PLOTS, CardFacts, copy_plots, write_adapter_card
from smart_train.export.finishing import add_provenance
from smart_train.export.golden import Golden
from smart_train.export.parity_record import check_output, write_record, writing
from smart_train.export.published_files import adapter_files
from smart_train.export.routes import release
from smart_train.export.verify import RouteReport, check_reports, measure_routes
from smart_train.models import SmartModel
from smart_train.models.loading import locate, locate_base
from smart_train.models.peft import ADAPTER_CONFIG, mix_adapters
from smart_train.models.reading import read_json
from smart_train.models.smart_config import SmartConfig
from smart_train.utils.defaults import TOLERANCE
from smart_train.utils.folder_kinds import what_is

NOT_EXPORTED = "an export is checked by it; use the published folder, or write one with SmartModel.save_pretrained"
Trained = str | Path | Mapping[str | Path, float]


def export_adapter(
    trained: str | Path,
    output: str | Path,
    *,
    overwrite: bool = False,
    facts: CardFacts | None = None,
    trust_remote_code: bool = False,
    base: str | Path | None = None,
) -> list[RouteReport]:
    """The adapter or projection of `trained` alone at `output`: its weights, `smart_config.json`, what it gives on its
    full-precision base (`golden.safetensors`), and a card.

    Args:
        trained: a run's `final`, a checkpoint, or an adapter's folder.
        overwrite: replace an earlier export at `output`.
        facts: for the card; None keeps the one that `trained` has, if any.
        trust_remote_code: run Python code that the base brings.
        base: where its base lies, if not where `trained` says.

    Returns:
        The finished folder through each library that reads it.

    Raises:
        ExportError: `output` is taken, `trained` holds a whole model, or a library reads the folder otherwise.
        ModelError: the model is late only.
    """
    source = locate(str(trained))
    saved = SmartConfig.read(source)
    if saved.named_base is None:
        raise ExportError(f"{trained}: holds a whole model, not an adapter or a projection; export it merged")
    output = Path(os.path.abspath(output))
    check_output(output, overwrite=overwrite)
    if output.resolve() == source.resolve():
        raise ExportError(f"{output}: it contains {trained}; choose another output")
    model = load_exactly(trained, trust_remote_code, base=base)
    model.family.check_pooled(f"export {trained}", NOT_EXPORTED)
    with writing(output, overwrite=overwrite) as partial:
        for path in adapter_files(source):
            shutil.copyfile(path, partial / path.name)
        copy_plots(partial, sorted((source / PLOTS).glob("*.png")))
        _name_base(partial, model, saved)
        Golden.make(model).save(partial, model)
        release(model)
        reports = measure_routes(partial)
        check_reports(partial, reports)
        if facts is not None or not (partial / CARD_NAME).is_file():
            facts = facts or CardFacts()
            write_adapter_card(partial, facts)
            add_provenance(partial, facts.fingerprints)
        write_record(partial, {"tolerance": TOLERANCE, "routes": {item.route: item.to_dict() for item in reports}})
    return reports


def _name_base(folder: Path, model: SmartModel, saved: SmartConfig) -> None:
    """Writes into the adapter's copy in `folder` where its base lies, seen from there. `saved` is the configuration of
    its own folder; that of a plain PEFT adapter has no scoring."""
    model.pin_base()
    base = model.named_base
    assert base is not None, "it is not a whole model"
    named = replace(saved, named_base=base.seen_from(folder), family=model.family.name, scoring=model.scoring)
    named.write(folder)
    config = read_json(folder / ADAPTER_CONFIG)
    # Without a head, as every library here reads it.
    right = {"base_model_name_or_path": base.name, "revision": base.revision, "task_type": "FEATURE_EXTRACTION"}
    if config is not None and any(config.get(key) != value for key, value in right.items()):
        config |= right
        (folder / ADAPTER_CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def load_exactly(
    trained: str | Path,
    trust_remote_code: bool,
    quantization: str | None = None,
    family: str | None = None,
    base: str | Path | None = None,
) -> SmartModel:
    """A saved model in float32 on the CPU: an export is compared in this form."""
    return SmartModel.from_pretrained(
        trained,
        dtype="float32",
        device="cpu",
        trust_remote_code=trust_remote_code,
        quantization=quantization,
        family=family,
        base=base,
    )


def load_trained(
    trained: Trained, *, trust_remote_code: bool = False, family: str | None = None, base: str | Path | None = None
) -> SmartModel:
    """What is to be exported, unmerged, in float32 on the CPU.

    Args:
        trained: a folder or Hub id; or several adapters of one base, each with its weight in their sum.
        base: where their base lies, if not where they say.

    Raises:
        ExportError: what is to be mixed has not one base, or is not LoRA.
    """
    if not isinstance(trained, Mapping):
        return load_exactly(trained, trust_remote_code, family=family, base=base)
    if not trained or not all(math.isfinite(weight) for weight in trained.values()):
        raise ExportError(f"adapters {_named(trained)}: name at least one, each with a finite weight")
    folders = {locate(str(name)): weight for name, weight in trained.items()}
    named = {folder: SmartConfig.read(folder).named_base for folder in folders}
    strange = [folder for folder, name in named.items() if name is None]
    if strange:
        raise ExportError(
            f"adapters {_named(trained)}: must all be trained on the same base; {strange[0]} {what_is(strange[0])}, "
            "and names none"
        )
    bases = {name and locate_base(name, folder, base).resolve() for folder, name in named.items()}
    if len(bases) != 1:
        names = ", ".join(sorted(map(str, bases)))
        raise ExportError(f"adapters {_named(trained)}: must all be trained on the same base; found {names}")
    first = next(iter(folders))
    model = load_exactly(first, trust_remote_code, family=family, base=base)
    if not isinstance(model.backbone, PeftModel):
        raise ExportError(f"{first}: is a token projection; only LoRA adapters can be mixed")
    mix_adapters(model.backbone, folders)
    return model


def _named(trained: Mapping[str | Path, float]) -> str:
    return ", ".join(f"{name}={weight:g}" for name, weight in trained.items()) or "(none)"
