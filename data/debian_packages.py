"""Debian packages as sources of data: fetched by name and unpacked into a cache folder, never installed."""

from __future__ import annotations

import os
import subprocess
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
