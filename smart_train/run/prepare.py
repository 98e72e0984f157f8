"""Data that a recipe knows how to make: `data.prepare` runs its script once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from rich.console import Console

from smart_train.errors import DataError
from smart_train.recipe.sections import PrepareSection


def prepare_data(section: PrepareSection | None, console: Console) -> None:
    """Runs `python SCRIPT --output OUTPUT ARGS` unless OUTPUT is there. The script writes OUTPUT whole or not at all.

    Raises:
        DataError: the script is missing, fails (with the end of what it said), or leaves no OUTPUT behind.
    """
    if section is None or Path(section.output).exists():
        return
    if not Path(section.script).is_file():
        raise DataError(f"data.prepare.script {section.script}: no such file (current directory: {Path.cwd()})")
    command = [sys.executable, section.script, "--output", section.output, *map(str, section.args)]
    console.print(f"Preparing data: {' '.join(command[1:])}")
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode != 0:
        tail = "\n".join((done.stderr or done.stdout).strip().splitlines()[-8:])
        raise DataError(f"data.prepare.script {section.script} failed with exit code {done.returncode}:\n{tail}")
    if not Path(section.output).exists():
        raise DataError(f"data.prepare.script {section.script} exited with code 0 but did not create {section.output}")
