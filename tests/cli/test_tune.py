"""`smart-train tune`, and who uses what it writes."""

from __future__ import annotations

import html
import json
import re
import shutil
import warnings
from functools import partial
from pathlib import Path

import pytest
import torch

from smart_train import SmartModel
from smart_train.errors import Notice
from smart_train.evaluation.tuning_states import TuningStates
from smart_train.export import export_model, verify_folder
from smart_train.retrieval import DocumentIndex, search, update_index
from smart_train.run.tuning import write_result
from smart_train.utils.locks import beside, only_one
from smart_train.utils.manifest import write_manifest
from tests.command import ended
from tests.tuned import Toy, make_toy

# One choice of tokens and one form: little to measure.
QUICK = ("--layers", "-1", "--query-tokens", "content", "--document-tokens", "content", "--pooled-token", "keep")
PLAIN = (*QUICK, "--weights", "1:0,1:1,0:1", "--pool-factors", "1", "--stored-as", "float32", "--widths", "32")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Calls `smart-train tune ARGUMENTS` in this process."""

    return partial(ended, monkeypatch, capsys, "tune")


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    return make_toy(tmp_path_factory.mktemp("toy"))


@pytest.fixture
def model(toy: Toy, tmp_path: Path) -> Path:
    """A copy that a test may write to, with a manifest."""
    folder = tmp_path / "model"
    shutil.copytree(toy.folder, folder)
    write_manifest(folder)
    return folder


@pytest.fixture(scope="module")
def rows(toy: Toy) -> Path:
    return toy.write(toy.folder.parent / "rows.jsonl")


def test_without_write_nothing_changes(
    run, model: Path, rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("smart_train.utils.console.bars", lambda: True)  # as on a terminal
    before = {path: path.read_bytes() for path in model.rglob("*") if path.is_file()}
    ended = run(model, "--data", rows, *PLAIN, "--output", tmp_path / "out")
    assert ended.status == 0, ended.err
    assert re.search(r"^Chosen: pooled:late 0:1\. nDCG@5 0\.\d+ -> 1\.000 on \d+ other queries", ended.out, re.M)
    assert "Nothing was written; --write puts these settings" in ended.out and "Measuring settings" in ended.err
    assert {path: path.read_bytes() for path in model.rglob("*") if path.is_file()} == before
    saved = json.loads((tmp_path / "out" / "tune.json").read_text())
    assert saved["verdict"] == "better" and saved["scoring"]["pooled_weight"] == 0
    page = html.unescape((tmp_path / "out" / "report.html").read_text())
    assert saved["conclusion"] in page and "pooled alone" in page and "data:image/png" in page
    assert f"Written: {tmp_path / 'out' / 'report.html'}" in ended.out


def test_what_is_written_is_what_search_and_index_use(run, model: Path, rows: Path, toy: Toy, tmp_path: Path) -> None:
    ended = run(
        model, "--data", rows, *QUICK, "--weights", "1:1,0:1", "--max-bytes", 900, "--widths", "16,32", "--write"
    )
    assert ended.status == 0, ended.err
    assert f"{model}: the settings were written" in ended.out
    tuned = SmartModel.from_pretrained(model)
    documents = tmp_path / "documents.jsonl"
    documents.write_text("".join(json.dumps({"id": f"d{i}", "text": t}) + "\n" for i, t in enumerate(toy.documents)))
    index, _ = update_index(tuned, documents, tmp_path / "index")
    kept = index.embeddings
    size = sum(kept.parts()[name].nbytes for name in kept.parts() if name != "offsets") / len(index)
    assert size <= 900
    assert index.settings["stored_as"] == tuned.scoring.stored_as
    hits = search(tuned, toy.queries[:3], DocumentIndex.load(tmp_path / "index"), top_k=1)
    assert all(hit[0].hybrid == pytest.approx(
        tuned.scoring.pooled_weight * hit[0].pooled + tuned.scoring.late_weight * hit[0].late, abs=1e-5
    ) for hit in hits)  # fmt: skip
    update_index(tuned, documents, tmp_path / "index")  # fits what is there


def test_an_index_of_other_settings_is_refused(model: Path, tmp_path: Path) -> None:
    documents = tmp_path / "documents.jsonl"
    documents.write_text('{"id": "a", "text": "a cat"}\n{"id": "b", "text": "the dog"}\n')
    plain = SmartModel.from_pretrained(model)
    update_index(plain, documents, tmp_path / "index")
    narrow = SmartModel.from_pretrained(model, scoring={"width": 8})
    with pytest.raises(ValueError, match="width: null there, 8 here"):
        update_index(narrow, documents, tmp_path / "index")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--metric", "ndcg@ten"), "smart-train: --metric 'ndcg@ten': unknown, did you mean ndcg@5? Choose"),
        (("--layers", "-1,99"), "smart-train: --layers 99: the model has hidden states -3 .. 2, nearest: 2"),
        (("--layers", "last"), "smart-train: --layers last: must be whole numbers, separated by commas"),
        (("--weights", "3"), "smart-train: --weights '3': must read POOLED:LATE, such as 1:4"),
        (("--weights", "1:1,0:0"), "smart-train: --weights 0:0: at least one term must count"),
        (("--stored-as", "int3"), "smart-train: --stored-as 'int3': choose one of"),
        (("--query-tokens", "visual"), "smart-train: --query-tokens 'visual': text_encoder reads no images"),
        (("--widths", ","), "smart-train: --widths: is empty"),
        (("--widths", "64"), "smart-train: --widths 64: the model's vectors are 32 wide"),
        ((*PLAIN, "--max-bytes", "3"), "smart-train: --max-bytes 3: no setting keeps a document within that"),
        (("training.seed=1",), "training.seed=1: has no effect on what is measured; tune accepts data.*"),
        (("--test", "nowhere.jsonl"), "--test: "),
    ],
)
def test_a_users_mistake_is_one_line(run, toy: Toy, rows: Path, arguments: tuple[str, ...], message: str) -> None:
    ended = run(toy.folder, *(() if arguments[0].startswith("--") else arguments), "--data", rows, *(
        arguments if arguments[0].startswith("--") else ()
    ))  # fmt: skip
    assert ended.status == 2
    assert ended.err.startswith("smart-train: ") and message in ended.err, ended.err
    assert "Traceback" not in ended.err


def test_too_few_queries_stop_before_the_model_is_loaded(run, toy: Toy, tmp_path: Path, monkeypatch) -> None:
    def loaded(*_: object, **__: object) -> None:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr("smart_train.cli.tune.open_model", loaded)
    few = toy.write(tmp_path / "few.jsonl", 9)
    ended = run(toy.folder, "--data", few)
    assert ended.status == 2 and "9 queries are too few" in ended.err and "It takes at least 12" in ended.err


def test_rows_must_be_known(run, toy: Toy, tmp_path: Path) -> None:
    assert "not a run folder, so the rows to tune on are unknown; pass --data or --recipe" in run(toy.folder).err
    assert "--test needs --data; with a recipe, set data.test=..." in run(toy.folder, "--test", "x.jsonl").err
    near = run(toy.folder.with_name("modle")).err
    assert "no such folder, did you mean" in near and str(toy.folder) in near
    (tmp_path / "bad.jsonl").write_text('{"query": "a", "positive": ""}\n')
    assert "(--on-error skip leaves them out)" in run(toy.folder, "--data", tmp_path / "bad.jsonl").err
    assert "nowhere.jsonl" in run(toy.folder, "--data", tmp_path / "nowhere.jsonl").err


@pytest.fixture(scope="module")
def export(toy: Toy) -> Path:
    """An export of the toy, without a run. Not to be written to."""
    folder = toy.folder.parent / "export"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("smart_train.export.routes.find_spec", lambda name: None)
        export_model(toy.folder, folder)
    return folder


def test_a_lone_export_gets_its_settings_and_still_verifies(
    run, export: Path, rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("smart_train.export.routes.find_spec", lambda name: None)
    folder = shutil.copytree(export, tmp_path / "mine")
    ended = run(folder, "--data", rows, *PLAIN, "--write")
    assert ended.status == 0, ended.err
    assert f"{folder}: the settings were written, and its golden vectors, layout and record made again" in ended.out
    assert re.search(r"^  smart_train: largest difference \d", ended.out, re.M)
    assert SmartModel.from_pretrained(folder).scoring.pooled_weight == 0
    assert "score = 0 * cosine of the pooled vectors" in (folder / "README.md").read_text()
    assert all(report.largest <= 1e-4 for report in verify_folder(folder))
    again = run(folder, "--data", rows, *PLAIN, "--write")
    assert again.status == 0 and f"{folder}: nothing was changed" in again.out


def test_settings_are_measured_and_written_with_every_core_while_other_processes_sleep(
    run, model: Path, rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, threads = torch.get_num_threads(), []

    def noting(function):
        return lambda *args, **options: threads.append(torch.get_num_threads()) or function(*args, **options)

    monkeypatch.setattr(TuningStates, "measure", noting(TuningStates.measure))
    monkeypatch.setattr("smart_train.run.tuning.write_result", noting(write_result))
    monkeypatch.setattr("smart_train.utils.cpu.local_processes", lambda: 2)
    monkeypatch.setattr("smart_train.utils.cpu.usable_cores", lambda: before + 1)
    ended = run(model, "--data", rows, *PLAIN, "--write")
    assert ended.status == 0, ended.err
    assert threads == [before + 1] * len(threads) and len(threads) > 2 and torch.get_num_threads() == before


@pytest.mark.parametrize("named", ["link", "dot"])
def test_an_export_named_by_a_link_or_a_dot_is_changed_in_its_place(
    named: str, run, export: Path, rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("smart_train.export.routes.find_spec", lambda name: None)
    folder, link = shutil.copytree(export, tmp_path / "exports" / "mine"), tmp_path / "latest"
    link.symlink_to(folder)
    monkeypatch.chdir(folder if named == "dot" else tmp_path)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        ended = run("." if named == "dot" else "latest", "--data", rows, *PLAIN, "--write")
    assert ended.status == 0, ended.err
    notices = [str(one.message) for one in told if one.category is Notice]
    assert [f"{folder}: was replaced by a new folder" in text for text in notices] == [True] * (named == "dot")
    assert "the settings were written" in ended.out
    assert link.is_symlink() and SmartModel.from_pretrained(folder).scoring.pooled_weight == 0
    assert [path.name for path in folder.parent.iterdir()] == ["mine"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["exports", "latest"]


def test_write_is_refused_before_anything_is_measured(
    run, export: Path, rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def loaded(*_: object, **__: object) -> None:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr("smart_train.cli.tune.open_model", loaded)
    of_a_run = shutil.copytree(export, tmp_path / "run" / "export")
    (tmp_path / "run" / "run.json").write_text("{}")
    ended = run(of_a_run, "--data", rows, "--write")
    assert ended.status == 2 and f"is an export of the run {tmp_path / 'run'}, whose trained model" in ended.err
    assert f"smart-train tune {tmp_path / 'run'} --write changes the trained model" in ended.err
    latest, moved = tmp_path / "latest", tmp_path / "other" / "export"
    latest.symlink_to(of_a_run)
    moved.parent.mkdir()
    moved.symlink_to(export)
    (moved.parent / "run.json").write_text("{}")
    for link, owner in ((latest, tmp_path / "run"), (moved, moved.parent)):
        ended = run(link, "--data", rows, "--write")
        assert ended.status == 2 and f"{link}: is an export of the run {owner}, whose trained" in ended.err
    (tmp_path / "run" / "run.json").unlink()
    with only_one(beside(of_a_run), "exporting"):
        ended = run(of_a_run, "--data", rows, "--write")
    assert ended.status == 2 and "in use by another process (exporting" in ended.err
    (of_a_run / "tokenizer.json").unlink()
    ended = run(of_a_run, "--data", rows, "--write")
    assert ended.status == 2 and "tokenizer.json changed since the export was verified; export again" in ended.err
    (of_a_run / "parity.json").write_text("{}")
    ended = run(of_a_run, "--data", rows, "--write")
    assert ended.status == 2 and "parity.json: unreadable ('sha256'); export again" in ended.err
