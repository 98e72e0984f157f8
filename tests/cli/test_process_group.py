"""Commands that a launcher starts as several processes: they share the work, or refuse before they begin."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from smart_train.cli import process_group
from smart_train.cli.app import app
from smart_train.errors import Interrupted, ModelError, RecipeError, SmartTrainError
from tests.command import call, ended
from tests.ranks import start_command
from tests.tuned import Toy, make_toy

# What `accelerate launch -m smart_train COMMAND` does.
SHARED = ("train", "mine", "benchmark", "tune", "evaluate", "compare")
ALONE = {
    "make-pairs": ("make-pairs", "ROWS", "--output", "OUT"),
    "validate-data": ("validate-data", "ROWS", "--output", "OUT"),
    "init": ("init", "MODEL", "ROWS", "--method", "lora", "--to", "OUT"),
    "inspect": ("inspect", "MODEL"),
    "export": ("export", "MODEL", "--output", "OUT"),
    "verify": ("verify", "MODEL"),
    "push": ("push", "MODEL", "--repo", "me/mine"),
    "convert-projection": ("convert-projection", "MODEL", "--output", "OUT"),
    "probe": ("probe", "MODEL", "--data", "ROWS"),
    "explain": ("explain", "MODEL", "--query", "cat", "--document", "a cat"),
    "encode": ("encode", "MODEL", "--documents", "ROWS", "--index", "OUT"),
    "search": ("search", "MODEL", "--documents", "ROWS", "--query", "cat"),
}
# Neither load a model nor write results; launch is what starts the processes, in a job that may have set WORLD_SIZE.
NEITHER = ("recipes", "validate", "extras", "launch")
TOKENS = ("--layers", "-1", "--query-tokens", "content", "--document-tokens", "content", "--pooled-token", "keep")
FORMS = ("--weights", "1:0,1:1,0:1", "--pool-factors", "1", "--stored-as", "float32,int8", "--widths", "32")


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    made = make_toy(tmp_path_factory.mktemp("toy"))
    made.write(made.folder.parent / "rows.jsonl")
    made.write(made.folder.parent / "other.jsonl", 30)
    return made


@pytest.mark.parametrize("command", ALONE)
def test_a_command_for_one_process_refuses_several_by_name(
    command: str, toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from smart_train import SmartModel

    def loaded(*_: object, **__: object) -> None:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr(SmartModel, "from_pretrained", loaded)
    names = {"MODEL": toy.folder, "ROWS": toy.folder.parent / "rows.jsonl", "OUT": tmp_path / "out"}
    words = [names.get(word, word) for word in ALONE[command]]
    monkeypatch.setenv("WORLD_SIZE", "3")
    for rank, on_its_machine in ((0, 0), (1, 1), (2, 0)):
        monkeypatch.setenv("RANK", str(rank))
        monkeypatch.setenv("LOCAL_RANK", str(on_its_machine))
        refused = ended(monkeypatch, capsys, *words)
        said = f"smart-train (rank {rank}): {command}: was started as 3 processes (WORLD_SIZE=3), and it works in one"
        assert refused.status == 2 and refused.err.startswith(said if on_its_machine == 0 else "")
        assert refused.err.count("\n") == (1 if on_its_machine == 0 else 0), "one process of each machine says it"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", ["evaluate", "compare", "tune", "mine"])
def test_a_mistake_found_before_processes_join_is_told_once_on_each_machine(
    command: str, toy: Toy, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("smart_train.cli.quiet.quiet_libraries", lambda: pytest.fail("the mistake was not seen"))
    rows = toy.folder.parent / "rows.jsonl"
    models = [toy.folder] * (2 if command == "compare" else 1)
    words, said = (command, *models, "--data", rows, "--columns", "query=x"), "--columns query: there is no column 'x'"
    if command == "mine":
        words, said = (
            (command, "recipe.yaml", "--output", tmp_path, "--model", tmp_path / "gone"),
            f"{tmp_path / 'gone'}",
        )
    for ranks, rank, on_its_machine, times in ((4, 0, 0, 1), (4, 1, 1, 0), (4, 2, 0, 1), (4, 3, 1, 0), (1, 0, 1, 1)):
        for name, value in (("WORLD_SIZE", ranks), ("RANK", rank), ("LOCAL_RANK", on_its_machine)):
            monkeypatch.setenv(name, str(value))
        refused = ended(monkeypatch, capsys, *words)
        assert refused.status == 2 and refused.err.count(said) == times, refused.err


def stop(kind: type[SmartTrainError], teller: int | None = None) -> SmartTrainError:
    """An error; `teller`: the other rank that it came from."""
    error = kind("no such thing")
    if teller is not None:
        error.from_main, error.told_by = True, teller
    return error


@pytest.mark.parametrize(
    ("error", "joined", "tellers"),
    [
        (stop(RecipeError), True, [0, 2]),
        (stop(Interrupted), True, [0, 2]),
        (stop(ModelError), False, [0, 2]),
        (stop(ModelError), True, [0, 1, 2, 3]),  # of one rank: nobody else has it
        (stop(ModelError, 0), True, [2]),  # rank 0, which it came from, has told it on the first machine
        (stop(ModelError, 1), True, [2]),
        (stop(ModelError, 3), True, [0]),
    ],
)
def test_each_machine_of_a_launch_tells_once_what_all_processes_have(
    error: SmartTrainError,
    joined: bool,
    tellers: list[int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Two machines with two processes each."""

    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr("smart_train.cli.app.app", fail)
    monkeypatch.setattr(sys, "last_value", None, raising=False)
    monkeypatch.setattr(process_group, "_joined", joined)
    status = 143 if isinstance(error, Interrupted) else 2
    assert ended(monkeypatch, capsys) == (status, "", "smart-train: no such thing\n"), "one process tells everything"
    monkeypatch.setenv("WORLD_SIZE", "4")
    for rank in range(4):
        for name, value in (("RANK", rank), ("LOCAL_RANK", rank % 2), ("LOCAL_WORLD_SIZE", 2)):
            monkeypatch.setenv(name, str(value))
        told = f"smart-train (rank {rank}): no such thing\n" if rank in tellers else ""
        assert ended(monkeypatch, capsys) == (status, "", told)


