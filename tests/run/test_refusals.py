"""Bad input through the command itself: the message alone, status 2, and nothing trained."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

import smart_train.run.stages
from smart_train import SmartModel
from smart_train.cli import main
from smart_train.errors import RunError, WriteError
from smart_train.models import FAMILIES
from smart_train.models.peft import add_lora
from smart_train.recipe import parse_recipe
from smart_train.recipe.reader import merge
from smart_train.run import train
from smart_train.run.folder import RunFolder, Spread
from smart_train.utils.locks import LOCK_NAME, only_one
from tests.runs import MODES, OVERRIDES, TINY, TRAIN_ROWS, WIDTH, logged, recipe_values, write_rows

QUICK = {
    "training": {"max_steps": 1, "eval_strategy": "no", "save_strategy": "no"},
    "evaluation": {"before": False, "after": False},
    "export": {"enabled": False},
}


class Ended(NamedTuple):
    status: int
    out: str
    err: str
    run: Path


@pytest.fixture
def data(tiny_data: Path, tmp_path: Path) -> Path:
    """Rows and pages that a test may spoil."""
    return shutil.copytree(tiny_data, tmp_path / "data")


@pytest.fixture
def command(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Ended]:
    """Calls `smart-train WORD RECIPE` on the tiny recipe with `sections` merged over it."""
    monkeypatch.setattr(smart_train.run.stages, "plot_run", lambda *_, **__: None)

    def call(word: str = "train", *flags: str, **sections: Any) -> Ended:
        values = recipe_values(data, tmp_path / "run", **QUICK)
        path = tmp_path / "recipe.yaml"
        path.write_text(yaml.safe_dump(merge(values, sections)))
        return end(word, str(path), *flags)

    def end(*arguments: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["smart-train", *arguments])
        status = 0
        try:
            main()
        except SystemExit as ended:
            status = ended.code or 0
        return Ended(status, *capsys.readouterr(), tmp_path / "run")

    call.plain = end
    return call


def refused(ended: Ended, *messages: str) -> None:
    """The command ended with its message alone, before anything was trained."""
    assert ended.status == 2, ended
    assert ended.err.startswith("smart-train: ") and "Traceback" not in ended.err
    for message in messages:
        assert message in ended.err
    assert not (ended.run / "log.jsonl").exists() and not list(ended.run.glob("checkpoint-*"))


def rows_of(data: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (data / "train.jsonl").read_text().splitlines()]


def spoil(data: Path, **changes: dict[str, Any]) -> None:
    """Changes columns of training rows: row_3={"query": ""}."""
    rows = rows_of(data)
    for name, columns in changes.items():
        rows[int(name.removeprefix("row_"))].update(columns)
    write_rows(data / "train.jsonl", rows)


@pytest.mark.parametrize("word", ["train", "validate"])
def test_a_missing_file(command: Any, data: Path, word: str) -> None:
    refused(
        command(word, data={"train": {"path": str(data / "trian.jsonl")}}),
        f"data.train: {data / 'trian.jsonl'}: no such file or folder, did you mean train.jsonl?",
    )


@pytest.mark.parametrize("word", ["train", "validate"])
def test_a_missing_column(command: Any, data: Path, word: str) -> None:
    refused(
        command(word, data={"train": {"columns": {"positive": "postive"}}}),
        "data.train: ",
        "columns.positive: there is no column 'postive'",
        "columns: negative_0, positive, query",
    )


def test_rows_that_cannot_be_used_are_all_named_before_training(command: Any, data: Path) -> None:
    (data / "train-3.png").write_bytes(b"no picture")
    (data / "train-5.png").unlink()
    spoil(data, row_7={"query": "  "}, row_9={"positive": None})
    for word in ("train", "validate"):
        refused(
            command(word),
            f"data.train: 4 of {TRAIN_ROWS} rows cannot be used (data.on_error: skip leaves them out)",
            f"{data / 'train.jsonl'}, row 3: ",
            f"{data / 'train.jsonl'}, row 5, column 'positive': image ",
            f"{data / 'train.jsonl'}, row 7: the query is empty",
            f"{data / 'train.jsonl'}, row 9: column 'positive' is null",
        )


def test_rows_that_cannot_be_used_can_be_skipped_and_are_counted(command: Any, data: Path) -> None:
    (data / "train-3.png").write_bytes(b"no picture")
    spoil(data, row_7={"query": ""})
    ended = command(data={"on_error": "skip"}, training={"max_steps": -1, "num_train_epochs": 1})
    assert ended.status == 0, ended.err
    assert f"data.train: {TRAIN_ROWS - 2} of {TRAIN_ROWS} rows, 2 skipped:" in ended.out
    assert "row 3: " in ended.out and "row 7: the query is empty" in ended.out
    assert max(logged(ended.run)) == 5  # 22 rows are five batches of four


def test_no_row_is_left(command: Any, data: Path) -> None:
    write_rows(data / "train.jsonl", [{**row, "query": ""} for row in rows_of(data)])
    refused(command(data={"on_error": "skip"}), f"data.train: no rows are left of {TRAIN_ROWS}", "the query is empty")
    write_rows(data / "train.jsonl", [])
    refused(command(), "data.train: ", "holds no rows")


def test_explicit_negatives_that_are_not_there(command: Any, data: Path) -> None:
    for word in ("train", "validate"):
        refused(
            command(word, data={"negatives_per_query": 2}),
            "data.train: 24 of 24 rows cannot be used",
            "has 1 explicit negatives, but data.negatives_per_query is 2",
        )
    assert command(data={"negatives_per_query": 1}).status == 0, "held-out rows need none"


@pytest.mark.parametrize("word", ["train", "validate"])
def test_a_batch_of_one(command: Any, word: str) -> None:
    refused(
        command(word, training={"per_device_train_batch_size": 1}),
        "training.per_device_train_batch_size: 1; a batch of one holds only the answer",
    )


@pytest.mark.parametrize("word", ["train", "validate"])
def test_fewer_rows_than_a_batch(command: Any, word: str) -> None:
    refused(
        command(word, training={"per_device_train_batch_size": 25}),
        "training.per_device_train_batch_size: 25 x 1 process(es) = 25 is more than the 24 training rows",
    )
    refused(
        command(word, training={"per_device_train_batch_size": 23, "dataloader_drop_last": False}),
        "of 24 training rows the last batch of an epoch holds one",
    )


@pytest.mark.parametrize("word", ["train", "validate"])
def test_an_unknown_family(command: Any, word: str) -> None:
    refused(
        command(word, model={"family": "qwen3_vl_embeding"}),
        f"model.family: 'qwen3_vl_embeding'; is not one of the {len(FAMILIES)} known names; "
        "did you mean qwen3_vl_embedding?",
    )


@pytest.mark.parametrize("word", ["train", "validate"])
def test_a_model_of_no_known_family(command: Any, tmp_path: Path, word: str) -> None:
    folder = shutil.copytree(TINY, tmp_path / "other")
    (folder / "config.json").write_text(json.dumps({"model_type": "mamba", "hidden_size": 32, "num_hidden_layers": 1}))
    refused(command(word, model={"name_or_path": str(folder), "from_config": None}), "mamba", "qwen3_vl_embedding")


@pytest.mark.parametrize("word", ["train", "validate"])
def test_a_layer_that_the_model_does_not_have(command: Any, word: str) -> None:
    refused(command(word, scoring={"layer": 3}), "scoring.layer 3 is out of range: the model has hidden states -3 .. 2")


@pytest.mark.parametrize("word", ["train", "validate"])
def test_modules_that_lora_does_not_find_are_told_with_a_layer_that_the_model_does_not_have(
    command: Any, word: str
) -> None:
    refused(
        command(word, full=None, lora={"target_modules": ["q_porj"]}, scoring={"layer": 3}),
        "scoring.layer 3 is out of range: the model has hidden states -3 .. 2",
        "lora.target_modules ['q_porj']: ",
    )


@pytest.mark.parametrize("word", ["train", "validate"])
def test_a_projection_wider_than_the_model(command: Any, word: str) -> None:
    refused(
        command(word, full=None, projection={"dim": WIDTH + 1}),
        f"projection.dim {WIDTH + 1} must lie between 1 and the backbone's hidden size {WIDTH}",
    )


@pytest.mark.parametrize("word", ["train", "validate"])
def test_a_projection_of_a_layer_that_the_model_does_not_have(command: Any, word: str) -> None:
    refused(
        command(word, full=None, projection={"dim": 8, "layers": [1, 3]}),
        "projection.layers 3 is out of range: the model has hidden states -3 .. 2",
    )


@pytest.mark.parametrize(
    "sections",
    [
        {"full": None, "projection": {"dim": WIDTH + 1}},
        {"full": None, "lora": {"target_modules": "no_such_module"}},
        {"full": None, "lora": {"target_modules": ".*qkv"}},
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_is_evaluated(command: Any, sections: Any) -> None:
    ended = command(**sections, evaluation={"before": True})
    refused(ended)
    assert "Evaluating" not in ended.out and not ended.run.exists()


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter beside its base."""
    folder = tmp_path_factory.mktemp("models")
    SmartModel.from_config(TINY, overrides=OVERRIDES).save_pretrained(folder / "base")
    model = SmartModel.from_pretrained(folder / "base", device="cpu")
    model.backbone = add_lora(model.backbone, model.family, r=2, alpha=2, dropout=0.0)
    model.save_pretrained(folder / "adapter")
    return folder / "adapter"


