"""What the train command keeps from the console, and what it lets through."""

from __future__ import annotations

import importlib
import io
import logging
import multiprocessing
import sys
import warnings
from collections.abc import Iterator

import pytest
from transformers.utils import logging as transformers_logging

from smart_train.cli.output import plain_console
from smart_train.cli.quiet import quiet_libraries, quietly
from tests.command import call


@pytest.fixture
def quiet() -> Iterator[None]:
    names = ("bitsandbytes.backends.cpu.ops", "DeepSpeed", "transformers.modeling_utils")
    loggers = [logging.getLogger(name) for name in names]
    filters = [list(logger.filters) for logger in loggers]
    hook = transformers_logging.set_tqdm_hook(None)
    with warnings.catch_warnings():
        warnings.resetwarnings()
        quiet_libraries()
        yield
    transformers_logging.set_tqdm_hook(hook)
    for logger, kept in zip(loggers, filters, strict=True):
        logger.filters = kept


@pytest.mark.parametrize(
    ("name", "notice"),
    [
        ("bitsandbytes.backends.cpu.ops", "Failed to load CPU gemm_4bit_forward from kernels-community: no kernels"),
        ("DeepSpeed", "Setting accelerator to CPU. If you have GPU or other accelerator, we were unable to detect it."),
        ("transformers.modeling_utils", "\x1b[1mBertModel LOAD REPORT\x1b[0m from: base\nlm_head.weight | UNEXPECTED"),
    ],
)
def test_notices_are_dropped_and_other_lines_are_not(
    quiet: None, caplog: pytest.LogCaptureFixture, name: str, notice: str
) -> None:
    logger = logging.getLogger(name)
    logger.addHandler(caplog.handler)
    try:
        logger.warning(notice)
        logger.warning("the optimiser of %s overflowed", name)
    finally:
        logger.removeHandler(caplog.handler)
    assert {record.getMessage() for record in caplog.records} == {f"the optimiser of {name} overflowed"}


def warned(module: str, category: type[Warning]) -> bool:
    with warnings.catch_warnings(record=True) as caught:
        warnings.warn_explicit("old name", category, "file.py", 1, module=module, registry={})
    return bool(caught)


def test_deprecations_between_libraries_are_dropped_and_other_warnings_are_not(quiet: None) -> None:
    assert not warned("transformers.modeling_utils", FutureWarning) and not warned("peft", FutureWarning)
    assert warned("transformers.modeling_utils", UserWarning)
    assert warned("my_recipes.script", FutureWarning) and warned("torchvision", FutureWarning)


def test_bars_of_libraries_are_drawn_on_a_terminal_alone(quiet: None) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for file, drawn in ((Terminal(), True), (io.StringIO(), False)):
        for _ in transformers_logging.tqdm(range(3), desc="Loading weights", file=file):
            pass
        assert ("Loading weights" in file.getvalue()) is drawn


def test_where_python_does_not_fork_one_process_imports_what_all_workers_need(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr("smart_train.cli.quiet.quiet_libraries", lambda: told.append("quiet"))
    monkeypatch.setattr(multiprocessing, "set_forkserver_preload", told.extend)

    def command() -> None:
        told.append("ran")

    quietly(command)()
    assert told[0] == "quiet" and told[-1] == "ran" and len(told) > 2
    for name in told[1:-1]:
        loaded = importlib.import_module(name)
        assert "smart_train.data" in sys.modules and "smart_train.models" in sys.modules, loaded


@pytest.mark.parametrize("errors", ["strict", "surrogateescape"])
def test_half_a_character_is_printed_whatever_the_machines_language(
    errors: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python chooses "surrogateescape" on a machine without a language, as containers are."""
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors=errors)
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr("smart_train.cli.app.app", lambda **_: plain_console().print("columns: ke\ud83d, ü"))
    assert call(monkeypatch) == 0
    out.flush()
    assert out.buffer.getvalue().decode() == "columns: ke\\ud83d, ü\n"
