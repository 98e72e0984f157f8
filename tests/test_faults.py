"""Every command that writes, with some of its writes failing: what is there stays whole, and the next start ends well.
`python -m tests.fault_sweep` makes every one of them fail."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.fault_sweep import swept
from tests.fault_writers import WRITERS
from tests.faults import KINDS

MOMENTS = 1  # calls of each command that fail, for each kind of fault


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler, for the calls of C libraries")
def test_a_write_that_fails_costs_nothing_but_a_new_start(tmp_path: Path) -> None:
    pytest.importorskip("pypdfium2", reason="needs the extra pdf")
    reports = swept(list(WRITERS), MOMENTS, tmp_path)
    assert [problem for report in reports.values() for problem in report.problems] == []
    for name, report in reports.items():
        assert report.calls > 5 and report.tried == dict.fromkeys(KINDS, MOMENTS), name