@pytest.mark.parametrize("word", ["train", "validate"])
@pytest.mark.parametrize("mode", MODES)
def test_training_on_top_of_an_adapter(command: Any, adapter: Path, word: str, mode: str) -> None:
    refused(
        command(word, **MODES[mode], model={"name_or_path": str(adapter), "from_config": None}),
        f"model.name_or_path {adapter}: is an adapter, and {mode} cannot start from it; name its base, or its merged",
    )


def test_an_adapter_of_another_base(command: Any, adapter: Path, data: Path, tmp_path: Path) -> None:
    SmartModel.from_config(TINY).save_pretrained(tmp_path / "wider")
    stray = shutil.copytree(adapter, tmp_path / "stray")
    config = json.loads((stray / "smart_config.json").read_text())
    for gone in ("base_beside", "base_weights"):  # a folder of version 0.1.0 does not say which weights it means
        config.pop(gone, None)
    (stray / "smart_config.json").write_text(json.dumps({**config, "base": str(tmp_path / "wider")}))
    ended = command.plain("evaluate", str(stray), "--data", str(data / "held_out.jsonl"))
    refused(ended, f"{stray}: the adapter does not fit Qwen3VLModel", "it was trained on another base")


def test_a_folder_in_use_by_another_recipe(command: Any) -> None:
    assert command().status == 0
    other = {"training": {"learning_rate": 2e-3}}
    for word in ("train",):
        ended = command(word, **other)
        assert ended.status == 2
        assert f"training.output_dir {ended.run}: holds the run of another recipe" in ended.err
        assert "\n  training.learning_rate: 0.001 there, 0.002 here\n" in ended.err
        assert "pass --overwrite to discard it" in ended.err
    # Said before any row is read: that may take hours.
    (broken := ended.run.parent / "broken.jsonl").write_text("not rows")
    told = command(**other, data={"train": {"path": str(broken)}}).err
    assert "data.train.path: " in told and "holds the run of another recipe" in told and "not JSON" not in told
    first = logged(ended.run, "learning_rate")
    ended = command("train", "--overwrite", **other)
    assert ended.status == 0, ended.err
    assert logged(ended.run).keys() == first.keys() and "is already finished" not in ended.out


