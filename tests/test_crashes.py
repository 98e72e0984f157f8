"""`tests.crashes`: what is printed of a test process that dies."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
DEADLY = """
import os, signal

def test_that_aborts():
    os.abort()

def test_that_is_killed():
    os.kill(os.getpid(), signal.SIGKILL)

def test_that_lives():
    pass
"""


def test_what_became_of_each_process_is_said(tmp_path: Path) -> None:
    (tmp_path / "test_deadly.py").write_text(DEADLY)
    command = [sys.executable, "-m", "pytest", "-p", "tests.crashes", "--numprocesses", "1", "--rootdir", tmp_path]
    done = subprocess.run([*command, tmp_path], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "2 failed, 1 passed" in done.stdout, done.stdout + done.stderr
    first, second, third = done.stdout.split("test process gw")[1:]
    assert first.startswith("0: Fatal Python error: Aborted") and 'test_deadly.py", line 5 in test_that_aborts' in first
    assert "site-packages" not in first and "Extension modules" not in first
    assert second.startswith("1: was killed: it noted no fatal signal")
    assert third.startswith("2: held 0.")