@pytest.mark.parametrize("said", ["", "auto"])
def test_a_variable_that_holds_no_number_is_not_a_launchers(
    said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE"):
        monkeypatch.setenv(name, said)
    gone = ended(monkeypatch, capsys, "verify", tmp_path / "gone")
    assert gone.status == 2 and f"{tmp_path / 'gone'}: no such folder" in gone.err


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"WORLD_SIZE": "2"}, "WORLD_SIZE=2 in the environment says that a launcher started this process, and RANK, "),
        ({"LOCAL_RANK": "0"}, "LOCAL_RANK=0 in the environment says"),
        (
            {"WORLD_SIZE": "2", "RANK": "0", "MASTER_ADDR": "127.0.0.1"},
            "process, and MASTER_PORT must be set then, too",
        ),
    ],
)
def test_half_of_what_a_launcher_says_is_told_before_any_process_waits(
    variables: dict[str, str],
    told: str,
    toy: Toy,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = toy.folder.parent / "rows.jsonl"
    recipe = {"model": {"name_or_path": str(toy.folder)}, "data": {"train": {"path": str(rows)}}}
    (tmp_path / "recipe.yaml").write_text(json.dumps(recipe))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    for words in (("train", tmp_path / "recipe.yaml"), ("evaluate", toy.folder, "--data", rows)):
        if words[0] == "train" or "WORLD_SIZE" in variables:
            refused = ended(monkeypatch, capsys, *words)
            assert refused.status == 2 and told in refused.err and "Traceback" not in refused.err


def test_every_command_that_loads_a_model_or_writes_results_is_in_one_of_the_tables() -> None:
    names = {(item.name or item.callback.__name__).replace("_", "-") for item in app.registered_commands}
    assert sorted(names) == sorted((*SHARED, *ALONE, *NEITHER)), "a new command shares its work, or refuses"


def settings_of(folder: Path) -> list[dict[str, Any]]:
    """Every setting that was measured, but for what the machine took."""
    saved = json.loads((folder / "tune.json").read_text())
    return [{key: value for key, value in row.items() if key != "ms_per_query"} for row in saved["settings"]]


@pytest.mark.dist
@pytest.mark.parametrize("test", [False, True])
def test_tune_in_two_processes_is_tune_in_one(
    test: bool, toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, others = (toy.folder.parent / name for name in ("rows.jsonl", "other.jsonl"))
    options = [*TOKENS, *FORMS, "--batch-size", 7, *(("--test", others) if test else ())]
    words = ["tune", toy.folder, "--data", rows, *options]
    printed = printed_by_two([*words, "--output", tmp_path / "two"], tmp_path / "log")
    assert printed.count("Chosen: ") == 1, "both processes told the result"
    assert call(monkeypatch, *words, "--output", tmp_path / "one") == 0
    for theirs, ours in zip(settings_of(tmp_path / "two"), settings_of(tmp_path / "one"), strict=True):
        assert theirs == pytest.approx(ours, abs=1e-6)


@pytest.mark.dist
@pytest.mark.usefixtures("no_plots")  # as in the processes that `start_command` makes
def test_evaluate_and_compare_in_two_processes_are_those_of_one(
    toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pooled = shutil.copytree(toy.folder, tmp_path / "pooled")
    settings = json.loads((pooled / "smart_config.json").read_text())
    settings["scoring"]["late_weight"] = 0.0
    (pooled / "smart_config.json").write_text(json.dumps(settings))
    data = ("--data", toy.folder.parent / "rows.jsonl")
    for number, words in enumerate((("evaluate", toy.folder, *data), ("compare", toy.folder, pooled, *data))):
        one, two = tmp_path / f"{number}.one", tmp_path / f"{number}.two"
        options = ("--output", f"{two}.json", "--report", f"{two}.html")
        together = printed_by_two([*words, *options], tmp_path / f"{number}.log")
        assert call(monkeypatch, *words, "--output", f"{one}.json", "--report", f"{one}.html") == 0
        alone = capsys.readouterr().out.replace(str(one), str(two))
        assert told(together) == told(alone) and len(told(alone)) == 2, "each line once"
        assert json.loads(Path(f"{two}.json").read_text()) == json.loads(Path(f"{one}.json").read_text())
        assert Path(f"{two}.html").read_text() == Path(f"{one}.html").read_text()


def told(printed: str) -> list[str]:
    """What was found and written; tables are as wide as the terminal of each process."""
    return [line for line in printed.splitlines() if line.startswith(("Verdict: ", "Written: "))]


def printed_by_two(words: Sequence[object], log: Path) -> str:
    """What two processes of one launch, which end well, print together."""
    together = start_command(words, log, count=2)
    for process in together:
        process.join()
    assert [process.exitcode for process in together] == [0, 0], log.read_text()
    return log.read_text()


@pytest.mark.dist
@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (("tune", "--metric", "ndgc@5"), "did you mean ndcg@5"),
        (("tune", "--family", "text_decoder"), "missing weight(s) for BertModel"),  # found when the model is opened
        (("tune", "--layers", "99"), "--layers 99: the model has hidden states -3 .. 2"),  # and with the open model
        (("evaluate", "--family", "text_decoder"), "missing weight(s) for BertModel"),
    ],
)
def test_a_mistake_is_told_once(mistake: tuple[str, ...], message: str, toy: Toy, tmp_path: Path) -> None:
    command, *options = mistake
    words = [command, toy.folder, "--data", toy.folder.parent / "rows.jsonl", *options]
    together = start_command(words, tmp_path / "log", count=2)
    for process in together:
        process.join()
    assert [process.exitcode for process in together] == [2, 2]
    printed = [line for line in (tmp_path / "log").read_text().splitlines() if line.startswith("smart-train")]
    assert len(printed) == 1 and message in printed[0], printed


@pytest.mark.dist
@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model": {"name_or_path": "half"}}, "half: 1 missing weight(s) for BertModel"),  # found when it is opened
        (  # and when the trainer is made
            {"gradient_caching": {"mini_batch_size": 2}, "training": {"torch_compile": True}},
            "gradient_caching cannot take training.torch_compile",
        ),
    ],
)
def test_what_every_process_of_a_run_finds_is_told_once(
    values: dict[str, Any], message: str, toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = load_file(shutil.copytree(toy.folder, tmp_path / "half") / "model.safetensors")
    weights.popitem()
    save_file(weights, tmp_path / "half" / "model.safetensors", metadata={"format": "pt"})
    training = {"output_dir": "run", "use_cpu": True, "per_device_train_batch_size": 4, "max_steps": 4}
    recipe: dict[str, Any] = {
        "model": {"name_or_path": str(toy.folder)},
        "data": {"train": {"path": str(toy.folder.parent / "rows.jsonl")}},
        "lora": {},
        **values,
        "training": {**training, **values.get("training", {})},
    }
    (tmp_path / "recipe.yaml").write_text(json.dumps(recipe))
    monkeypatch.chdir(tmp_path)
    together = start_command(["train", tmp_path / "recipe.yaml"], tmp_path / "log", count=2)
    for process in together:
        process.join()
    assert [process.exitcode for process in together] == [2, 2]
    printed = [line for line in (tmp_path / "log").read_text().splitlines() if line.startswith("smart-train")]
    assert len(printed) == 1 and message in printed[0], (tmp_path / "log").read_text()