def test_a_run_begun_on_other_rows_or_by_more_processes(command: Any, data: Path, tmp_path: Path) -> None:
    assert command().status == 0
    record = tmp_path / "run" / "run.json"
    told = json.loads(record.read_text()) | {"state": "training"}
    for change, refusal in (
        ({"world_size": 2, "together": 8}, "began with 2 process(es) and 8 rows at a time, now there are 1 and 4"),
        (
            {"world_size": 2, "strategy": "fsdp2"},
            "2 process(es) under fsdp2, now it is none: the optimiser's state is saved",
        ),
        ({"world_size": 2, "strategy": "zero2"}, "2 process(es) under zero2, now it is none"),
    ):
        record.write_text(json.dumps(told | change))
        assert refusal in command().err
    record.write_text(json.dumps(told | {"state": "finished"}))
    assert "and 4 rows at a time, now there are 1 and 2" in command(training={"per_device_train_batch_size": 2}).err
    spoil(data, row_3={"query": "other words"})
    ended = command()
    assert ended.status == 2 and "its run began on other data rows" in ended.err


@pytest.mark.parametrize("flags", [(), ("--overwrite",)])
def test_a_folder_that_is_no_run_is_never_touched(command: Any, tmp_path: Path, flags: tuple[str, ...]) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("mine")
    refused(command("train", *flags), "not empty and not a run of smart_train; choose another folder")
    (tmp_path / "run" / "run.json").write_text('{"experiment": 7}')
    refused(
        command("train", *flags),
        "not written by smart_train (no state, fingerprint, data, world_size, together, strategy)",
    )
    (tmp_path / "run" / "run.json").write_text('{"experiment')
    refused(command("train", *flags), "run.json: not valid JSON")
    assert (tmp_path / "run" / "thesis.txt").read_text() == "mine"


def test_a_folder_that_another_process_trains_in(command: Any, tmp_path: Path) -> None:
    with only_one(tmp_path / "run" / LOCK_NAME, "training"):
        refused(command(), f"{tmp_path / 'run'}: in use by another process (training, process {os.getpid()} on")
    assert list((tmp_path / "run").iterdir()) == []


