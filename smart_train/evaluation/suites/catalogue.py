"""Which published benchmarks the command knows by name, and the tasks that they are made of.

mteb owns its tasks: their data, their revisions and their main metrics are read from it and written nowhere here. Tasks
of MMEB-V2 that mteb has not are in `mmeb.py`.
"""

from __future__ import annotations

import copy
import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from smart_train.errors import DataError, MissingExtra
from smart_train.evaluation.suites import mmeb


@dataclass(frozen=True)
class Suite:
    """A published benchmark.

    Args:
        parts: names of benchmarks or tasks of mteb, or of `mmeb.TASKS`.
        metric: what the published figures of the suite are, in mteb's spelling; None is each task's own main metric.
        differs: in what its mean is not that of the published suite, as a sentence.
    """

    parts: tuple[str, ...]
    metric: str | None = None
    differs: str | None = None


# mteb 2.26 defines a benchmark of these, but does not list it.
_VISRAG = tuple(f"VisRAGRet{part}" for part in ("ArxivQA", "ChartQA", "InfoVQA", "PlotQA", "MPDocVQA", "SlideVQA"))
SUITES: dict[str, Suite] = {
    "vidore-v1": Suite(("ViDoRe(v1)",)),
    "vidore-v2": Suite(("ViDoRe(v2)",)),
    "vidore-v3": Suite(("ViDoRe(v3)",)),
    "vidore-v3.1": Suite(("ViDoRe(v3.1)",)),
    "visrag": Suite(_VISRAG),
    "mmeb-image": Suite(tuple(mmeb.PREFIX + name for name in mmeb.IMAGE_TASKS)),
    "mmeb-video": Suite(tuple(mmeb.PREFIX + name for name in mmeb.VIDEO_TASKS)),
    "mmeb-ood": Suite(tuple(mmeb.PREFIX + name for name in mmeb.DOCUMENT_TASKS)),
    "mmeb-visdoc": Suite(
        ("ViDoRe(v1)", "ViDoRe(v2)", *_VISRAG, *(mmeb.PREFIX + name for name in mmeb.DOCUMENT_TASKS)),
        metric="ndcg_at_5",
        differs="MMEB-V2 counts three of ViDoRe v2 twice, in English and in all languages; here each counts once",
    ),
}


@dataclass(frozen=True)
class Chosen:
    """What one name on the command line stands for.

    Attributes:
        name: as it was given.
        tasks: mteb's tasks, in its order.
        metrics: task name -> the metric to show, in mteb's spelling.
        differs: see `Suite`.
    """

    name: str
    tasks: tuple[Any, ...]
    metrics: dict[str, str]
    differs: str | None = None


def load_mteb() -> ModuleType:
    """The library mteb. Raises MissingExtra where it is not installed."""
    try:
        import mteb
    except ImportError as error:
        raise MissingExtra(
            f"benchmarks need the library mteb, which cannot be imported ({error}); install it with "
            "pip install 'smart_train[mteb]' (Python 3.11 or newer)"
        ) from error
    return mteb


def choose(names: Sequence[str]) -> list[Chosen]:
    """The tasks behind `names`: suites of `SUITES`, or benchmarks or tasks of mteb by its own names.

    Raises:
        MissingExtra: mteb is not installed.
        DataError: an unknown name, with those spelt most like it; or a task that is not a retrieval or reranking task.
    """
    mteb = load_mteb()
    from mteb.abstasks import AbsTaskRetrieval
    from mteb.get_tasks import TASK_LIST

    benchmarks = {name: held for held in mteb.get_benchmarks() for name in (held.name, *held.aliases)}
    task_names = {kind.metadata.name for kind in TASK_LIST} | {*mmeb.TASKS}
    choices = []
    for name in dict.fromkeys(names):
        suite = SUITES.get(name)
        if suite is None and name not in benchmarks and name not in task_names:
            raise DataError(_unknown(name, [*SUITES, *benchmarks, *sorted(task_names)]))
        tasks: list[Any] = []
        for part in suite.parts if suite else (name,):
            if part in mmeb.TASKS:
                tasks.append(mmeb.mmeb_task(part))
            else:
                tasks += benchmarks[part].tasks if part in benchmarks else [mteb.get_task(part)]
        others = [task.metadata.name for task in tasks if not isinstance(task, AbsTaskRetrieval)]
        if others:
            raise DataError(
                f"--suite {name}: {len(others)} of its {len(tasks)} tasks are not retrieval or reranking tasks, the "
                f"first is {others[0]}; name the retrieval tasks themselves"
            )
        metric = suite.metric if suite else None
        # Copies: mteb hands out one object of each task, and where its data lies is changed in ours.
        choices.append(
            Chosen(
                name,
                tuple(copy.copy(task) for task in tasks),
                {task.metadata.name: metric or task.metadata.main_score for task in tasks},
                suite.differs if suite else None,
            )
        )
    return choices


def _unknown(name: str, valid_names: Sequence[str]) -> str:
    # Without case and hyphens, in which suites and tasks differ more than in their letters. The first of equals stays.
    plain = {_plain(item): item for item in reversed(valid_names)}
    near = [plain[item] for item in difflib.get_close_matches(_plain(name), plain, n=3)]
    meant = f"; the nearest names are {', '.join(near)}" if near else ""
    return (
        f"--suite {name}: neither a suite ({', '.join(SUITES)}) nor a benchmark or task of mteb{meant}. "
        "Tasks have mteb's names, such as VidoreDocVQARetrieval"
    )


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")
