"""A page in a real browser without a window, where there is one."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome")


def browser() -> str:
    """The browser's program; skips the test where there is none."""
    found = next((path for name in _NAMES if (path := shutil.which(name))), None)
    if found is None:  # it is a program of the system, which no package of Python brings
        pytest.skip(f"needs a browser to look at the page: none of {', '.join(_NAMES)} is installed")
    return found


def scripted(page: Path, question: str, folder: Path, width: int = 1200) -> str:
    """What JavaScript `question` gives in the loaded page; the copy that asks lies in `folder`."""
    copy = folder / f"asking-{width}.html"
    asks = f"<script>addEventListener('load', () => document.title = 'ANSWER ' + ({question}))</script>"
    copy.write_text(page.read_text(encoding="utf-8").replace("</body>", f"{asks}</body>"), encoding="utf-8")
    shown = _run(copy, folder, f"--window-size={width},900", "--dump-dom")
    return shown.split("<title>ANSWER ")[1].split("</title>")[0]


def _run(page: Path, folder: Path, *arguments: str) -> str:
    program = browser()
    command = [program, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-extensions"]
    command += [f"--user-data-dir={folder / 'profile'}", *arguments, page.resolve().as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout
