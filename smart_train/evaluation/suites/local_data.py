"""Where the data of tasks is: on the Hub, or in a folder that was downloaded before, for machines without a network."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from smart_train.errors import DataError, first_line
from smart_train.evaluation.suites import mmeb
from smart_train.utils.atomic import naming_refusals, refusal


def local_copy(task: Any, data: Path | None) -> Path | None:
    """DATA/OWNER/NAME of the task's data set, where that is a folder; else None."""
    if data is None:
        return None
    folder = data / task.metadata.dataset["path"]
    return folder if folder.is_dir() else None


def load_task(task: Any, data: Path | None, prepared: Path) -> None:
    """Loads the data of `task`, from `data` where that holds its data set, else from the Hub or its cache.

    Args:
        prepared: an empty folder, or none yet, for what `datasets` makes of a local copy. It is read until the task's
            data is unloaded.

    Raises:
        DataError: it cannot be loaded. `unloadable` says what to do.
        WriteError: `prepared` takes no more.
    """
    folder = local_copy(task, data)
    named = task.metadata
    try:
        if folder is not None:
            # mteb passes the path on to `load_dataset`, which reads a folder as it reads the Hub.
            task.metadata = named.model_copy(update={"dataset": {**named.dataset, "path": str(folder.absolute())}})
        with contextlib.nullcontext() if folder is None else _prepared_in(prepared):
            task.load_data()
            task.convert_v1_dataset_format_to_v2(num_proc=None)
    # Everything that mteb, `datasets` and the Hub's client raise for data that is absent, gated or of another layout.
    except Exception as error:
        task.dataset, task.data_loaded = {}, False
        # `datasets` raises an error of its own where it cannot write.
        for cause in (error, error.__cause__, error.__context__):
            if folder is not None and cause is not None and refusal(cause, prepared) is not None:
                with naming_refusals(prepared):
                    raise cause from None
        where = f"{folder}: " if folder is not None else ""
        raise DataError(f"{where}{first_line(error)}") from error
    finally:
        task.metadata = named


@contextlib.contextmanager
def _prepared_in(folder: Path) -> Iterator[None]:
    """Lets `datasets` prepare rows in `folder`, and not in its own cache. That goes by the last part of a data set's
    path: it takes what it once prepared of another folder of that name, or of earlier files in this one. And it keeps
    a copy of each for ever."""
    import datasets

    common = datasets.config.HF_DATASETS_CACHE
    datasets.config.HF_DATASETS_CACHE = folder.absolute()
    try:
        yield
    finally:
        datasets.config.HF_DATASETS_CACHE = common


def unloadable(failures: Sequence[tuple[Any, str]], total: int, data: Path | None) -> str:
    """A message about the tasks whose data could not be loaded, and what to do.

    Args:
        failures: each task, and why. total: how many tasks were asked for. data: where local copies were looked for.
    """
    lines = [
        f"  {task.metadata.name}: data set {task.metadata.dataset['path']}, revision {task.metadata.revision} ({why})"
        for task, why in failures
    ]
    place = str(data) if data is not None else "DATA"
    sets = [(task.metadata.dataset["path"], task.metadata.revision) for task, _ in failures]
    if any(isinstance(mmeb.TASKS.get(task.metadata.name), (mmeb.ImageTask, mmeb.VideoTask)) for task, _ in failures):
        sets.append((mmeb.MEDIA, "main"))  # pictures and frames, in archives
    commands = [
        f"  hf download {path} --repo-type dataset --revision {revision} --local-dir {place}/{path}"
        for path, revision in sets
    ]
    lead = f"the data of {len(failures)} of {total} tasks cannot be loaded:"
    ask = "Where the Hub can be reached, run"
    then = f"and pass --data {place} here (copied to this machine, if that was another one)"
    # Several tasks may share a data set.
    return "\n".join([lead, *lines, ask, *dict.fromkeys(commands), then])