def test_a_folder_that_cannot_be_made(command: Any, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    refused(command(training={"output_dir": str(file / "run")}), f"training.output_dir: {file}/run: {file} is a file")
    with pytest.raises(RunError, match=f"training.output_dir {file}: is a file; name a folder"):
        train(parse_recipe(recipe_values(tmp_path, file)))


@pytest.mark.skipif(os.name == "posix" and os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder(command: Any, tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o555)
    refused(command(training={"output_dir": str(tmp_path / "locked" / "run")}), "cannot be written (Permission denied)")


def test_a_place_for_the_export_that_holds_something_else(command: Any, tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.txt").write_text("mine")
    refused(
        command("train", "--overwrite", export={"enabled": True, "output": str(tmp_path / "taken")}),
        f"{tmp_path / 'taken'}: holds files that are not an export of smart_train",
    )
    assert (tmp_path / "taken" / "thesis.txt").read_text() == "mine"


def test_a_script_that_does_not_make_the_data(command: Any, tmp_path: Path) -> None:
    script, made = tmp_path / "make.py", tmp_path / "made"
    prepare = {"script": str(script), "output": str(made)}
    refused(command(data={"prepare": prepare}), f"data.prepare.script {script}: no such file")
    refused(command("validate", data={"prepare": prepare}), f"data.prepare.script: {script}: no such file")
    script.write_text("import sys\nprint('12 pages')\nsys.exit('no pdftoppm on PATH')\n")
    refused(
        command(data={"prepare": prepare}),
        f"data.prepare.script {script} failed with exit code 1:\nno pdftoppm on PATH",
    )
    script.write_text("import sys\nsys.stderr.buffer.write('Größe'.encode('latin-1'))\nsys.exit(1)\n")
    refused(command(data={"prepare": prepare}), f"data.prepare.script {script} failed with exit code 1:\nGr")
    script.write_text("")
    refused(
        command(data={"prepare": prepare}), f"data.prepare.script {script} exited with code 0 but did not create {made}"
    )


@pytest.mark.parametrize(
    ("distributed", "message"),
    [
        ({"num_processes": 2}, "distributed.num_processes is 2, but 1 process(es) run"),
        ({"strategy": "ddp"}, "distributed.strategy is ddp, but one process runs"),
    ],
)
def test_fewer_processes_than_asked_for(command: Any, distributed: dict, message: str) -> None:
    refused(command(distributed=distributed), message)


def test_a_loss_that_is_lost_ends_the_run(command: Any) -> None:
    ended = command(training={"learning_rate": 1e30, "max_steps": 6, "max_grad_norm": 0.0})
    assert ended.status == 2 and "Traceback" not in ended.err
    assert "step 3: pooled scores: the pooled vector of query [" in ended.err
    assert (
        "is NaN or infinite. The rows of the batch are in" in ended.err and "Lower training.learning_rate" in ended.err
    )
    batches = json.loads((ended.run / "bad_batch" / "rank-0.json").read_text())["batches"]
    assert [batch["step"] for batch in batches][-1] == 3 and "train.jsonl" in batches[-1]["rows"][0]


def test_every_engine_goes_on_with_other_numbers_of_processes_and_none_with_the_state_of_another(
    tmp_path: Path,
) -> None:
    recipe = parse_recipe({"model": {"name_or_path": "m"}, "data": {"train": {"path": "r"}}, "lora": {}})
    for strategy, fewer in (("ddp", "none"), ("fsdp2", "fsdp2"), ("zero2", "zero2"), ("zero3", "zero3")):
        RunFolder.open(tmp_path / strategy, recipe, "rows", Spread(4, 8, strategy), overwrite=False)
        again = RunFolder.open(tmp_path / strategy, recipe, "rows", Spread(2, 8, fewer), overwrite=False)
        assert again.state == "training"
        with pytest.raises(RunError, match=f"under {fewer}, now it is zero1: the optimiser's state is saved in"):
            RunFolder.open(tmp_path / strategy, recipe, "rows", Spread(2, 8, "zero1"), overwrite=False)


def test_a_disk_that_fills_is_not_left_with_half_a_model(tmp_path: Path) -> None:
    recipe = parse_recipe({"model": {"name_or_path": "m"}, "data": {"train": {"path": "r"}}, "lora": {}})
    folder = RunFolder.open(tmp_path / "run", recipe, "rows", Spread(1, 8, "none"), overwrite=False)

    def fill(partial: Path) -> None:
        (partial / "model.safetensors").write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(WriteError, match=r"final: cannot be written \(No space left on device\)"):
        folder.write_whole(folder.final, fill)
    assert sorted(path.name for path in folder.path.iterdir()) == ["recipe.yaml", "run.json", "run.json.copy"]
