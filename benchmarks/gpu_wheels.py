"""The packages that a bare CUDA machine lacks, as wheels that travel with this checkout.

    scripts/gpu_wheels.sh                # into .gpu_wheels, which git ignores
    python -m benchmarks.gpu_wheels      # the same

The machine meant: Linux on x86-64, Python 3.12, PyTorch 2.11 (CUDA 13.0), accelerate, peft and the usual scientific
packages, without a network. Needs: pip and a registry here; no compiler and no GPU. Nothing of smart_train is imported,
so any Python 3.10 will do.

Checkout and wheels together stay under a limit (64 MiB), because they are sent there as a whole. Over it the least
worthy packages are left out, and the stages of `scripts/gpu_check.sh` that need them are skipped there by name.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / ".gpu_wheels"
LIMIT_MIB = 64
# pip takes a platform by its exact name: a wheel for an older glibc than these is not found without its own entry.
PLATFORMS = [f"manylinux_2_{minor}_x86_64" for minor in (35, 34, 31, 28, 27, 24, 17)]
TARGET = ["--python-version", "3.12", "--implementation", "cp", "--only-binary", ":all:"]
TARGET += [word for name in (*PLATFORMS, "manylinux2014_x86_64", "manylinux1_x86_64") for word in ("--platform", name)]


@dataclass(frozen=True)
class Wheel:
    """One package.

    Args:
        requirement: what pip is asked for.
        build: make the wheel here, from the source archive: the registry has no wheel.
        libraries: of the compiled libraries in it, only these are kept; None keeps all.
    """

    requirement: str
    build: bool = False
    libraries: tuple[str, ...] | None = None

    @property
    def name(self) -> str:
        return self.requirement.split(">")[0].split("=")[0]


# In order of worth: what comes last is left out first. Groups stay together, a package without its needs is useless.
GROUPS: list[list[Wheel]] = [
    [
        Wheel("transformers>=5.23,<6"),
        *map(Wheel, ("pydantic", "pydantic-core", "annotated-types", "typing-extensions", "typing-inspection")),
        *map(Wheel, ("datasets>=3.0", "dill", "multiprocess")),
        Wheel("pytrec-eval-terrier>=0.5.6"),
    ],
    [Wheel("late-interaction-kernels>=0.4")],
    [Wheel("pypdfium2>=5")],
    [Wheel("deepspeed>=0.16", build=True), Wheel("hjson")],
    # 43 MB for ten versions of CUDA and ROCm, of which the machine has one.
    [Wheel("bitsandbytes>=0.46", libraries=("libbitsandbytes_cuda130.so", "libbitsandbytes_cpu.so"))],
]


def fetch(wheel: Wheel, folder: Path, pinned: dict[str, str]) -> str | None:
    """Puts the package's wheel into `folder`; returns why it could not, or None.

    Args:
        pinned: versions that packages fetched before insist on, by name.
    """
    asked = pinned.get(wheel.name, wheel.requirement)
    pip = [sys.executable, "-m", "pip", "wheel" if wheel.build else "download", "--no-deps", "--quiet"]
    pip += ["--wheel-dir" if wheel.build else "--dest", str(folder), *([] if wheel.build else TARGET), asked]
    # DeepSpeed compiles its operators on the machine that uses them, not here.
    before = set(folder.iterdir())
    done = subprocess.run(pip, env={**os.environ, "DS_BUILD_OPS": "0"}, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or done.stderr.splitlines()
        return f"{asked}: pip found no wheel for the machine ({lines[-1] if lines else 'it said nothing'})"
    (made,) = set(folder.iterdir()) - before
    if wheel.build and not made.name.endswith("-none-any.whl"):
        made.unlink()
        return f"{asked}: the wheel built here, {made.name}, is for this machine only"
    if wheel.libraries is not None:
        keep_libraries(made, wheel.libraries)
    pinned.update(exact_needs(made))
    return None


def exact_needs(wheel: Path) -> dict[str, str]:
    """Packages of which `wheel` takes one version alone, by name: `name==version`."""
    found = {}
    for line in metadata(wheel).splitlines():
        needed = line.removeprefix("Requires-Dist: ").split(";")[0].strip()
        if line.startswith("Requires-Dist: ") and "extra ==" not in line and "==" in needed:
            name = needed.split("==")[0].strip()
            found[name.replace("_", "-")] = needed
    return found


def metadata(wheel: Path) -> str:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return archive.read(name).decode()


def keep_libraries(wheel: Path, libraries: Sequence[str]) -> None:
    """Rewrites `wheel` without the compiled libraries (`*.so`) that are not among `libraries`, nor their records."""
    slim = wheel.with_suffix(".slim")
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(slim, "w", zipfile.ZIP_DEFLATED) as new:
        for item in old.infolist():
            if _dropped(item.filename, libraries):
                continue
            content = old.read(item)
            if item.filename.endswith(".dist-info/RECORD"):
                lines = content.decode().splitlines(keepends=True)
                content = "".join(line for line in lines if not _dropped(line.split(",")[0], libraries)).encode()
            new.writestr(item, content, zipfile.ZIP_DEFLATED)
    slim.replace(wheel)


def _dropped(path: str, libraries: Sequence[str]) -> bool:
    return path.endswith(".so") and Path(path).name not in libraries


def tree_bytes(root: Path) -> int:
    """Bytes of the files that git tracks, and of those it neither tracks nor ignores: what is sent with the wheels."""
    command = ["git", "-C", str(root), "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return sum((root / name).stat().st_size for name in set(listed.split("\0")) if name and (root / name).is_file())


def select(sizes: Sequence[int], room: int) -> int:
    """How many of the groups, in order of worth, fit into `room` bytes: all before the first that does not."""
    used = 0
    for count, size in enumerate(sizes):
        used += size
        if used > room:
            return count
    return len(sizes)


def collect(folder: Path, limit_mib: int) -> list[str]:
    """Fetches everything into `folder`, prints the sizes, and returns what was left out and why.

    Raises:
        SystemExit: the first group, without which nothing runs, does not fit or is not found.
    """
    tree, problems, pinned = tree_bytes(ROOT), [], {}
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    sizes, files = [], []
    with tempfile.TemporaryDirectory() as name:
        for number, group in enumerate(GROUPS):
            place = Path(name) / str(number)
            place.mkdir()
            failed = [reason for wheel in group if (reason := fetch(wheel, place, pinned))]
            problems += failed
            if failed and number == 0:
                raise SystemExit("\n".join(["without these packages nothing runs there:", *failed]))
            files.append([] if failed else sorted(place.glob("*.whl")))
            sizes.append(sum(path.stat().st_size for path in files[-1]))
        taken = select(sizes, limit_mib * 2**20 - tree)
        if taken == 0:
            wanted = f"{_mib(tree)} of tracked files and {_mib(sizes[0])} of wheels"
            raise SystemExit(f"{wanted} are more than the limit of {limit_mib} MiB: raise --limit-mib")
        for group, found, size in zip(GROUPS[taken:], files[taken:], sizes[taken:], strict=True):
            names = ", ".join(wheel.name for wheel in group)
            if found:
                problems.append(f"{names}: left out, {_mib(size)} more than the limit of {limit_mib} MiB leaves")
        for path in (path for found in files[:taken] for path in found):
            shutil.copy(path, folder / path.name)
            print(f"{path.stat().st_size / 2**20:8.2f} MiB  {path.name}")
    wheels = sum(sizes[:taken])
    print(f"{_mib(wheels)} of wheels and {_mib(tree)} of tracked files: {_mib(wheels + tree)} of {limit_mib} MiB")
    return problems


def _mib(count: int) -> str:
    return f"{count / 2**20:.1f} MiB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="emptied and filled (default .gpu_wheels)")
    parser.add_argument("--limit-mib", type=int, default=LIMIT_MIB, help="of checkout and wheels together (default 64)")
    given = parser.parse_args()
    if given.folder.exists() and any(path.suffix != ".whl" for path in given.folder.iterdir()):
        raise SystemExit(f"--folder {given.folder} holds other things than wheels and would be emptied: name another")
    for problem in collect(given.folder, given.limit_mib):
        print(f"not there: {problem}")


if __name__ == "__main__":
    main()
