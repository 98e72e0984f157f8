"""Hermetic by default: CPU, offline, seeded; tests that need a GPU skip themselves.

A process has one torch thread, because the machine's cores belong to the xdist workers, unless OMP_NUM_THREADS is set:
then that many, here and in the processes that a test starts."""

from __future__ import annotations

import os

# Read by the Hugging Face libraries when they are first imported, and inherited by every process a test starts.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["MPLBACKEND"] = "Agg"
os.environ["PYTHONFAULTHANDLER"] = "1"  # a process that a test starts says where it died

import gc
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

pytest_plugins = ["tests.crashes"]
# Until all tests are collected: what libraries and tests make of objects until then stays, and to search it for garbage
# again and again is a fifth of what collecting takes.
gc.disable()
torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))  # torch may have been imported before the line above


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """`cuda` tests are skipped where no CUDA device is seen, `dist` tests where torch has no gloo.

    Several workers begin with the files that have slow tests: at the end one worker would be alone with them.
    """
    lacking = []
    if not torch.cuda.is_available():
        lacking.append(("cuda", pytest.mark.skip(reason="needs a CUDA device and none is seen")))
    if not (torch.distributed.is_available() and torch.distributed.is_gloo_available()):
        lacking.append(("dist", pytest.mark.skip(reason="needs torch.distributed with gloo")))
    for item in items:
        for name, mark in lacking:
            if item.get_closest_marker(name):
                item.add_marker(mark)
    if hasattr(config, "workerinput"):
        slow = {item.path for item in items if item.get_closest_marker("slow")}
        items.sort(key=lambda item: item.path not in slow)


def pytest_collection_finish() -> None:
    """From here on garbage is collected, but not searched for among what is there to the end. Libraries ask for such a
    search several times in a run, and it would take half a second."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing is written to the user's cache, and nothing there decides what a test finds."""
    with pytest.MonkeyPatch.context() as own:
        own.setenv("SMART_TRAIN_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def seeded() -> None:
    """The same random numbers in every test, whatever ran before it and in whichever worker."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def left_as_found() -> Iterator[None]:
    """A test that leaves the libraries changed for the whole process fails itself, not one that follows it."""
    yield
    assert torch.get_default_dtype() == torch.float32 and torch.is_grad_enabled()
    modeling = sys.modules.get("transformers.modeling_utils")
    assert modeling is None or modeling.PreTrainedModel.tie_weights.__name__ == "tie_weights"


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The rows and pages of `tests.runs`; not to be written to."""
    from tests.runs import write_data

    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def no_plots() -> Iterator[None]:
    """Runs draw neither plots nor, in their report, what the tokens of a page matched: more than a third of what so
    small a run takes. For tests of something else."""
    import smart_train.run.report
    import smart_train.run.stages

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(smart_train.run.stages, "plot_run", lambda *_, **__: None)
        patch.setattr(smart_train.run.report, "explanations", lambda *_: "left out")
        yield


@pytest.fixture
def without_peers(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where sentence-transformers is not installed: an export is then read back by two libraries instead of four.
    For tests of something else."""
    monkeypatch.setattr("smart_train.export.routes.find_spec", lambda name: None)
