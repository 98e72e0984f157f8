"""Hides what libraries print while a command works, except for what a user can act on."""

from __future__ import annotations

import logging
import multiprocessing
import warnings
from collections.abc import Callable, Mapping
from functools import partial, wraps
from pathlib import Path
from typing import Any

from smart_train.cli.process_group import refuse_several
from smart_train.cli.rows import source_values
from smart_train.errors import LeftOut, Notice, printable
from smart_train.utils.model_folders import bring_back, find_model, missing_folder

# logger -> what the line holds. The first two appear on every machine without an optional part, which this package does
# not use. The third lists heads that no embedder uses; other missing or superfluous weights are errors here.
_NOTICES = {
    "bitsandbytes.backends.cpu.ops": "Failed to load CPU gemm_4bit_forward",
    "DeepSpeed": "Setting accelerator to CPU",
    "transformers.modeling_utils": " LOAD REPORT",
}
# What a loader's worker needs. Where Python does not fork the process that starts it, from 3.14 on, each worker of each
# epoch would import it anew; now one process does so once, and the workers are forked from that.
_OF_WORKERS = ["smart_train.run.build"]
_MODELS = ("model", "base", "run")  # arguments of commands that take a model, or a run in the place of one
_ROWS = ("columns", "documents", "corpus", "image_root")  # options that name files and columns, beside --data
# Libraries that still use names which another one has deprecated. Nothing a user wrote is meant.
_PYTHONS_FORMAT = warnings.formatwarning
_DEPRECATING = r"(accelerate|peft|torch|transformers)(\.|$)"


def _lacks(part: str, record: logging.LogRecord) -> bool:
    return part not in record.getMessage()


def quiet_libraries() -> None:
    """Drops notices of optional kernels and unused heads, deprecations between libraries, and bars where there is no
    terminal."""
    from PIL import Image

    for name, part in _NOTICES.items():
        logging.getLogger(name).addFilter(partial(_lacks, part))
    warnings.filterwarnings("ignore", category=FutureWarning, module=_DEPRECATING)
    warnings.formatwarning = _formatted
    # Such images are refused, with an error that names them; this names nothing.
    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)

    from transformers.utils.logging import set_tqdm_hook

    set_tqdm_hook(_passing_bar)


def quietly(
    command: Callable[..., None], *, runs_recipe: bool = False, reads_rows: bool = False, alone: bool = False
) -> Callable[..., None]:
    """`command` after `quiet_libraries`, for one that loads a model. The libraries take seconds to import, which the
    other commands, and help, need not wait for.

    Args:
        runs_recipe: it needs all that its RECIPE names.
        reads_rows: its --data names rows.
        alone: it works in one process; several of a launch are refused.

    Whoever mistyped the name of a model, a file of rows or one of their columns, a key of the recipe or a file in it
    need not wait either.
    """

    def check(options: Mapping[str, Any]) -> None:
        if alone:
            refuse_several(command.__name__)
        for name in _MODELS:
            if options.get(name) is not None:
                bring_back(Path(options[name]))
                find_model(options[name])
        for name in options.get("models") or ():
            if not Path(name).exists():  # a run, or a file, may keep what is asked for without a model
                find_model(name)
        if options.get("folder") is not None:
            bring_back(Path(options["folder"]))
            if not Path(options["folder"]).is_dir():
                raise missing_folder(options["folder"])
        if reads_rows and options["data"] is not None:
            from smart_train.recipe.early_checks import check_rows_quickly

            check_rows_quickly({"path": options["data"], **source_values({key: options.get(key) for key in _ROWS})})
        if runs_recipe:
            from smart_train.recipe.early_checks import check_quickly

            check_quickly(options["recipe"], options["overrides"] or ())

    @wraps(command)
    def quiet(*args: Any, **options: Any) -> None:
        check(options)
        quiet_libraries()
        multiprocessing.set_forkserver_preload(_OF_WORKERS)
        command(*args, **options)

    return quiet


def _formatted(message: Warning | str, category: type[Warning], *rest: Any, **options: Any) -> str:
    """A warning as the command line shows it: what was left out, and notices, are told without the line of code that
    they come from."""
    if issubclass(category, LeftOut | Notice):
        return f"{'left out: ' if issubclass(category, LeftOut) else ''}{printable(str(message))}\n"
    return _PYTHONS_FORMAT(message, category, *rest, **options)


def _passing_bar(bar: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """A bar on a terminal only, gone when it is done: a run opens its model's folders several times."""
    return bar(*args, **{"disable": None, "leave": False, **options})
