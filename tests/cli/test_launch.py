"""Starting a run: the planned command, and launch.sh on machines that are missing something. That planned processes
work together is shown by the tests of runs by two processes, which start them."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from smart_train.cli.launch import LaunchPlan, plan_launch
from smart_train.errors import RecipeError, RunError
from smart_train.recipe import parse_recipe

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
SCRIPTS = [ROOT / "launch.sh", ROOT / ".ci" / "run", ROOT / "recipes" / "accelerate" / "slurm.sh"]


def plan(processes: int, gpus: int, cores: int = 8, environment: dict | None = None, **sections: dict) -> LaunchPlan:
    # Not the default, which follows the cores of the machine that runs the test.
    training = {"dataloader_num_workers": 4, **sections.pop("training", {})}
    values = {"model": {"name_or_path": "b"}, "data": {"train": {"path": "r"}}, "training": training, **sections}
    recipe = parse_recipe(values)
    return plan_launch(
        recipe, ["r.yaml", "a=b c"], processes=processes, gpus=gpus, cores=cores, environment=environment or {}
    )


def flag(made: LaunchPlan, name: str) -> str:
    return made.command[made.command.index(name) + 1]


def test_one_process_on_a_cpu_gets_the_cores_that_its_workers_leave() -> None:
    made = plan(1, 0)
    assert made.command == [sys.executable, "-m", "smart_train", "train", "r.yaml", "a=b c"]
    assert made.environment == {"OMP_NUM_THREADS": "4"}  # 8 cores, 4 workers


def test_the_users_thread_count_is_left_alone() -> None:
    assert not plan(1, 0, environment={"OMP_NUM_THREADS": "3"}).environment
    assert "--num_cpu_threads_per_process" not in plan(2, 0, environment={"OMP_NUM_THREADS": "3"}).command


def test_two_processes_on_a_cpu_are_two_that_know_each_other() -> None:
    made = plan(2, 0)
    assert made.environment == {"ACCELERATE_USE_CPU": "true"}
    assert "--multi_gpu" in made.command and "--cpu" not in made.command
    assert flag(made, "--num_cpu_threads_per_process") == "1"


def test_all_gpus_work_together() -> None:
    made = plan(8, 8)
    assert "--multi_gpu" in made.command and flag(made, "--num_processes") == "8"
    assert not made.environment and "--gpu_ids" not in made.command


@pytest.mark.parametrize(("visible", "chosen"), [({}, "0"), ({"CUDA_VISIBLE_DEVICES": "3,5"}, "3")])
def test_one_process_among_many_gpus_sees_one(visible: dict, chosen: str) -> None:
    assert plan(1, 2, environment=visible).environment == {"CUDA_VISIBLE_DEVICES": chosen}
    assert not plan(1, 1).environment


def test_use_cpu_hides_the_gpus() -> None:
    assert plan(1, 4, training={"use_cpu": True}).environment == {"OMP_NUM_THREADS": "4"}


def test_more_processes_than_gpus() -> None:
    with pytest.raises(RecipeError, match=r"distributed\.num_processes: 4; must be at most 2, the GPUs seen here"):
        plan(4, 2)


def test_ddp_on_one_process() -> None:
    with pytest.raises(RecipeError, match=r"distributed\.strategy: 'ddp'; needs at least 2 processes and 1 GPUs"):
        plan(1, 1, distributed={"strategy": "ddp"})


@pytest.mark.parametrize("strategy", ["zero1", "zero2", "zero3", "fsdp2"])
def test_engines_need_more_than_one_process(strategy: str) -> None:
    with pytest.raises(RecipeError, match=f"distributed.strategy: '{strategy}'; needs at least 2 processes"):
        plan(1, 1, distributed={"strategy": strategy})


MACHINE_1 = {"NNODES": "2", "NODE_RANK": "1", "MASTER_ADDR": "first"}


def test_several_machines_meet_where_the_variables_say() -> None:
    made = plan(16, 8, environment={**MACHINE_1, "MASTER_PORT": "1234"})
    assert flag(made, "--num_processes") == "16" and flag(made, "--num_machines") == "2"
    assert flag(made, "--machine_rank") == "1" and flag(made, "--main_process_ip") == "first"
    assert flag(made, "--main_process_port") == "1234"
    assert flag(plan(16, 8, environment=MACHINE_1), "--main_process_port") == "29500"


def test_an_empty_nnodes_is_one_machine() -> None:
    assert flag(plan(2, 0, environment={"NNODES": ""}), "--num_machines") == "1"


def test_cores_are_shared_by_the_processes_of_one_machine() -> None:
    made = plan(4, 0, cores=16, environment=MACHINE_1)
    assert flag(made, "--num_cpu_threads_per_process") == "4"  # 16 cores for 2 processes, 4 workers each


@pytest.mark.parametrize(
    ("processes", "changes", "message"),
    [
        (16, {"NNODES": "two"}, r"NNODES is 'two'; it must be the number of machines"),
        (16, {"NODE_RANK": ""}, "NNODES is 2, but NODE_RANK is not set"),
        (16, {"NODE_RANK": "", "MASTER_ADDR": ""}, "NODE_RANK and MASTER_ADDR is not set"),
        (16, {"NODE_RANK": "2"}, r"NODE_RANK is '2'; it must be one of 0 \.\. 1"),
        (15, {}, r"distributed\.num_processes: 15; must be a multiple of NNODES \(2\)"),
        (32, {}, "must be at most 16, 8 GPUs on 2 machines"),
    ],
)
def test_machines_that_cannot_meet(processes: int, changes: dict, message: str) -> None:
    with pytest.raises((RunError, RecipeError), match=message):
        plan(processes, 8, environment={**MACHINE_1, **changes})


def test_the_users_accelerate_configuration_is_handed_on() -> None:
    made = plan(2, 2, distributed={"accelerate_config": "mine.yaml", "strategy": "zero2"})
    assert flag(made, "--config_file") == "mine.yaml" and "--multi_gpu" not in made.command
    assert flag(made, "--num_processes") == "2" and flag(made, "--mixed_precision") == "no"


def test_one_process_is_not_taken_for_one_of_several(monkeypatch: pytest.MonkeyPatch) -> None:
    """A job of a cluster may have set what a launcher tells its processes."""
    left = {"WORLD_SIZE": "8", "RANK": "3", "OMP_NUM_THREADS": "2"}
    made = plan(1, 0, environment=left)
    assert made.unset == ["RANK", "WORLD_SIZE"]
    assert str(made).startswith(f"env -u RANK -u WORLD_SIZE {sys.executable} -m smart_train train")
    assert not plan(2, 0, environment=left).unset, "the launcher sets its own"
    started: list[dict] = []
    monkeypatch.setattr(os, "execve", lambda program, command, environment: started.append(environment))
    for name, value in left.items():
        monkeypatch.setenv(name, value)
    made.start()
    assert "PATH" in started[0] and started[0]["OMP_NUM_THREADS"] == "2"
    assert not {"WORLD_SIZE", "RANK"} & started[0].keys()


def test_the_shown_line_can_be_pasted() -> None:
    line = str(plan(2, 0))
    assert line.startswith("ACCELERATE_USE_CPU=true ") and line.endswith("train r.yaml 'a=b c'")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_parse_and_are_executable(script: Path) -> None:
    assert os.access(script, os.X_OK)
    subprocess.run(["bash", "-n", script], check=True)


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed; .ci/run installs it")
def test_scripts_pass_shellcheck() -> None:
    done = subprocess.run(["shellcheck", *SCRIPTS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.fixture
def machine(tmp_path: Path):
    """launch.sh on a machine whose Python is a stub that writes its arguments down and installs nothing. What a recipe
    needs is asked of the real package."""
    log, binaries, venv, work = (tmp_path / name for name in ("log", "bin", "venv", "work"))
    binaries.mkdir()
    work.mkdir()
    (work / "recipe.yaml").write_text(BARE)

    def program(path: Path, text: str) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/usr/bin/env bash\n{text}\n")
        path.chmod(0o755)
        return path

    stub = f'printf "%s\\n" "$*" >>{log}\n'
    # `python -m venv --clear DIR` leaves another such stub behind, as the real one leaves an interpreter.
    makes_venv = (
        "if [[ $1 == -m && $2 == venv ]]; then\n"
        '    mkdir -p "$4/bin"; touch "$4/pyvenv.cfg"; cp "$0" "$4/bin/python"\n'
        "fi\n"
    )
    reads_recipes = (
        f"if [[ $* == *' typer pyyaml' ]]; then touch {venv}/reader; fi\n"
        f"if [[ $2 == 'import typer, yaml' ]]; then [[ -e {venv}/reader ]]; exit; fi\n"
        f'if [[ $1 == -m && $3 == extras ]]; then exec {sys.executable} "$@"; fi\n'
    )
    program(binaries / "python3", f"{stub}{reads_recipes}{makes_venv}")
    for tool in ("bash", "env", "dirname", "mkdir", "touch", "cp", "cat", "cksum", "rm"):
        (binaries / tool).symlink_to(shutil.which(tool))

    def start(*arguments: str, **environment: str) -> subprocess.Popen:
        log.write_text("")
        return subprocess.Popen(
            [ROOT / "launch.sh", *arguments],
            env={"PATH": str(binaries), "SMART_TRAIN_VENV": str(venv), **environment},
            cwd=work,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def call(*arguments: str, **environment: str) -> tuple[subprocess.CompletedProcess, list[str]]:
        process = start(*arguments, **environment)
        out, err = process.communicate()
        done = subprocess.CompletedProcess(process.args, process.returncode, out, err)
        return done, [line for line in log.read_text().splitlines() if not line.startswith(("-c ", "--version"))]

    call.program, call.start, call.binaries, call.venv, call.work = program, start, binaries, venv, work
    return call


BARE = "model: {name_or_path: m}\ndata: {train: {path: rows.jsonl}}\n"
PIP = "-m pip install --quiet --disable-pip-version-check"


def test_the_first_launch_installs_and_the_next_does_not(machine) -> None:
    done, log = machine("recipe.yaml", "lora.r=4")
    assert done.returncode == 0, done.stderr
    assert log == [
        f"-m venv --clear {machine.venv}",
        f"{PIP} typer pyyaml",
        "-m smart_train extras recipe.yaml lora.r=4",
        f"{PIP} torch==2.13.0",
        f"{PIP} --editable {ROOT}",
        "-m smart_train launch recipe.yaml lora.r=4",
    ]
    assert "creating" in done.stderr and "installing" in done.stderr
    done, log = machine("--dry-run", "recipe.yaml", "--overwrite")
    assert log == [
        "-m pip --version",
        "-m smart_train extras recipe.yaml",
        "-m smart_train launch --dry-run recipe.yaml --overwrite",
    ]
    assert done.stderr == ""


def test_what_the_recipe_needs_is_installed_once(machine) -> None:
    (machine.work / "parent.yaml").write_text(BARE + "distributed: {strategy: zero2}\n")
    (machine.work / "child.yaml").write_text("extends: parent.yaml\nmodel: {quantization: 4bit}\n")
    _, log = machine("recipe.yaml")
    assert f"{PIP} --editable {ROOT}" in log
    _, log = machine("child.yaml")
    assert log == [
        "-m pip --version",
        "-m smart_train extras child.yaml",
        f"{PIP} --editable {ROOT}[deepspeed,quantization]",  # torch is there already
        "-m smart_train launch child.yaml",
    ]
    for arguments in (["child.yaml"], ["recipe.yaml", "distributed.strategy=zero3"], ["recipe.yaml"]):
        _, log = machine(*arguments)
        assert not [line for line in log if line.startswith(PIP)]


def test_seeds_are_no_change_to_the_recipe(machine) -> None:
    for seeds in (["--seeds", "0,1"], ["--seeds=0,1"]):
        done, log = machine(*seeds, "recipe.yaml", "lora.r=4")
        assert done.returncode == 0, done.stderr
        assert "-m smart_train extras recipe.yaml lora.r=4" in log
        assert log[-1] == f"-m smart_train launch {' '.join(seeds)} recipe.yaml lora.r=4"


def test_an_environment_named_by_a_relative_path_lies_in_the_current_folder(machine) -> None:
    _, log = machine("test", SMART_TRAIN_VENV="envs/mine")  # which goes to the folder of launch.sh
    assert log[0] == f"-m venv --clear {machine.work}/envs/mine"
    assert f"{PIP} --no-deps --target {machine.work}/envs/mine/torchvision torchvision==" in log


@pytest.mark.skipif(shutil.which("flock") is None, reason="there is no flock")
def test_a_second_launch_waits_for_the_environment_of_the_first(machine) -> None:
    (machine.binaries / "flock").symlink_to(shutil.which("flock"))
    lock = machine.venv.with_name("venv.lock")
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        waiting = machine.start("recipe.yaml")
        assert waiting.stderr.readline() == f"launch.sh: waiting for another launch.sh, which works on {machine.venv}\n"
        assert not machine.venv.exists()
    _, said = waiting.communicate()
    assert waiting.returncode == 0 and machine.venv.is_dir(), said
    assert machine("recipe.yaml")[0].stderr == "", "what it starts holds no lock"


def test_videos_come_with_torchvision(machine) -> None:
    (machine.work / "rows.jsonl").write_text('{"query": "q", "positive": "clip.mp4"}\n')
    done, log = machine("recipe.yaml")
    assert done.returncode == 0, done.stderr
    assert f"{PIP} --editable {ROOT}[video]" in log
    assert f"{PIP} --no-deps --target {machine.venv}/torchvision torchvision==" in log
    assert log[-1] == "-m smart_train launch recipe.yaml"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["recpie.yaml"], "smart-train: recpie.yaml: no such recipe file, did you mean recipe.yaml?\n"),
        (["--dry-run", "broken.yaml"], "smart-train: broken.yaml, line 2, column 1: "),
        (["recipe.yaml", "lora.r"], "smart-train: override 'lora.r': must read key.sub=value"),
        (["--dry-run"], "Missing argument 'RECIPE'"),
    ],
)
def test_a_recipe_that_cannot_be_read_stops_before_anything_is_installed(
    machine, arguments: list[str], message: str
) -> None:
    (machine.work / "broken.yaml").write_text("model: [\n")
    done, log = machine(*arguments)
    assert done.returncode == 2 and message in done.stderr and "Traceback" not in done.stderr
    assert log[:2] == [f"-m venv --clear {machine.venv}", f"{PIP} typer pyyaml"]
    assert log[2:] == [log[2]] and log[2].startswith("-m smart_train extras")


def test_an_environment_for_tests_also_serves_runs(machine) -> None:
    machine("test")
    quantized = ["recipe.yaml", "model.quantization=8bit"]
    _, log = machine(*quantized)
    installed = [line for line in log if line.startswith(PIP) and not line.endswith("typer pyyaml")]
    assert not installed and log[-1] == "-m smart_train launch recipe.yaml model.quantization=8bit"


def test_the_tests_install_what_dev_names() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    own = next(need for need in extras["dev"] if need.startswith("smart_train["))
    named = re.search(r"^readonly TEST_EXTRAS=(\S+)$", (ROOT / "launch.sh").read_text(), flags=re.M)[1]
    assert named.split(",") == ["dev", *own.removeprefix("smart_train[").rstrip("]").split(",")]


def test_a_machine_with_a_gpu_gets_plain_torch(machine) -> None:
    machine.program(machine.binaries / "nvidia-smi", "echo 'GPU 0: something'")
    _, log = machine("recipe.yaml")
    assert f"{PIP} torch" in log


def test_an_interrupted_installation_is_done_again(machine) -> None:
    broken = machine.program(machine.binaries / "python3", machine.binaries.joinpath("python3").read_text())
    text = broken.read_text()
    machine.program(broken, f"{text}\n[[ $* != *--editable* ]] || exit 1")
    done, _ = machine("recipe.yaml")
    assert done.returncode != 0
    machine.program(machine.venv / "bin" / "python", text)
    _, log = machine("recipe.yaml")
    assert f"{PIP} --editable {ROOT}" in log and log[-1] == "-m smart_train launch recipe.yaml"


def test_an_index_without_the_reader_stops_with_pips_message(machine) -> None:
    text = machine.binaries.joinpath("python3").read_text()
    machine.program(machine.binaries / "python3", f"[[ $* != *pyyaml ]] || {{ echo no index >&2; exit 1; }}\n{text}")
    done, log = machine("recipe.yaml")
    assert done.returncode == 1 and done.stderr.endswith("no index\n")
    assert not [line for line in log if line.startswith("-m smart_train")]


def test_no_python_that_is_new_enough(machine) -> None:
    machine.program(machine.binaries / "python3", "exit 1")
    done, _ = machine("recipe.yaml")
    assert done.returncode == 2
    assert "no Python 3.10 or newer is on PATH" in done.stderr
    done, _ = machine("recipe.yaml", PYTHON="python9")
    assert done.returncode == 2 and "PYTHON=python9 is not Python 3.10 or newer" in done.stderr


def test_a_python_without_venv(machine) -> None:
    machine.program(machine.binaries / "python3", "[[ $* != *ensurepip* ]]")
    done, _ = machine("recipe.yaml")
    assert done.returncode == 2 and "apt-get install python3-venv" in done.stderr


def test_a_folder_that_is_no_environment_is_left_alone(machine) -> None:
    machine.venv.mkdir()
    (machine.venv / "thesis.txt").write_text("mine")
    done, _ = machine("recipe.yaml")
    assert done.returncode == 2 and "is not a virtual environment" in done.stderr
    assert (machine.venv / "thesis.txt").read_text() == "mine"


def test_usage(machine) -> None:
    done, _ = machine("--help")
    assert done.returncode == 0 and "usage: ./launch.sh RECIPE" in done.stdout
    done, _ = machine()
    assert done.returncode == 2 and "usage:" in done.stdout
