"""The tests that need a CUDA device, each with its result.

    python -m benchmarks.gpu_tests            # pytest -m cuda, on four processes
    python -m benchmarks.gpu_tests --fast     # what a CPU can run of the scores' tests, in seconds

A test that was under way when the time was up has no result; the log names it.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.gpu_result import Result

ROOT = Path(__file__).parents[1]


class Watcher:
    """A pytest plugin that notes how each test went."""

    def __init__(self, result: Result) -> None:
        self.result = result
        self.outcomes: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        # Every test reports its call; one that was skipped, or failed in a fixture, its set-up.
        if report.when != "call" and report.outcome == "passed":
            return
        self.outcomes[report.outcome] += 1
        if report.failed:
            reason = str(getattr(report.longrepr, "reprcrash", None) or report.longreprtext).splitlines()[-1]
            self.result.fail(report.nodeid, reason[:300])
        self.result["tests"] = dict(self.outcomes)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.result.fail(report.nodeid, f"it cannot be read: {report.longreprtext.splitlines()[-1][:300]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fast", action="store_true", help="tests/cuda/test_scores.py, on whatever is here")
    parser.add_argument("--json", type=Path, help="write the result there")
    given = parser.parse_args()
    result = Result(given.json)
    arguments = ["tests/cuda/test_scores.py", "-k", "memory or autocast"] if given.fast else ["-m", "cuda", "-n", "4"]
    # A file that needs a package which is not there must not cost the others.
    arguments += [f"--rootdir={ROOT}", "-p", "no:cacheprovider", "--tb=short", "--continue-on-collection-errors"]
    status = pytest.main(arguments, [Watcher(result)])
    if status == pytest.ExitCode.NO_TESTS_COLLECTED or not result.values.get("tests"):
        result.fail("pytest", f"no test ran ({status!r})")
    elif not result.values["tests"].get("passed"):
        result.skip("all tests", "none of them can run here")
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) and not result.values["failed"]:
        result.fail("pytest", f"it ended with {status!r}")
    sys.exit(0)


if __name__ == "__main__":
    main()
