"""A token projection of either form as a folder of this package's own."""

from __future__ import annotations

import os
from pathlib import Path

from smart_train.errors import ExportError
from smart_train.export.parity_record import check_output, writing
from smart_train.models import find_family
from smart_train.models.bases import Base, weights_digest
from smart_train.models.loading import locate, read_config
from smart_train.models.published_projections import StoredProjection, read_projection
from smart_train.models.smart_config import SmartConfig


def convert_projection(
    source: str | Path, output: str | Path, *, base: str | None = None, revision: str | None = None
) -> StoredProjection:
    """The projection in `source` as `projection.safetensors` and `projection_config.json` in the new folder `output`.

    Args:
        source: an `adapter.pt` that the SMART authors published, a folder with one, or a folder of ours.
        output: not there yet, or empty.
        base: the model it belongs to, a folder or Hub id whose configuration is read. `output` then loads by itself,
            with `SmartModel.from_pretrained(output)`; without it, as the `projection` of a base.
        revision: a branch, tag or commit of a Hub `base`.

    Returns:
        What was read, and written.

    Raises:
        ModelError: `source` is not a token projection, or does not fit `base`.
        ExportError: `output` is taken, or `base` holds no weights of its own.
    """
    output = Path(os.path.realpath(output))
    check_output(output, overwrite=False)
    stored = read_projection(source)
    config = None if base is None else _belonging(stored, source, base, revision, output)
    with writing(output, overwrite=False) as partial:
        stored.projection.save(partial)
        if config is not None:
            config.write(partial)
    return stored


def _belonging(
    stored: StoredProjection, source: str | Path, base: str, revision: str | None, output: Path
) -> SmartConfig:
    """The `smart_config.json` of a projection on `base` in `output`, once it is certain that it fits."""
    folder = locate(base, revision, weights=False)
    saved = SmartConfig.read(folder)
    if saved.named_base is not None:
        raise ExportError(f"{base}: is an adapter or projection of {saved.base}; name a whole model")
    config = read_config(folder)
    family = find_family(saved.family, folder)
    scoring = family.scoring_of(None, saved.scoring)
    stored.projection.check_fit(config, scoring.layer, source=source)
    if Path(base).is_dir():
        named = Base(os.path.abspath(base), weights=weights_digest(folder), local=True).seen_from(output)
    else:
        named = Base(base, folder.name, local=False)  # the commit, as for an adapter: a branch may move on
    return SmartConfig(family.name, named, None, scoring, stored.prompts(saved.prompts, family))
