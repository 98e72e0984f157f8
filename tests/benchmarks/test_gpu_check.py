"""The command for a GPU, without one: its stages at tiny scale, what fails, hangs, lacks something or is cut off."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import gpu_check, gpu_tables, memory_plan
from benchmarks.gpu_check import Check, install_wheels, what_is_lacking
from benchmarks.gpu_probe import package
from benchmarks.gpu_result import Result
from benchmarks.gpu_stages import REAL, TINY, Stage

ROOT = Path(__file__).parents[2]


def fake(name: str, code: str, limit: int = 60, least: int = 1) -> Stage:
    return Stage(name, f"a stage that is {name}", ("-c", code), limit, least, 0, ())


def writing(values: dict[str, Any]) -> str:
    return f"import json, sys; json.dump({values!r}, open(sys.argv[-1], 'w'))"


@pytest.fixture
def check(tmp_path: Path) -> Check:
    return Check(tmp_path / "out", "tiny", 600, "scripts/gpu_check.sh --scale tiny")


def alive(process: int) -> bool:
    try:
        return ") Z" not in Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False


def test_a_failure_costs_no_other_stage(check: Check, tmp_path: Path) -> None:
    note = tmp_path / "child"
    hanging = (
        "import subprocess, sys, time; "
        f"child = subprocess.Popen(['sleep', '600'], start_new_session=True); open({str(note)!r}, 'w')"
        ".write(str(child.pid)); print('here it hangs', flush=True); time.sleep(600)"
    )
    stages = [
        fake("broken", "import sys; print('a last word'); sys.exit(3)"),
        fake("hanging", hanging, limit=3),
        fake("crashed", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"),
        fake("mute", "pass"),
        fake("faulty", writing({"failed": ["one part: it broke"]})),
        fake("sound", writing({"skipped": ["the other part: too little memory"], "value": 1})),
    ]
    for stage in stages:
        check.run(stage)
    found = json.loads((check.out / "gpu_check.json").read_text())["stages"]
    crashed = found.pop("crashed")
    assert crashed["state"] == "failed" and crashed["why"].startswith("ended by SIGSEGV; ")
    assert {name: (entry["state"], entry["why"]) for name, entry in found.items()} == {
        "broken": ("failed", "exit status 3; a last word"),
        "hanging": ("failed", "not done within 3 s; here it hangs"),
        "mute": ("failed", "it exited with code 0 but wrote no result"),
        "faulty": ("failed", "one part: it broke"),
        "sound": ("passed", ""),
    }
    assert found["sound"]["found"]["value"] == 1
    assert not alive(int(note.read_text())), "what a stage started in a session of its own outlives it"
    log = (check.out / "gpu_check.log").read_text()
    assert "===== broken =====" in log and "a last word" in log
    assert log.endswith("stages: 1 passed, 5 failed, 0 skipped; 1 part of stages skipped\n")
    assert "the other part: too little memory" in check.summary()


def test_what_no_longer_fits_is_left_out_by_name(tmp_path: Path) -> None:
    check = Check(tmp_path / "out", "tiny", 30, "")
    check.run(fake("long", writing({}), least=40))
    check.run(fake("short", writing({"a": 1}), least=1))
    found = check.result["stages"]
    assert found["long"]["state"] == "skipped" and "and it needs 40 s: raise --minutes" in found["long"]["why"]
    assert found["short"]["state"] == "passed"


def machine(**changes: Any) -> dict[str, Any]:
    device = {"name": "Card", "GB": 80.0, "free GB": 79.0}
    return {"packages": {"torch": {"version": "2.11.0"}}, "device": device, **changes}


@pytest.mark.parametrize(
    ("described", "scale", "reason"),
    [
        (machine(), "real", None),
        (machine(device=None, **{"no device": "driver too old"}), "real", "no CUDA device: driver too old"),
        (machine(device=None), "tiny", None),
        (machine(device={"name": "Card", "free GB": 11.6}), "real", "12 GB of Card are free and it needs 24 GB"),
        (machine(packages={}), "tiny", "torch: not installed"),
        (
            machine(packages={"torch": {"problem": "2.9 does not import (OSError)"}}),
            "tiny",
            "torch: 2.9 does not import",
        ),
        (machine(wrong="the probe was ended by SIGSEGV"), "tiny", "the probe was ended by SIGSEGV"),
    ],
)
def test_what_a_stage_lacks_is_said(described: dict[str, Any], scale: str, reason: str | None) -> None:
    stage = Stage("some", "stage", (), 10, 1, 24, ("torch",))
    found = what_is_lacking(stage, described, scale)
    assert found == reason if reason is None else found.startswith(reason)


def test_a_package_that_does_not_import_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert package("torch", "torch") == {"version": torch.__version__}
    assert "not installed; scripts/gpu_wheels.sh fetches it" in package("no-such-package", "nothing")["problem"]
    monkeypatch.setitem(sys.modules, "peft", None)
    assert "does not import (ModuleNotFoundError" in package("peft", "peft")["problem"]


def wheel(folder: Path, name: str) -> Path:
    path = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}.py", "VALUE = 7\n")
        archive.writestr(f"{name}-1.0.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(f"{name}-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{name}-1.0.dist-info/RECORD", "")
    return path


def test_a_broken_wheel_costs_no_other(tmp_path: Path) -> None:
    wheel(tmp_path, "sound_one")
    (tmp_path / "broken-1.0-py3-none-any.whl").write_text("not an archive")
    (problem,) = install_wheels(tmp_path, tmp_path / "site")
    assert problem.startswith("broken-1.0-py3-none-any.whl: pip does not install it (")
    assert (tmp_path / "site" / "sound_one.py").is_file()


def test_an_end_from_outside_keeps_what_was_done(tmp_path: Path) -> None:
    code = (
        "from benchmarks import gpu_check as g; from tests.benchmarks.test_gpu_check import fake, writing; "
        "half = writing({'half': 1}) + '; import time; time.sleep(600)'; "
        "g.TINY = g.REAL = (fake('first', writing({'a': 1})), fake('second', half), fake('third', writing({}))); "
        "g.Check.prepare = lambda *_: None; g.main()"
    )
    out = tmp_path / "out"
    command = [sys.executable, "-c", code, "--scale", "tiny", "--out", str(out)]
    running = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not gpu_check.read_json(out / "stages" / "second.json") and time.monotonic() < deadline:
        time.sleep(0.05)
    running.send_signal(signal.SIGTERM)
    rest = running.communicate(timeout=60)[0]
    found = json.loads((out / "gpu_check.json").read_text())["stages"]
    assert {name: entry["state"] for name, entry in found.items()} == {
        "first": "passed",
        "second": "skipped",
        "third": "skipped",
    }
    assert found["first"]["found"] == {"a": 1} and found["second"]["found"] == {"half": 1}
    assert "this command was ended by SIGTERM" in rest and running.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "nonsense"], "--only nonsense: no such stage; choose from tests, quickstart"),
        (["--minutes", "0"], "--minutes 0: it must be above 0"),
        (["--out", str(ROOT / "README.md")], "a file is there; name a folder"),
    ],
)
def test_wrong_arguments(
    arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["gpu_check", *arguments])
    with pytest.raises(SystemExit) as stopped:
        gpu_check.main()
    assert stopped.value.code == 2 and message in capsys.readouterr().err


def test_a_result_keeps_each_part_apart(tmp_path: Path) -> None:
    result = Result(tmp_path / "found.json")
    with result.part("large"):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 90 GB.\nmore")
    with result.part("wrong"):
        raise ValueError("a bad value")
    result["value"] = 3
    assert json.loads((tmp_path / "found.json").read_text()) == {
        "skipped": ["large: too little memory (CUDA out of memory. Tried to allocate 90 GB.)"],
        "failed": ["wrong: ValueError: a bad value"],
        "value": 3,
    }


@pytest.fixture
def stage_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[str], dict[str, Any]]:
    """Runs a stage of the tiny scale in this process; what it wrote."""

    def run(name: str) -> dict[str, Any]:
        (stage,) = (stage for stage in TINY if stage.name == name)
        file = tmp_path / f"{name}.json"
        monkeypatch.chdir(ROOT)
        monkeypatch.setattr(sys, "argv", [stage.arguments[1], *stage.arguments[2:], "--json", str(file)])
        importlib.import_module(stage.arguments[1]).main()
        found = json.loads(file.read_text())
        assert not found["failed"], found["failed"]
        return found

    return run


def test_the_scales_have_the_same_stages() -> None:
    assert [stage.name for stage in REAL] == [stage.name for stage in TINY]
    assert all(stage.least <= stage.limit for stage in REAL)
    for stage in REAL:
        assert importlib.util.find_spec(stage.arguments[1]) is not None


def test_tiny_scores(stage_result: Callable[[str], dict[str, Any]]) -> None:
    found = stage_result("scores")
    (case,) = found["losses"].values()
    assert {"smart_train", "dense", "authors' adapter loss"} <= case["losses"].keys()
    assert found["scoring"]["16"].keys() == {"float32", "bfloat16", "int8", "authors"}


@pytest.mark.parametrize("name", ["step_2b", "step_8b", "qlora"])
def test_tiny_steps(stage_result: Callable[[str], dict[str, Any]], name: str) -> None:
    if name == "qlora":
        pytest.importorskip("bitsandbytes", reason="needs the extra quantization")
    for variant in stage_result(name)["variants"].values():
        assert sum(variant["shares"].values()) == pytest.approx(1)
        assert all(share > -0.01 for share in variant["shares"].values())
        assert variant["planned"] > 0 and variant["flops"] > 0 and 0 <= variant["waiting"] <= 1


@pytest.mark.usefixtures("no_plots")
def test_tiny_plan(stage_result: Callable[[str], dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"ROWS": 4, "BATCH": 2, "PIXELS": 64}.items():  # the pages of the benchmark take ten seconds
        monkeypatch.setattr(memory_plan, name, value)
    (found,) = stage_result("memory_plan")["variants"].values()
    assert sum(found["estimated"].values()) > 0


@pytest.mark.slow
@pytest.mark.usefixtures("no_plots")
def test_tiny_quickstart(stage_result: Callable[[str], dict[str, Any]]) -> None:
    found = stage_result("quickstart")
    assert found["losses"]["cpu"] == found["losses"]["again"] and found["largest difference"] == 0


@pytest.mark.slow
@pytest.mark.dist
def test_tiny_engines(stage_result: Callable[[str], dict[str, Any]]) -> None:
    found = stage_result("engines")
    assert found["losses"].keys() == {"none", "fsdp2"} and found["skipped"][0].startswith("zero2: ")


@pytest.mark.slow
def test_the_whole_command_runs_the_tests(tmp_path: Path) -> None:
    """The shell script, the probe and one stage, as processes."""
    environment = {**os.environ, "PYTHON": sys.executable}
    command = [ROOT / "scripts" / "gpu_check.sh", "--scale", "tiny", "--only", "tests", "--out", tmp_path / "out"]
    command += ["--wheels", tmp_path, "--minutes", "60"]  # a machine that is busy takes its time
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "stages: 1 passed, 0 failed, 0 skipped" in done.stdout
    found = json.loads((tmp_path / "out" / "gpu_check.json").read_text())
    assert found["stages"]["tests"]["found"]["tests"]["passed"] == 4
    assert found["machine"]["packages"]["smart_train"]["version"]


def example() -> dict[str, Any]:
    """A result as a GPU would leave it."""

    def entry(found: dict[str, Any]) -> dict[str, Any]:
        return {"state": "passed", "why": "", "seconds": 3.0, "title": "a title", "found": {"skipped": [], **found}}

    shares = dict.fromkeys(gpu_tables.SHARES, 0.2)
    step = {"seconds": 2.0, "shares": shares, "peak": 30e9, "planned": 27e9, "flops": 1e15, "tokens": 1031.0}
    step |= {"pages": 64, "waiting": 0.05, "utilisation": 0.41}
    steps = {"scale": "2b", "options": {"pages": 64, "chunk": 8, "workers": 8}, "variants": {"LoRA": step}}
    losses = {"smart_train": {"forward": 1.1, "step": 1.3, "peak": 5e8}}
    bounds = [["forward + backward / product", 1.3, 1.35], ["another", 2.0, 1.0]]
    scoring = {"128": {"int8": {gpu_tables.SPEED: 9.0, "over product": 1.2, "peak": 1e7, "error": 2e-4}}}
    return {
        "command": "scripts/gpu_check.sh --minutes 9",
        "scale": "real",
        "machine": {
            "python": "3.12.3",
            "device": {"name": "Card", "GB": 80.0, "driver": "580.1", "cuda": "13.0"},
            "packages": {"torch": {"version": "2.11.0"}, "deepspeed": {"problem": "not installed"}},
        },
        "stages": {
            "tests": entry({"tests": {"passed": 120, "skipped": 2}}),
            "quickstart": entry({"losses": {"cpu": {"5": 3.2, "10": 3.1}, "cuda": {"5": 3.2, "10": 3.10001}}}),
            "scores": entry({"losses": {"64 x 200 x 128": {"losses": losses, "bounds": bounds}}, "scoring": scoring}),
            "step_2b": entry(steps),
            "memory_plan": entry({"variants": {"LoRA": {"estimated": {"weights": 9e8}, "peak": 1e9}}}),
            "engines": {**entry({}), "state": "failed", "why": "zero2: it broke | badly"},
        },
    }


def test_tables_show_the_card_and_the_command_above_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    document = tmp_path / "page.md"
    document.write_text("Before.\n")
    monkeypatch.setattr(gpu_tables, "DOCUMENT", document)
    file = tmp_path / "gpu_check.json"
    file.write_text(json.dumps(example()))
    monkeypatch.setattr(sys, "argv", ["gpu_tables", str(file), "--write"])
    gpu_tables.main()
    text = document.read_text()
    head = "`scripts/gpu_check.sh --minutes 9` on Card (80 GB), driver 580.1, CUDA 13.0, Python 3.12.3, torch 2.11.0."
    assert text.index(head) < text.index("| stage |") < text.index("| 64 x 200 x 128 |")
    for line in (
        "Tests: 120 passed, 2 skipped.",
        "| cuda | 3.20000 | 3.10001 |",
        "| 64 x 200 x 128 | forward + backward / product | 1.30 (met: <= 1.35) |",
        "| 64 x 200 x 128 | another | 2.00 (MISSED: <= 1) |",
        "| 128 | int8 | 9.00 | 1.20 | 10 MB | 2e-04 |",
        "| LoRA | 1031 | 2.00 | 32.0 | 30.0 GB | 0.90 | 41% | 20% | 20% | 20% | 20% | 20% | 5% |",
        "| LoRA | 900 MB | 1000 MB | 0.90 |",
        "| engines: a title | failed | 3 | zero2: it broke / badly |",
    ):
        assert line in text, line
    assert capsys.readouterr().out.startswith("## On a GPU")
    gpu_tables.main()
    assert document.read_text() == text, "a second time doubles it"


def test_results_of_no_gpu_are_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = tmp_path / "page.md"
    monkeypatch.setattr(gpu_tables, "DOCUMENT", document)
    file = tmp_path / "found.json"
    monkeypatch.setattr(sys, "argv", ["gpu_tables", str(file), "--write"])
    for content, message in (
        (None, "cannot be read"),
        ("{}", "not a result of scripts/gpu_check.sh"),
        ("[", "not a result of scripts/gpu_check.sh"),
        (json.dumps(example() | {"scale": "tiny"}), "no results of a GPU at --scale real"),
    ):
        if content is not None:
            file.write_text(content)
        with pytest.raises(SystemExit, match=message):
            gpu_tables.main()
    assert not document.exists()
