"""Everything worth knowing about this checkout on a CUDA machine, in one command.

    scripts/gpu_check.sh                              # 9 minutes at most; a GPU of 24 GB or more
    scripts/gpu_check.sh --only tests --only scores   # these stages alone
    python -m benchmarks.gpu_check --scale tiny       # the same stages on any CPU; their figures mean nothing

Needs: a plain checkout, Python with PyTorch, no network. What else it lacks, `scripts/gpu_wheels.sh` fetches before.
Expect: a table at the end, one line a stage, and two files in the output folder (default runs/gpu_check):
gpu_check.json, which `python -m benchmarks.gpu_tables` turns into tables of docs/benchmarks.md, and gpu_check.log. Both
are written anew after every stage; each stage's own files are in stages/.

Stages run in order of worth, each in a process of its own with a limit of time, and a failure of one costs no other. A
stage that no longer fits into the time is left out by name. One that lacks a device, memory or a package is skipped by
name. The exit status is 1 where a stage failed, else 0.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.gpu_stages import REAL, TINY, Stage
from benchmarks.gpu_wheels import FOLDER as WHEELS

ROOT = Path(__file__).parents[1]
MARKER = "SMART_TRAIN_GPU_CHECK"  # in the environment of every process of a stage, whatever session it moves to
PROBE_LIMIT = 120  # seconds: a driver that hangs must leave time for the stages that need no GPU
PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"


class Stopped(BaseException):
    """This process was asked to end."""


def run_command(command: list[str], log: Path, environment: Mapping[str, str], limit: float) -> str | None:
    """Runs `command` from the checkout, its output into `log`; every process it started is ended with it.

    Args:
        limit: seconds.

    Returns: what went wrong, or None.
    """
    mark = f"{os.getpid()}-{time.monotonic_ns()}"
    with log.open("w", encoding="utf-8") as output:
        output.write(f"$ {' '.join(command)}\n")
        output.flush()
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **environment, MARKER: mark},
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            status = process.wait(limit)
        except subprocess.TimeoutExpired:
            return f"not done within {limit:.0f} s"
        finally:
            end_marked(mark)
            process.wait()
    if status < 0:
        return f"ended by {signal.Signals(-status).name}"
    return f"exit status {status}" if status else None


def end_marked(mark: str) -> None:
    """Ends every process that has `mark` in its environment, until none is left: also those that a stage's process
    started in sessions of their own, or left behind."""
    for _ in range(50):
        found = [process for process in _processes() if f"{MARKER}={mark}".encode() in _environment(process)]
        if not found:
            return
        for process in found:
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.1)


def _processes() -> Iterable[int]:
    return (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit())


def _environment(process: int) -> list[bytes]:
    try:
        return Path(f"/proc/{process}/environ").read_bytes().split(b"\0")  # empty for one that has ended
    except OSError:
        return []


def install_wheels(folder: Path, target: Path) -> list[str]:
    """Unpacks the wheels in `folder` into `target`. Returns a line for each wheel that pip refuses."""
    target.mkdir(parents=True, exist_ok=True)
    wheels = sorted(folder.glob("*.whl"))
    if not wheels or _pip_install(wheels, target) is None:
        return []
    # One of them does not fit: alone, each shows whether it is the one.
    problems = [(wheel.name, _pip_install([wheel], target)) for wheel in wheels]
    return [f"{name}: pip does not install it ({reason})" for name, reason in problems if reason]


def _pip_install(wheels: list[Path], target: Path) -> str | None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-compile"]
    command += ["--disable-pip-version-check", "--upgrade", "--target", str(target), *map(str, wheels)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return None
    lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
    return lines[0].removeprefix("ERROR: ") if lines else f"exit status {done.returncode}"


class Check:
    """One run of the stages; `result` is what gpu_check.json holds.

    Args:
        out: the output folder, made if it is not there; what an earlier run left in it is replaced.
        seconds: for everything, this process's start included.
    """

    def __init__(self, out: Path, scale: str, seconds: float, command: str) -> None:
        self.out, self.scale = out, scale
        self.deadline = time.monotonic() + seconds
        self.folder = out / "stages"
        if self.folder.exists():
            shutil.rmtree(self.folder)
        self.folder.mkdir(parents=True)
        self.environment: dict[str, str] = {}
        self.result: dict[str, Any] = {"command": command, "scale": scale, "machine": {}, "stages": {}}

    @property
    def left(self) -> float:
        """Seconds until all must be done."""
        return self.deadline - time.monotonic()

    def prepare(self, target: Path, wheels: Path) -> None:
        """Installs the wheels and asks a process of its own what this machine has."""
        problems = install_wheels(wheels, target)
        paths = [str(ROOT), str(target), *filter(None, [os.environ.get("PYTHONPATH")])]
        self.environment = {
            "PYTHONPATH": os.pathsep.join(paths),
            "PYTHONUNBUFFERED": "1",
            "HF_HUB_OFFLINE": "1",
            "HF_DATASETS_OFFLINE": "1",
            "TOKENIZERS_PARALLELISM": "false",
            # Of a CPU's stages, each would otherwise take all cores for products too small to share.
            **({"OMP_NUM_THREADS": "1"} if self.scale == "tiny" else {}),
        }
        made, log = self.folder / "probe.json", self.folder / "probe.log"
        command = [sys.executable, "-m", "benchmarks.gpu_probe", str(made)]
        # A CPU has no driver that can hang, and tests run on machines that are busy.
        longest = PROBE_LIMIT if self.scale == "real" else self.left
        wrong = run_command(command, log, self.environment, max(min(longest, self.left), 1))
        machine = read_json(made)
        if wrong is not None:
            machine["wrong"] = f"looking at this machine failed: {wrong}; the last that was tried: {_last_line(log)}"
        self.result["machine"] = {"python": platform.python_version(), "wheels refused": problems, **machine}
        self.write()

    def run(self, stage: Stage) -> None:
        """Runs one stage, or notes why not, and writes everything anew."""
        lacking = what_is_lacking(stage, self.result["machine"], self.scale)
        if lacking is not None:
            self.note(stage, SKIPPED, lacking)
            return
        if self.left < stage.least:
            reason = f"{max(self.left, 0):.0f} s were left and it needs {stage.least} s: raise --minutes, or --only it"
            self.note(stage, SKIPPED, reason)
            return
        print(f"{stage.name}: {stage.title} ...", flush=True)
        made, log = self.folder / f"{stage.name}.json", self.folder / f"{stage.name}.log"
        start = time.monotonic()
        command = [sys.executable, *stage.arguments, "--json", str(made)]
        wrong = run_command(command, log, self.environment, min(stage.limit, self.left))
        found = read_json(made)
        if wrong is not None:
            wrong += f"; {_last_line(log)}"
        elif not found:
            wrong = "it exited with code 0 but wrote no result"
        elif found.get("failed"):
            wrong = "; ".join(found["failed"])
        self.note(stage, PASSED if wrong is None else FAILED, wrong or "", time.monotonic() - start, found)

    def note(
        self, stage: Stage, state: str, why: str, seconds: float = 0.0, found: Mapping[str, Any] | None = None
    ) -> None:
        """Takes down how a stage went, with what it found."""
        entry = {"state": state, "why": why, "seconds": round(seconds, 1), "title": stage.title}
        entry["found"] = dict(found or {})
        self.result["stages"][stage.name] = entry
        print(f"{stage.name}: {state}{f' ({why})' if why else ''}", flush=True)
        self.write()

    def write(self) -> None:
        """gpu_check.json and gpu_check.log, whole or as they were."""
        logs = [
            f"===== {path.stem} =====\n{path.read_text(encoding='utf-8', errors='replace')}"
            for path in sorted(self.folder.glob("*.log"), key=lambda path: path.stat().st_mtime)
        ]
        for name, text in (
            ("gpu_check.json", json.dumps(self.result, indent=1) + "\n"),
            ("gpu_check.log", "\n".join([*logs, self.summary()])),
        ):
            new = self.out / f".{name}.new"
            new.write_text(text, encoding="utf-8")
            new.replace(self.out / name)

    def summary(self) -> str:
        """A line for each stage, with what it skipped, and the counts."""
        rows = [("stage", "result", "s", "")]
        counts = dict.fromkeys((PASSED, FAILED, SKIPPED), 0)
        parts = 0
        for name, entry in self.result["stages"].items():
            counts[entry["state"]] += 1
            rows.append((name, entry["state"], f"{entry['seconds']:.0f}", entry["why"]))
            for part in entry["found"].get("skipped", []):
                parts += 1
                rows.append(("", SKIPPED, "", part))
        for problem in [*self.result["machine"].get("wheels refused", []), self.result["machine"].get("wrong")]:
            if problem:
                rows.append(("(machine)", "", "", problem))
        lines = [f"{name:12} {state:8} {seconds:>5}  {why}".rstrip() for name, state, seconds, why in rows]
        counted = ", ".join(f"{count} {state}" for state, count in counts.items())
        inside = f"; {parts} part{'s' if parts > 1 else ''} of stages skipped" if parts else ""
        return "\n".join([*lines, "", f"stages: {counted}{inside}", ""])


def what_is_lacking(stage: Stage, machine: Mapping[str, Any], scale: str) -> str | None:
    """Why `stage` cannot run on a machine as `gpu_probe` describes it, or None."""
    if machine.get("wrong"):
        return machine["wrong"]
    packages = machine.get("packages", {})
    for name in stage.packages:
        if not packages.get(name, {}).get("version"):
            return f"{name}: {packages.get(name, {}).get('problem', 'not installed')}"
    device = machine.get("device")
    if scale == "tiny":
        return None
    if device is None:
        return f"no CUDA device: {machine.get('no device', 'PyTorch sees none')}"
    if device["free GB"] < stage.gigabytes:
        return f"{device['free GB']:.0f} GB of {device['name']} are free and it needs {stage.gigabytes} GB"
    return None


def read_json(path: Path) -> dict[str, Any]:
    """What is in `path`; empty where it is missing or half written."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError):
        return {}


