"""Data or a base that were replaced under the same names: the run is not continued, and what was replaced is named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import save

from smart_train.errors import RunError
from smart_train.recipe import Recipe, parse_recipe
from smart_train.recipe.reader import read_recipe
from smart_train.run import fingerprints, train
from smart_train.run.fingerprints import CONTENTS_FILE, Contents
from smart_train.run.folder import RunFolder, check_place
from smart_train.types import Example, ModelInput
from tests.command import ended
from tests.models.conftest import make_model
from tests.run.test_resume import at_step, killed, state_is
from tests.runs import draw_page, recipe_values, write_data, write_rows

pytestmark = pytest.mark.usefixtures("no_plots")

REFUSAL = "its run began on other data rows or weights than are there now; put the old ones back to go on with it"


def rows_of(data: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (data / "train.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was cut off at its third step, its base, and its rows, which have ids of their own."""
    folder = tmp_path_factory.mktemp("begun")
    (folder / "data").mkdir()
    write_data(folder / "data")
    rows = [{**row, "query_id": f"q{n}", "document_id": f"d{n}"} for n, row in enumerate(rows_of(folder / "data"))]
    write_rows(folder / "data" / "train.jsonl", rows)
    make_model().save_pretrained(folder / "base")
    with pytest.MonkeyPatch.context() as patch, killed(*at_step(3)):
        patch.chdir(folder)
        train(recipe())
    return folder


