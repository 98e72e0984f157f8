"""A pytest plugin for a test process that dies, of which xdist prints no more than the name of the test. Each worker
notes in a file of its own where it was at a fatal signal, and how much memory it held; the main process prints these
notes after the tests."""

from __future__ import annotations

import faulthandler
import resource
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from _pytest.terminal import TerminalReporter

_KEY = "crash_notes"  # of what the main process tells a worker
_FOLDER, _FILE = pytest.StashKey[Path](), pytest.StashKey[Any]()


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.stash[_FOLDER] = Path(tempfile.mkdtemp(prefix="smart-train-tests-"))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Of xdist: a worker is about to start."""
    node.workerinput[_KEY] = str(node.config.stash[_FOLDER] / node.gateway.id)


def pytest_sessionstart(session: pytest.Session) -> None:
    workerinput = getattr(session.config, "workerinput", None)
    if workerinput:
        # Later than pytest's own plugin, which would write among the lines of all processes, where it is not found.
        session.config.stash[_FILE] = open(workerinput[_KEY], "w", encoding="utf-8")  # noqa: SIM115 - until it ends
        faulthandler.enable(file=session.config.stash[_FILE])


def pytest_sessionfinish(session: pytest.Session) -> None:
    note = session.config.stash.get(_FILE, None)
    if note is not None:
        kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        note.write(f"held {kilobytes / 2**20:.1f} GB at most\n")
        note.flush()


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    folder = terminalreporter.config.stash[_FOLDER]
    for note in sorted(folder.iterdir()):
        lines = note.read_text(encoding="utf-8", errors="replace").splitlines()
        # The stack goes on through pytest, and every compiled module that is loaded follows.
        lines = [line for line in lines if "/site-packages/" not in line and not line.startswith("Extension modules")]
        text = "\n".join(lines).strip() or "was killed: it noted no fatal signal"
        terminalreporter.write_line(f"test process {note.name}: {text}")
    shutil.rmtree(folder, ignore_errors=True)
