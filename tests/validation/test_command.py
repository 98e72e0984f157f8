"""`smart-train validate-data`: a recipe or a path, its files, and its exit status."""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path

import pytest
import yaml
from PIL import Image

from tests.command import call
from tests.runs import recipe_values, write_rows


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """`smart-train validate-data ARGUMENTS`, in tmp_path; its exit status."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    return partial(call, monkeypatch, "validate-data")


def test_a_recipe(run, tiny_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("recipe.yaml").write_text(yaml.safe_dump(recipe_values(tiny_data, tmp_path / "run")))
    assert run("recipe.yaml", "data.negatives_per_query=1", "--output", "report") == 0
    out = capsys.readouterr().out
    for expected in ("visual tokens", "memory per process", "candidates per query", "PASSED: 0 kinds of errors, ",
                     "positives: image 24", "columns: query, positive, negative_0"):  # fmt: skip
        assert expected in out
    report = json.loads(Path("report/report.json").read_text())
    assert report["passed"] and report["unchecked"] == []
    assert report["statistics"]["train"]["visual tokens"]["median"] == 4, "64 x 64 pixels"
    assert set(report["statistics"]) == {"train", "evaluation"}
    assert run("recipe.yaml", "data.negatives_per_query=2") == 1
    out = capsys.readouterr().out
    assert "ERROR unusable rows in train, 1: " in out and "no rows are left of 24:" in out
    assert Path("data_report/report.json").is_file()


def test_rows_without_a_recipe_are_read_as_the_options_say(run, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("red apple", "blue sky", "grey cat")
    rows = [{"question": f"a {text}?", "passage": f"{text} on the page"} for text in words]
    write_rows(Path("mine.jsonl"), rows)
    assert run("mine.jsonl") == 2
    assert "Name it: --columns query=question,positive=passage" in capsys.readouterr().err
    named = ("--columns", "query=question,positive=passage", "--max-samples", 2)
    assert run("mine.jsonl", *named, "--against", "mine.jsonl") == 1, "the same rows on both sides"
    report = json.loads(Path("data_report/report.json").read_text())
    assert set(report["statistics"]) == {"train", "held_out"}
    assert re.search(r"^ rows +2 ", capsys.readouterr().out, flags=re.M)
    Path("recipe.yaml").write_text("model: {}")
    assert run("recipe.yaml", "--max-samples", 2) == 2
    assert "--max-samples needs a PATH; a recipe says how its rows are read" in capsys.readouterr().err


def test_the_page_shows_pairs_and_trusts_no_text(run, tiny_data: Path, tmp_path: Path) -> None:
    rows = [{"query": f"<script>alert({number})</script>", "positive": f"train-{number}.png"} for number in range(9)]
    Path("mine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for row in rows:
        Path(row["positive"]).write_bytes((tiny_data / row["positive"]).read_bytes())
    assert run("mine.jsonl", "--samples", 5) == 0
    html = Path("data_report/report.html").read_text()
    pairs = html[html.index("<h2>Pairs drawn from") :]  # behind the findings, which have pictures too
    assert pairs.count("data:image/jpeg;base64,") == 5 and pairs.count("<figcaption>") == 5
    assert pairs.count("<img") == pairs.count('alt="document of mine.jsonl, row') == 5, "every image says what it is"
    assert "<script>" not in html and "&lt;script&gt;" in html
    first = html
    assert run("mine.jsonl", "--samples", 5) == 0
    assert Path("data_report/report.html").read_text() == first, "the same pairs again"


def test_the_page_shows_queries_with_images_and_says_which_pages_are_alike(
    run, tiny_data: Path, tmp_path: Path
) -> None:
    page = Image.effect_noise((200, 200), 90).convert("RGB")
    page.save("one.png")
    page.resize((300, 300)).save("other.png")
    for name, page in (("train", "one.png"), ("held_out", "other.png")):
        row = {"query": {"text": "like <this>", "image": "one.png"}, "positive": page, "query_id": name}
        Path(f"{name}.jsonl").write_text(json.dumps(row) + "\n")
    run(".")
    html = Path("data_report/report.html").read_text()
    assert 'alt="image of the query, train.jsonl, row 0"' in html and "like &lt;this&gt;" in html
    twins = html[html.index('class="twins"') : html.index("<h2>Numbers")]
    assert twins.count("<img") == 2 and "held_out.jsonl, row 0 ~ train.jsonl, row 0 (" in twins


def test_parts_of_a_folder_are_held_against_each_other(
    run, tiny_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tiny_data) == 0
    assert {"train", "held_out"} == set(json.loads(Path("data_report/report.json").read_text())["statistics"])
    assert run(tiny_data / "train.jsonl", "--against", tiny_data / "train.jsonl") == 1
    assert json.loads(Path("data_report-2/report.json").read_text())["source"] == str(tiny_data / "train.jsonl")
    assert "ERROR leaked documents in train and held_out, 24" in capsys.readouterr().out
    assert run(tiny_data, "--split", "held_out") == 0
    assert json.loads(Path("data_report/report.json").read_text())["statistics"]["train"]["rows"] == 10


def test_all_parts_of_a_recipe_are_held_against_each_other(
    run, tiny_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [json.loads(line) for line in (tiny_data / "held_out.jsonl").read_text().splitlines()]
    rows = [rows[0], {**rows[1], "query": "asked otherwise"}, {"query": "seen", "positive": "train-0.png"}]
    more = write_rows(tmp_path / "more.jsonl", [{"text": f"page {n}", "document_id": str(n)} for n in range(2)])
    test = {"path": str(write_rows(tmp_path / "test.jsonl", rows)), "image_root": str(tiny_data), "corpus": str(more)}
    values = recipe_values(tiny_data, tmp_path / "run", data={"evaluation": {"corpus": str(more)}, "test": test})
    Path("recipe.yaml").write_text(yaml.safe_dump(values))
    assert run("recipe.yaml") == 1
    printed = capsys.readouterr().out
    for words in (
        "ERROR leaked documents in train and test, 1: ",
        "ERROR shared rows in evaluation and test, 1: rows that are in both parts",
        "WARNING shared documents in evaluation and test, 1: ",
    ):
        assert words in printed
    assert "documents in train and evaluation" not in printed
    statistics = json.loads(Path("data_report/report.json").read_text())["statistics"]
    # The pages that both search are read once.
    assert list(statistics) == ["train", "evaluation", "test", "corpus"] and statistics["corpus"]["documents"] == 2


def test_an_evaluation_set_whose_ids_disagree_fails(
    run, tiny_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The corpus gives an id of the rows to another page."""
    for name in ("held_out-0.png", "held_out-1.png"):
        Path(name).write_bytes((tiny_data / name).read_bytes())
    rows = [{"query": f"q {n}", "positive": f"held_out-{n}.png", "document_id": f"d{n}"} for n in range(2)]
    held_out = write_rows(tmp_path / "rows.jsonl", rows)
    corpus = write_rows(tmp_path / "corpus.jsonl", [{"document_id": "d0", "image": "held_out-1.png"}])
    evaluation = {"path": str(held_out), "corpus": str(corpus)}
    values = recipe_values(tiny_data, tmp_path / "run", data={"evaluation": evaluation})
    Path("recipe.yaml").write_text(yaml.safe_dump(values))
    assert run("recipe.yaml") == 1
    assert "ERROR evaluation set in evaluation, 1: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere.jsonl",), "nowhere.jsonl: no such file or folder"),
        (("rows.jsonl", "data.on_error=skip"), "data.on_error=skip: changes a recipe, but rows.jsonl is not a recipe"),
        (("recipe.yaml", "--split", "train"), "--split and --against need a PATH"),
    ],
)
def test_calls_that_cannot_be_meant(
    run, arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == 2
    assert message in capsys.readouterr().err


def test_a_folder_in_which_a_killed_process_began_is_written_anew(run, tiny_data: Path, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / ".report.json.0123abcd.tmp").write_text("{")
    assert run(tiny_data / "train.jsonl", "--output", "one") == 0


def test_the_report_of_another_set_is_never_replaced(
    run, tiny_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    assert run(tiny_data / "train.jsonl", "--output", "mine") == 2
    assert "--output mine: holds other files than a report; name another folder" in capsys.readouterr().err
    assert run(tiny_data / "train.jsonl", "--output", "one") == 0
    before = Path("one/report.json").read_bytes()
    assert run(tiny_data / "held_out.jsonl", "--output", "one") == 2
    assert f"--output one: holds the report of {tiny_data / 'train.jsonl'}; name" in capsys.readouterr().err
    assert Path("one/report.json").read_bytes() == before
    assert run(tiny_data / "train.jsonl", "--output", "one") == 0, "its own report is made again"