def _last_line(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return lines[-1][:300]


def parse() -> argparse.Namespace:
    names = ", ".join(stage.name for stage in REAL)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=9, help="for everything; what no longer fits is left out")
    parser.add_argument("--only", action="append", metavar="STAGE", help=f"may be repeated; one of {names}")
    parser.add_argument("--scale", choices=("real", "tiny"), default="real", help="tiny runs on a CPU too")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "gpu_check", help="folder of the results")
    parser.add_argument("--wheels", type=Path, default=WHEELS, help="folder that scripts/gpu_wheels.sh filled")
    given = parser.parse_args()
    unknown = sorted(set(given.only or ()) - {stage.name for stage in REAL})
    if unknown:
        parser.error(f"--only {unknown[0]}: no such stage; choose from {names}")
    if given.minutes <= 0:
        parser.error(f"--minutes {given.minutes:g}: it must be above 0")
    if given.out.exists() and not given.out.is_dir():
        parser.error(f"--out {given.out}: a file is there; name a folder")
    return given


def _stop(number: int, frame: object) -> None:
    raise Stopped(signal.Signals(number).name)


def main() -> None:
    given = parse()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _stop)
    command = " ".join(["scripts/gpu_check.sh", *sys.argv[1:]])
    check = Check(given.out.resolve(), given.scale, 60 * given.minutes, command)
    stages = [
        stage for stage in (REAL if given.scale == "real" else TINY) if not given.only or stage.name in given.only
    ]
    try:
        with tempfile.TemporaryDirectory() as name:
            check.prepare(Path(name) / "site", given.wheels)
            for stage in stages:
                check.run(stage)
    except Stopped as stopped:
        for stage in stages:
            if stage.name not in check.result["stages"]:
                found = read_json(check.folder / f"{stage.name}.json")  # what the one under way had so far
                check.note(stage, SKIPPED, f"this command was ended by {stopped}", found=found)
    check.write()
    print(f"\n{check.summary()}\n{check.out / 'gpu_check.json'}")
    sys.exit(any(entry["state"] == FAILED for entry in check.result["stages"].values()))


if __name__ == "__main__":
    main()
