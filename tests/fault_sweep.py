"""Every command that writes, with each of its writes failing once: by a full disk, a failing one, an interrupted call,
a kill. What is there afterwards must be whole, and the same command must end as if nothing had happened.

    python -m tests.fault_sweep                               every call of every command: hours
    python -m tests.fault_sweep encode mine --moments 20      twenty calls of each of these, for each kind of fault

A command is a `Writer` in `WRITERS` of `tests/fault_writers.py`, which is all that a new one needs.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import gc
import importlib
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy

from tests.fault_inputs import inputs, write_published
from tests.fault_writers import WRITERS
from tests.faults import KINDS, Report, run_child, sweep
from tests.ranks import IMPORTS

ROOT = Path(__file__).parents[1]
SOURCE = Path(__file__).parent / "support" / "faults.c"


def compiled(folder: Path) -> Path:
    """The library of `support/faults.c`. Raises FileNotFoundError where there is no C compiler."""
    path = folder / "faults.so"
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", str(path), str(SOURCE), "-ldl"], check=True)
    return path


def swept(
    names: Sequence[str], moments: int | None, folder: Path, kinds: Sequence[str] = tuple(KINDS), seed: int = 0
) -> dict[str, Report]:
    """`sweep` of these writers, in a process that has the library before libc."""
    library = compiled(folder)
    (folder / "inputs").mkdir()
    environment = {
        **os.environ,
        "LD_PRELOAD": str(library),
        "FAULTS_INPUTS": str(folder / "inputs"),
        "SMART_TRAIN_CACHE": str(folder / "cache"),
        "HF_DATASETS_CACHE": str(folder / "datasets"),
        "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    command = [sys.executable, "-m", "tests.fault_sweep", *names, "--child", str(folder), "--seed", str(seed)]
    command += ["--kinds", *kinds, *([] if moments is None else ["--moments", str(moments)])]
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return {name: Report(**values) for name, values in json.loads((folder / "report.json").read_text()).items()}


def _child(folder: Path, names: Sequence[str], moments: int | None, kinds: Sequence[str], seed: int) -> None:
    import torch

    import smart_train.export.routes
    import smart_train.pairs
    import smart_train.retrieval
    import smart_train.run.seeds_page
    import smart_train.run.stages

    torch.set_num_threads(1)
    for name in IMPORTS:  # also what a run imports late: here, and not in every child
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()  # what was imported is not searched for garbage in every child, which would copy it, too
    # Drawing, and other libraries' reading of an export, cost more than all writes do.
    smart_train.run.stages.plot_run = lambda *_, **__: None
    smart_train.run.seeds_page.seed_figures = lambda *_, **__: {}
    smart_train.export.routes.find_spec = lambda name: None
    library = ctypes.CDLL(os.environ["LD_PRELOAD"])
    inputs()  # here, and not in every child
    if "benchmark" in names:
        _prepare_mteb()
    reports = {}
    for name in names:
        (folder / name).mkdir()
        reports[name] = sweep(name, WRITERS[name], library, folder / name, moments, kinds, seed).__dict__
        (folder / "report.json").write_text(json.dumps(reports))


def _prepare_mteb() -> None:
    """Loads mteb before the fork, without what takes it longest: seeds of every device for each of 2,000 tasks, and
    areas under curves. The data is written in a child, because pyarrow would start threads here."""
    import mteb.abstasks.abstask
    import sentence_transformers  # noqa: F401 - mteb does, when it is first given a model
    from mteb._evaluators import retrieval_metrics

    mteb.abstasks.abstask._set_seed = lambda seed: (random.Random(seed), numpy.random.default_rng(seed))
    mteb.abstasks.AbsTaskRetrieval.k_values = (1, 5, 10)
    retrieval_metrics.nauc = lambda *_: 0.0
    mteb.get_benchmarks()
    assert run_child(write_published, inputs() / "log") == 0, (inputs() / "log").read_text()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(WRITERS)}; all where none is given")
    parser.add_argument("--moments", type=int, help="calls that fail, for each kind of fault; all where not given")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    names = given.names or list(WRITERS)
    if given.child is not None:
        _child(given.child, names, given.moments, given.kinds, given.seed)
        return
    with tempfile.TemporaryDirectory() as folder:
        for name, report in swept(names, given.moments, Path(folder), given.kinds, given.seed).items():
            print(f"{name}: {report.calls} calls that write; tried {report.tried}; {len(report.problems)} problems")
            print("".join(f"  {problem}\n" for problem in report.problems), end="")


if __name__ == "__main__":
    main()