@pytest.fixture
def place(begun: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, to spoil, and the current directory."""
    monkeypatch.chdir(shutil.copytree(begun, tmp_path / "place"))
    return tmp_path / "place"


def recipe(data: str = "data", base: str = "./base", run: str = "run") -> Recipe:
    """By paths from the current directory."""
    values = recipe_values(Path(data), Path(run))
    del values["full"]
    values |= {"model": {"name_or_path": base}, "lora": {"r": 2, "alpha": 4}, "export": {"enabled": False}}
    values["evaluation"] = {"before": False, "after": False, "during": False}
    values["training"] |= {"max_steps": 4, "eval_strategy": "no", "save_strategy": "steps", "save_steps": 2}
    return parse_recipe(values)


def refusal() -> list[str]:
    """What the run says is different."""
    with pytest.raises(RunError) as caught:
        train(recipe())
    first, *lines = str(caught.value).splitlines()
    assert REFUSAL in first and "pass --overwrite to start over" in first
    return [line.strip() for line in lines]


def test_a_text_a_picture_and_the_base_that_were_replaced_are_all_named(place: Path) -> None:
    rows = rows_of(place / "data")
    rows[7]["query"] = "another colour"
    write_rows(place / "data" / "train.jsonl", rows)
    picture = place / "data" / "train-3.png"
    draw_page(("red", "red", "red", "red"), picture)
    model = make_model()
    with torch.no_grad():
        next(model.backbone.parameters()).add_(1.0)
    shutil.rmtree(place / "base")
    model.save_pretrained(place / "base")
    assert refusal() == [
        f"data.train: 2 of 24 rows differ in data/train.jsonl: row 3 (a picture or video: {picture}); "
        "row 7 (its text or ids)",
        "model.name_or_path: base holds other content: weights",
    ]


def test_a_tokenizer_that_was_replaced_is_named(place: Path) -> None:
    file = place / "base" / "tokenizer_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "model_max_length": 77}))
    assert refusal() == ["model.name_or_path: base holds other content: tokenizer_config.json"]


def test_rows_more_fewer_or_in_another_order(place: Path) -> None:
    rows = rows_of(place / "data")
    write_rows(place / "data" / "train.jsonl", rows[::-1])
    assert refusal() == ["data.train: the same 24 rows in another order"]
    write_rows(place / "data" / "train.jsonl", rows[:20])
    assert refusal() == ["data.train: 20 rows, and the run began with 24"]


def test_without_the_record_of_each_row_the_refusal_is_shorter(place: Path) -> None:
    draw_page(("red", "red", "red", "red"), place / "data" / "train-3.png")
    (place / "run" / CONTENTS_FILE).write_text('{"rows": {"data.train": "?"}}')
    assert refusal() == ["data.train: its rows, or their pictures, are not those of the run"]


def test_what_is_as_it_was_goes_on_and_so_does_a_run_that_kept_no_contents(place: Path, capsys: Any) -> None:
    """As version 0.1.0 left it: nothing but ids is known, and what is there now is noted."""
    record = place / "run" / "run.json"
    values = json.loads(record.read_text())
    noted = values.pop("contents")
    assert noted["data.train"]["rows"] == 24 and "weights" in noted["model.name_or_path"]
    for file in (record, record.with_name("run.json.copy")):
        file.write_text(json.dumps(values))
    (place / "run" / CONTENTS_FILE).unlink()
    train(recipe())
    assert "Resuming from run/checkpoint-2" in capsys.readouterr().out
    values = json.loads(record.read_text())
    assert values["state"] == "finished" and values["contents"] == noted
    assert (place / "run" / CONTENTS_FILE).is_file()
    # A finished run needs its pictures no more, and still knows its rows' texts.
    (place / "data" / "train-3.png").unlink()
    train(recipe())
    assert "is already finished" in capsys.readouterr().out
    rows = rows_of(place / "data")
    rows[7]["query"] = "another colour"
    write_rows(place / "data" / "train.jsonl", rows)
    assert [line.partition(": row ")[2] for line in refusal()] == ["7 (its text or ids)"]


@pytest.fixture
def moved(place: Path) -> Recipe:
    """The recipe of the run when all of it lies under other names."""
    for name, other in (("data", "rows"), ("base", "start"), ("run", "elsewhere")):
        (place / name).rename(place / other)
    return recipe("rows", "./start", "elsewhere")


def test_a_run_goes_on_where_all_that_it_reads_was_moved(place: Path, moved: Recipe, capsys: Any) -> None:
    train(moved)
    assert "Resuming from elsewhere/checkpoint-2" in capsys.readouterr().out
    assert read_recipe(place / "elsewhere" / "recipe.yaml")["model"]["name_or_path"] == "./start"
    # A finished run does not read its base again: there another name is another run.
    (place / "start").rename(place / "base")
    with pytest.raises(RunError, match=r"holds the run of another recipe .*\n  model.name_or_path: './start' there"):
        train(recipe("rows", "./base", "elsewhere"))


def test_what_is_not_the_same_in_the_other_place_is_named(place: Path, moved: Recipe) -> None:
    rows = rows_of(place / "rows")
    rows[7]["query"] = "another colour"
    write_rows(place / "rows" / "train.jsonl", rows)
    with pytest.raises(RunError, match=REFUSAL) as caught:
        train(moved)
    assert "row 7 (its text or ids)" in str(caught.value)
    record = place / "elsewhere" / "run.json"
    values = json.loads(record.read_text())
    del values["contents"]["model.name_or_path"]  # as version 0.1.0 left it: nothing is known of the base
    record.write_text(json.dumps(values))
    with pytest.raises(RunError, match="holds the run of another recipe"):
        train(moved)


def test_a_base_with_one_more_file_in_the_other_place_is_another_base(place: Path, moved: Recipe) -> None:
    (place / "start" / "config_sentence_transformers.json").write_text("{}")
    with pytest.raises(RunError, match=REFUSAL) as caught:
        train(moved)
    assert str(caught.value).splitlines()[1].strip() == (
        "model.name_or_path: start holds other content: config_sentence_transformers.json (not in the "
        "record of the run). Earlier versions did not record all of these files; a run of theirs goes on with the "
        "model in its old place, or with a link there"
    )
    # In its old place the same record is enough: this is how such a run of an earlier version goes on.
    (place / "base").symlink_to("start")
    train(recipe("rows", "./base", "elsewhere"))


def models(base: Path, **sections: Any) -> Contents:
    contents = Contents()
    contents.read_models(
        parse_recipe({"model": {"name_or_path": str(base)}, "data": {"train": {"path": "r"}}, **sections})
    )
    return contents


def test_what_only_one_of_two_models_has_is_a_difference_in_another_place(tmp_path: Path) -> None:
    base, key = tmp_path / "base", "model.name_or_path"
    (base / "1_Pooling").mkdir(parents=True)
    files = {
        "model.safetensors": save({"weight": torch.ones(2)}),
        "tokenizer.json": b"{}",
        "modules.json": b'[{"type": "any.models.Pooling", "path": "1_Pooling"}]',
        "1_Pooling/config.json": b'{"pooling_mode": "cls"}',
        "projection.safetensors": b"any",
    }
    (base / "config.json").write_text("{}")
    for name, content in files.items():
        (base / name).write_bytes(content)
    contents = models(base)
    assert contents.differences(tmp_path, contents.summary, [key]) == []
    before = contents.summary
    (base / "1_Pooling" / "config.json").write_text('{"pooling_mode": "mean"}')
    told = [f"{key}: {base} holds other content: 1_Pooling/config.json"]
    assert models(base).differences(tmp_path, before) == told
    (base / "1_Pooling" / "config.json").write_bytes(files["1_Pooling/config.json"])
    for name in files:
        shown = "weights" if name == "model.safetensors" else name
        (base / name).unlink()
        missing = models(base)
        for moved in ([key], []):
            assert f"{shown} (missing there)" in missing.differences(tmp_path, before, moved)[0]
        if name != "model.safetensors":
            assert f"{shown} (not in the record" in contents.differences(tmp_path, missing.summary, [key])[0]
            assert contents.differences(tmp_path, missing.summary) == []
        (base / name).write_bytes(files[name])
    (base / "model.safetensors").unlink()
    bare = models(base)  # without weights then and now, nothing says that it is the same model
    assert "weights (missing there)" in bare.differences(tmp_path, bare.summary, [key])[0]
    drawn = models(base, model={"name_or_path": str(base), "from_config": {}})
    assert drawn.differences(tmp_path, drawn.summary, [key]) == []


def test_the_code_that_a_trusted_base_brings_is_a_part_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base, other, key = tmp_path / "base", tmp_path / "other", "model.name_or_path"
    for folder in (base, other):
        folder.mkdir()
        (folder / "modeling.py").write_text("WIDTH = 1")
    (base / "model.safetensors").write_bytes(save({"weight": torch.ones(2)}))
    classes = {"AutoConfig": "modeling.Config", "AutoModel": "them/code--modeling.Model", "AutoTokenizer": ["t.T"]}
    (base / "config.json").write_text(json.dumps({"auto_map": classes}))
    (base / "README.md").write_text("any")
    monkeypatch.setattr(fingerprints, "fetch", lambda name, weights: {"them/code": other}[name])

    def now() -> Contents:
        return models(base, model={"name_or_path": str(base), "trust_remote_code": True})

    begun = now().summary
    assert [name for name in begun[key] if name.endswith(".py")] == ["modeling.py", "them/code--modeling.py"]
    for folder, name in ((base, "modeling.py"), (other, "them/code--modeling.py")):
        (folder / "modeling.py").write_text("WIDTH = 2")
        assert now().differences(tmp_path, begun) == [f"{key}: {base} holds other content: {name}"]
        (folder / "modeling.py").write_text("WIDTH = 1")
    assert now().differences(tmp_path, begun) == []
    # A record of an earlier version, which has no code, goes on in its place; in another one nothing is known of it.
    earlier = {key: {name: digest for name, digest in begun[key].items() if not name.endswith(".py")}}
    assert now().differences(tmp_path, earlier) == []
    [told] = now().differences(tmp_path, earlier, [key])
    assert "modeling.py (not in the record of the run)" in told and "Earlier versions did not record" in told
    # Code that is not trusted is not run.
    assert not any(name.endswith(".py") for name in models(base).summary[key])


@pytest.mark.parametrize("state", ["trained", "exported"])
def test_the_base_of_a_trained_model_stays_until_the_run_is_finished(place: Path, state: str) -> None:
    """`final` names it by its place; cut off before `state` is noted."""
    with killed(RunFolder, "advance", state_is(state)):
        train(recipe())
    (place / "base").rename(place / "start")
    told = "final names the old place, so put the base, or a link to it, there until the run is finished"
    with pytest.raises(RunError, match=told):
        train(recipe(base="./start"))
    (place / "base").symlink_to("start")
    train(recipe())
    assert json.loads((place / "run" / "run.json").read_text())["state"] == "finished"


def test_the_recipe_of_a_run_that_was_moved_does_not_begin_another(
    place: Path, moved: Recipe, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    file = Path("elsewhere") / "recipe.yaml"
    for name, other in (("rows", "data"), ("start", "base")):
        (place / name).rename(place / other)
    ending = ended(monkeypatch, capsys, "train", file)
    assert ending.status == 2 and not (place / "run").exists()
    assert (
        "elsewhere/recipe.yaml: is the recipe of the run in elsewhere, but its training.output_dir is run, meant from "
        f"{place}. To go on with this run, add training.output_dir=elsewhere; to begin another one, name its folder"
    ) in " ".join(ending.err.split())
    check_place(file, recipe(run="another"), ["training.output_dir=another"])
    check_place(file, recipe(run=str(place / "elsewhere")), [])
    check_place(place / "data" / "recipe.yaml", recipe(), [])


def example(identity: str, page: Any, text: str = "words") -> Example:
    return Example(ModelInput(text=text), (ModelInput(images=(page,)),), "q0", (identity,), "rows.jsonl", 0)


def read(begun: Path, *rows: Example) -> Contents:
    contents = Contents()
    contents.read(parse_recipe({"model": {"name_or_path": "m"}, "data": {"train": {"path": "r"}}}), {"train": rows})
    return contents


def test_a_page_drawn_again_from_the_same_pdf_is_the_same(
    begun: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another version of the renderer may write other bytes; the folder is called after the PDF file's content."""
    monkeypatch.setenv("SMART_TRAIN_CACHE", str(tmp_path))
    page = tmp_path / "pdf-pages" / "0123-144dpi-4" / "page-00001.png"
    page.parent.mkdir(parents=True)
    found = []
    for colour in ("red", "blue"):
        Image.new("RGB", (8, 8), colour).save(page)
        found.append(read(begun, example("manual.pdf#page=1", page)).summary)
    assert found[0] == found[1]
    page = page.rename(page.with_name("page-00002.png"))
    assert read(begun, example("manual.pdf#page=1", page)).summary != found[0]


def test_an_id_made_of_the_content_is_not_taken_for_a_text(begun: Path, tmp_path: Path) -> None:
    from smart_train.data.keys import default_id

    found = []
    for colour in ("red", "blue"):
        Image.new("RGB", (8, 8), colour).save(tmp_path / "page.png")
        identity = default_id(ModelInput(images=(tmp_path / "page.png",)))
        found.append(read(begun, example(identity, tmp_path / "page.png")).summary["data.train"])
    assert found[0]["texts"] == found[1]["texts"] and found[0]["media"] != found[1]["media"]
    assert read(begun, example("d1", tmp_path / "page.png")).summary["data.train"]["texts"] != found[0]["texts"]


def test_the_frames_of_a_video_and_bytes_are_told_apart(begun: Path, tmp_path: Path) -> None:
    def summary(frames: list[bytes]) -> Any:
        row = Example(ModelInput(text="q"), (ModelInput(video=frames),), "q0", ("d0",), "rows.jsonl", 0)
        return read(begun, row).summary

    assert summary([b"one", b"two"]) == summary([b"one", b"two"]) != summary([b"two", b"one"])
