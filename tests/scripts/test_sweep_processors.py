"""scripts/sweep_processors.py: which settings a processor can show, and a table that hides no failure."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PASSES_AND_SKIPS = """
import pytest
def test_right(): pass
@pytest.mark.skip
def test_left_out(): pass
"""
FAILS = "import os\ndef test_wrong(): assert 'ATEN_CPU_CAPABILITY' in os.environ\n"


@pytest.fixture(scope="module")
def sweep():
    spec = importlib.util.spec_from_file_location("sweep_processors", ROOT / "scripts" / "sweep_processors.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclass asks for it
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def test_a_setting_that_shows_nothing_here_says_why(sweep) -> None:
    laptop = frozenset({"sse4_1", "avx2", "fma"})
    server = laptop | set(sweep.AVX512)
    reasons = {setting.name: (setting.unfit(laptop), setting.unfit(server)) for setting in sweep.SETTINGS}
    assert reasons.pop("aten-avx512") == ("the processor has no avx512f, avx512bw, avx512dq, avx512vl", None)
    for name in ("aten-avx2", "onednn-avx2"):
        assert reasons.pop(name) == ("the processor has nothing above it: the same as native", None)
    assert set(reasons.values()) == {(None, None)}


@pytest.mark.parametrize(
    ("setting", "test", "expected"),
    [
        ("native", PASSES_AND_SKIPS, [["native", "1", "0", "1", ""]]),
        ("native", FAILS, [["native", "0", "1", "0", "`test_it::test_wrong`"]]),
        ("aten-default", FAILS, [["aten-default: `ATEN_CPU_CAPABILITY=default`", "1", "0", "0", ""]]),
        ("busy", PASSES_AND_SKIPS, [["busy", "1", "0", "1", ""]] * 2),
        ("native", "", [["native", "0", "0", "0", "no test was selected"]]),
        ("native", "raise OSError", [["native", "0", "1", "0", "`::test_it`"]]),
    ],
    ids=["passes", "fails", "environment", "busy", "none", "broken"],
)
def test_a_row_of_the_table(
    sweep, setting: str, test: str, expected: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ATEN_CPU_CAPABILITY", raising=False)
    (tmp_path / "test_it.py").write_text(test)
    (tmp_path / "pytest.ini").write_text("[pytest]")
    chosen = next(one for one in sweep.SETTINGS if one.name == setting)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--rootdir={tmp_path}", str(tmp_path)]
    rows = sweep.run(chosen, command)
    assert [[*row[:4], row[5]] for row in rows] == expected


def test_a_suite_that_ends_without_a_report_is_a_failure(sweep) -> None:
    assert sweep.run(sweep.SETTINGS[0], [sys.executable, "-c", "pass"]) == [
        ["native", "", "", "", "0", "pytest wrote no report: its output says why"]
    ]
