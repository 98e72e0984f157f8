#!/usr/bin/env python3
"""Runs the test suite on all kinds of processor that this machine can imitate: python3 scripts/sweep_processors.py

Each setting forbids some instructions, or changes the threads or the load, and runs `./launch.sh test` with the given
pytest arguments (default: all tests, one worker for every core). Its output goes to stderr; the table, to stdout, is
Markdown. The exit status is 1 when a test failed or a run broke.

    python3 scripts/sweep_processors.py                               every setting: hours on two cores
    python3 scripts/sweep_processors.py --only least tests/scoring    one setting, some tests
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from smart_train.utils import cpu  # noqa: E402 - needs nothing that is to be installed

AVX512 = ("avx512f", "avx512bw", "avx512dq", "avx512vl")  # torch's avx512 kernels need them all


@dataclass(frozen=True)
class Setting:
    """Environment of a run; what the processor must have for it; what must be there to be forbidden by it."""

    name: str
    environment: dict[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    forbids: tuple[str, ...] = ()
    side_by_side: int = 1

    @property
    def title(self) -> str:
        variables = " ".join(f"{name}={value}" for name, value in self.environment.items())
        return f"{self.name}: `{variables}`" if variables else self.name

    def unfit(self, flags: frozenset[str]) -> str | None:
        """Why this machine cannot show anything by it; None where it can."""
        missing = [flag for flag in self.needs if flag not in flags]
        if missing:
            return f"the processor has no {', '.join(missing)}"
        if self.forbids and not flags.intersection(self.forbids):
            return "the processor has nothing above it: the same as native"
        return None


SETTINGS = [
    Setting("native"),
    # Threads that wait by spinning take each other's cores on a busy machine: 19 % of the tests in 27 minutes.
    Setting("two-threads", {"OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "PASSIVE"}),
    Setting("aten-default", {"ATEN_CPU_CAPABILITY": "default"}),
    Setting("aten-avx2", {"ATEN_CPU_CAPABILITY": "avx2"}, needs=("avx2", "fma"), forbids=AVX512),
    Setting("aten-avx512", {"ATEN_CPU_CAPABILITY": "avx512"}, needs=AVX512),
    Setting("onednn-avx2", {"ONEDNN_MAX_CPU_ISA": "AVX2"}, needs=("avx2",), forbids=("avx512f", "avx_vnni")),
    Setting("onednn-sse41", {"ONEDNN_MAX_CPU_ISA": "SSE41"}, needs=("sse4_1",)),
    Setting(
        "least",
        {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_CBWR": "COMPATIBLE"},
        needs=("sse4_1",),
    ),
    Setting("busy", side_by_side=2),
]
NAMES = [setting.name for setting in SETTINGS]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=NAMES, metavar="SETTING", help=", ".join(NAMES))
    parser.add_argument(
        "--here", action="store_true", help="run pytest with this interpreter instead of ./launch.sh test"
    )
    options, arguments = parser.parse_known_args()
    command = [sys.executable, "-m", "pytest"] if options.here else [str(ROOT / "launch.sh"), "test"]
    command += arguments or ["--numprocesses", "logical"]
    rows: list[list[str]] = []
    for setting in SETTINGS:
        if setting.name not in (options.only or NAMES):
            continue
        reason = setting.unfit(cpu.flags())
        rows += run(setting, command) if reason is None else [[setting.title, "", "", "", "", f"skipped: {reason}"]]
    print(machine(options.here), f"`{' '.join(['pytest', *arguments])}`", sep="\n\n", end="\n\n")
    print("| setting | passed | failed | skipped | minutes | failures |\n|---|---|---|---|---|---|")
    for cells in rows:
        print(f"| {' | '.join(cells)} |")
    return int(any(cells[-1] and not cells[-1].startswith("skipped") for cells in rows))


def machine(here: bool) -> str:
    """What the table was made on, as a Markdown list; the runs have made the environment that says it."""
    environment = Path(os.environ.get("SMART_TRAIN_VENV", ROOT / ".venv"))
    python = sys.executable if here else str(environment / "bin" / "python")
    done = subprocess.run([python, "-m", "tests.machine"], cwd=ROOT, capture_output=True, text=True, check=True)
    return "\n".join(f"- {line}" for line in done.stdout.splitlines())


def run(setting: Setting, command: list[str]) -> list[list[str]]:
    """A row of the table for each suite of a setting."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **setting.environment}
    with tempfile.TemporaryDirectory() as folder:
        reports = [Path(folder, f"{number}.xml") for number in range(setting.side_by_side)]
        start = time.monotonic()
        suites = [
            subprocess.Popen([*command, f"--junitxml={report}"], cwd=ROOT, env=environment, stdout=sys.stderr)
            for report in reports
        ]
        for suite in suites:
            suite.wait()
        minutes = f"{(time.monotonic() - start) / 60:.0f}"
        return [[setting.title, *counts(report, minutes)] for report in reports]


def counts(report: Path, minutes: str) -> list[str]:
    """Passed, failed, skipped, minutes and the names of what failed, read from pytest's JUnit file."""
    if not report.is_file():
        return ["", "", "", minutes, "pytest wrote no report: its output says why"]
    cases = ET.parse(report).getroot().findall(".//testcase")
    failures = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
    skipped = sum(case.find("skipped") is not None for case in cases)
    names = ", ".join(f"`{case.get('classname')}::{case.get('name')}`" for case in failures)
    passed = len(cases) - len(failures) - skipped
    return [*map(str, (passed, len(failures), skipped)), minutes, names or ("" if cases else "no test was selected")]


if __name__ == "__main__":
    sys.exit(main())
