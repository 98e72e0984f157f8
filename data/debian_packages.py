"""Debian packages as sources of data: fetched by name and unpacked into a cache folder, never installed."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path


def cache_folder(name: str) -> Path:
    """Where the data set `name` keeps what it fetched."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "smart_train" / name


def download(package: str, cache: Path) -> dict[str, str]:
    """Download one package and unpack it into the cache; {package: why not} when that fails."""
    (cache / "unpacked").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        for command in (["apt-get", "-q", "download", package], ["dpkg", "-x", "ARCHIVE", str(cache / "unpacked")]):
            archives = [str(file) for file in Path(folder).glob("*.deb")]
            command = [archives[0] if part == "ARCHIVE" else part for part in command]
            try:
                done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600, check=False)
            except (FileNotFoundError, subprocess.TimeoutExpired) as error:
                return {package: f"{package}: {error}"}
            if done.returncode != 0:
                reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
                return {package: f"{package}: {' '.join(command[:3])}: {reason}"}
    return {}


def fetch(packages: dict[str, str], cache: Path) -> Path:
    """The folder below which the files of all `packages` lie: {package: a file of it, by which it is known}. Exits with
    what to do when a package is unavailable.

    What is installed on this machine is not used: it may be another release's, or mixed with files of other packages.
    """
    unpacked = cache / "unpacked"
    failed = {}
    for package, file in packages.items():
        if not (unpacked / file).is_file():
            failed |= download(package, cache) or (
                {} if (unpacked / file).is_file() else {package: f"{package}: holds no {file}"}
            )
    if failed:
        reasons = "\n  ".join(failed.values())
        sys.exit(
            f"these Debian packages could not be downloaded:\n  {reasons}\nRun `apt-get update` first (as root) if "
            "package lists are missing."
        )
    return unpacked
