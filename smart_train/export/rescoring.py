"""Other scoring settings for an export that is there, with everything that follows from them made and proved again.

The weights stay. The golden vectors, the layout for other libraries, the model card and the record are of the settings,
so they are made again as an export makes them, and the folder is read back through every installed library. What the
record said of the trained model was measured with the earlier settings; it is kept under that name.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from smart_train.errors import ExportError
from smart_train.export.adapters import load_exactly
from smart_train.export.card import CARD_NAME
from smart_train.export.finishing import finish_folder
from smart_train.export.golden import GOLDEN_NAME, Golden
from smart_train.export.parity_record import REPORT_NAME, check_record, write_record, writing
from smart_train.export.rescored_card import rescored_card
from smart_train.export.routes import release
from smart_train.export.verify import RouteReport, check_reports, measure_routes
from smart_train.models import SmartModel
from smart_train.models.reading import read_json
from smart_train.models.rescoring import link_or_copy, write_values
from smart_train.models.smart_config import SMART_CONFIG, SmartConfig
from smart_train.scoring import ScoringConfig
from smart_train.utils.defaults import TOLERANCE
from smart_train.utils.locks import beside, check_free
from smart_train.utils.manifest import DIGEST

_AT_EXPORT = "at_export"
_MADE_AGAIN = (SMART_CONFIG, GOLDEN_NAME, REPORT_NAME)


def is_export(folder: Path) -> bool:
    """Whether `folder` has the record of an export."""
    return (folder / REPORT_NAME).is_file()


def check_rescorable_export(folder: Path) -> None:
    """Raises ExportError unless `rescore_export` can change `folder`; for a look before minutes of work. BusyError:
    another process writes there."""
    check_free(beside(folder))
    check_record(folder)


def rescore_export(
    folder: str | Path,
    scoring: ScoringConfig,
    why: str,
    *,
    trust_remote_code: bool = False,
    base: str | Path | None = None,
) -> tuple[list[RouteReport], bool]:
    """Puts `scoring` into the export in `folder`, all of it or nothing: a kill at any instant leaves the old export or
    the new one. One copy of the weights in float32 is in memory at a time.

    Args:
        folder: what `export_model` or `export_adapter` wrote, or a link to it, which stays.
        why: what the model card says of the change.
        trust_remote_code: run Python code that the export or its base brings.
        base: where an adapter's base lies, if not where `folder` says.

    Returns:
        The new folder through each library, and whether its card says so: one that was edited by hand, so that the
        earlier settings are not found in it, is left as it is.

    Raises:
        ExportError: files changed since the export was verified, or a library reads the new folder otherwise.
        BusyError: another process writes there. WriteError: the file system refuses it.
    """
    folder = Path(os.path.realpath(folder))
    with writing(folder, overwrite=True) as partial:
        record = check_record(folder)
        before = SmartConfig.read(folder).scoring
        if before is None:
            raise ExportError(f"{folder / SMART_CONFIG}: names no scoring settings; export again")
        _copy(folder, partial)
        write_values(partial / SMART_CONFIG, read_json(folder / SMART_CONFIG) or {}, scoring)
        model = load_exactly(partial, trust_remote_code, base=base)
        routes = _proved(model, partial, base)
        file = partial / CARD_NAME
        card = rescored_card(file.read_text(encoding="utf-8"), before, model, why, routes) if file.is_file() else None
        if card is not None:
            file.write_text(card, encoding="utf-8")
        write_record(partial, _measured(record, before, routes))
    return routes, card is not None


def _copy(folder: Path, partial: Path) -> None:
    """Everything but what is made again. Weights under a second name, where the file system has that: they are large,
    and nothing writes into them. Other files are copies, which may be written to."""
    for path in sorted(folder.rglob("*")):
        copy = partial / path.relative_to(folder)
        if path.is_dir():
            copy.mkdir(exist_ok=True)
        elif path.suffix == ".safetensors" and path.name not in _MADE_AGAIN:
            link_or_copy(path, copy)
        elif path.name not in _MADE_AGAIN or path.parent != folder:
            shutil.copy2(path, copy)


def _proved(model: SmartModel, partial: Path, base: str | Path | None) -> list[RouteReport]:
    """Golden vectors and layout of the new settings, and the folder read back; uses up `model`."""
    if model.owns_backbone:
        return finish_folder(model, partial)
    Golden.make(model).save(partial, model)
    release(model)
    reports = measure_routes(partial, base=base)
    check_reports(partial, reports)
    return reports


def _measured(record: Mapping[str, Any], before: ScoringConfig, routes: list[RouteReport]) -> dict[str, Any]:
    """The record of the new folder. How far it scores from the trained model was measured with other settings, and the
    trained model need not be here: those figures stay, with the settings that they are of."""
    of_routes = ("routes", "tolerance", DIGEST)
    at_export = record.get(_AT_EXPORT) or {
        "scoring": before.to_dict(),
        **{name: value for name, value in record.items() if name not in of_routes},
    }
    return {
        "tolerance": TOLERANCE,
        "routes": {item.route: item.to_dict() for item in routes},
        _AT_EXPORT: at_export,
    }
