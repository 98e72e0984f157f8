"""Which published benchmarks the command knows by name, and the tasks of mteb that they are made of.

mteb owns the tasks: their data, their revisions and their main metrics are read from it and written nowhere here.
"""

from __future__ import annotations

import copy
import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from smart_train.errors import DataError, MissingExtra


@dataclass(frozen=True)
class Suite:
    """A published benchmark as mteb has it.

    Args:
        parts: names of benchmarks or tasks of mteb.
        metric: what the published figures of the suite are, in mteb's spelling; None is each task's own main metric.
        lacks: what of the published suite mteb has no task of.
    """

    parts: tuple[str, ...]
    metric: str | None = None
    lacks: str | None = None


# mteb 2.26 defines a benchmark of these, but does not list it.
_VISRAG = tuple(f"VisRAGRet{part}" for part in ("ArxivQA", "ChartQA", "InfoVQA", "PlotQA", "MPDocVQA", "SlideVQA"))
SUITES: dict[str, Suite] = {
    "vidore-v1": Suite(("ViDoRe(v1)",)),
    "vidore-v2": Suite(("ViDoRe(v2)",)),
    "vidore-v3": Suite(("ViDoRe(v3)",)),
    "vidore-v3.1": Suite(("ViDoRe(v3.1)",)),
    "visrag": Suite(_VISRAG),
    "mmeb-visdoc": Suite(
        ("ViDoRe(v1)", "ViDoRe(v2)", *_VISRAG),
        metric="ndcg_at_5",
        lacks="its out-of-domain part (ViDoSeek and MMLongBench-Doc as MMEB-V2 cuts them)",
    ),
}


@dataclass(frozen=True)
class Chosen:
    """What one name on the command line means.

    Attributes:
        name: as it was given.
        tasks: mteb's tasks, in its order.
        metrics: task name -> the metric to show, in mteb's spelling.
        lacks: see `Suite`.
    """

    name: str
    tasks: tuple[Any, ...]
    metrics: dict[str, str]
    lacks: str | None = None


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
    task_names = {kind.metadata.name for kind in TASK_LIST}
    suites = []
    for name in dict.fromkeys(names):
        suite = SUITES.get(name)
        if suite is None and name not in benchmarks and name not in task_names:
            raise DataError(_unknown(name, [*SUITES, *benchmarks, *sorted(task_names)]))
        tasks: list[Any] = []
        for part in suite.parts if suite else (name,):
            tasks += benchmarks[part].tasks if part in benchmarks else [mteb.get_task(part)]
        others = [task.metadata.name for task in tasks if not isinstance(task, AbsTaskRetrieval)]
        if others:
            raise DataError(
                f"--suite {name}: {len(others)} of its {len(tasks)} tasks are not retrieval or reranking tasks, the "
                f"first is {others[0]}; name the retrieval tasks themselves"
            )
        metric = suite.metric if suite else None
        # Copies: mteb returns the same object of each task every time, and ours get another place of their data.
        suites.append(
            Chosen(
                name,
                tuple(copy.copy(task) for task in tasks),
                {task.metadata.name: metric or task.metadata.main_score for task in tasks},
                suite.lacks if suite else None,
            )
        )
    return suites


def _unknown(name: str, names: Sequence[str]) -> str:
    # Without case and hyphens, in which suites and tasks differ more than in their letters. The first of equals stays.
    plain = {_plain(item): item for item in reversed(names)}
    near = [plain[item] for item in difflib.get_close_matches(_plain(name), plain, n=3)]
    meant = f"; the nearest names are {', '.join(near)}" if near else ""
    return (
        f"--suite {name}: neither a suite ({', '.join(SUITES)}) nor a benchmark or task of mteb{meant}. "
        "Tasks have mteb's names, such as VidoreDocVQARetrieval"
    )


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")
