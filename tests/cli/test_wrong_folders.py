"""A path that leads to nothing, to a file, or to a folder of another kind: each command says what it is, and what it
expects."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

KINDS = {
    "none": "no such folder",
    "file": "is a file",
    "empty": "is an empty folder",
    "pictures": "is a folder of other files, such as a.png",
    "index": "is an index of documents",
    "run": "is the folder of a run",
    "model": "is a model folder",
}


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of each kind, known by its files, with nothing in them."""
    files = {
        "pictures": ["a.png"],
        "index": ["index.json", "embeddings-1.safetensors"],
        "run": ["run.json", "recipe.yaml", "log.jsonl"],
        "model": ["config.json"],
    }
    for name in ("empty", *files):
        (tmp_path / name).mkdir()
        for file in files.get(name, ()):
            (tmp_path / name / file).write_text("{}")
    (tmp_path / "file").write_text("x")
    (tmp_path / "faq.jsonl").write_text(json.dumps({"id": "a", "text": "b"}))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _each(run: Callable, arguments: Callable[[str], tuple[str, ...]], wrong: tuple[str, ...], rule: str) -> None:
    for name in wrong:
        ended = run(*arguments(name))
        said = " ".join(ended.err.split())
        assert ended.status == 2 and KINDS[name] in said and rule in said, f"{name}: {ended.err}"


def test_where_an_index_is_searched(run, places: Path) -> None:
    wrong = ("none", "file", "empty", "pictures", "run", "model")
    _each(
        run, lambda name: ("search", "m", "--index", name, "--query", "a"), wrong, "an index is a folder with an index."
    )


def test_where_an_index_is_to_be_written(run, places: Path) -> None:
    rule = "an index needs a folder of its own"
    _each(
        run,
        lambda name: ("search", "m", "--documents", "faq.jsonl", "--index", name, "--query", "a"),
        ("file", "run", "model"),
        rule,
    )
    _each(run, lambda name: ("encode", "m", "--documents", "faq.jsonl", "--index", name), ("run",), rule)


def test_where_documents_are_read(run, places: Path) -> None:
    searched = run("search", "m", "--documents", "index", "--query", "a").err
    assert "--documents index: is an index of documents; name it as the index, alone, to search" in searched
    searched = run("search", "m", "--documents", "run", "--query", "a").err
    assert "--documents run: is the folder of a run, which holds no documents" in searched


def test_where_rows_are_read(run, places: Path) -> None:
    rule = "which holds neither rows nor documents; name those it was made of"
    _each(run, lambda name: ("validate-data", name), ("index", "run"), rule)


def test_where_a_model_is_read(run, places: Path) -> None:
    rule = "without a config.json; a model is a folder with one beside its weights"
    wrong = ("empty", "pictures", "index")
    _each(run, lambda name: ("search", name, "--documents", "faq.jsonl", "--query", "a"), wrong, rule)
    _each(run, lambda name: ("explain", name, "--query", "a", "--document", "b"), wrong, rule)
    _each(run, lambda name: ("export", name, "--output", "out"), wrong, rule)
    ended = run("search", "model", "--documents", "faq.jsonl", "--query", "a")
    assert "model: config.json names no model_type; fetch or save the model again" in ended.err


def test_where_an_export_is_read(run, places: Path) -> None:
    wrong = ("empty", "pictures", "index", "model")
    _each(run, lambda name: ("verify", name), wrong, "name a folder that `smart-train export` wrote")
    _each(
        run, lambda name: ("push", name, "--repo", "a/b", "--dry-run"), wrong, "name a folder that `smart-train export`"
    )


def test_where_a_run_is_read(run, places: Path) -> None:
    wrong = ("file", "empty", "pictures", "index", "model")
    for command in ("probe", "evaluate", "tune"):
        some = wrong if command == "probe" else wrong[1:]  # the others refuse a file as they refuse it as a model
        _each(run, lambda name, command=command: (command, name), some, "not a run folder, so the rows to")


def test_where_a_run_or_a_model_is_read(run, places: Path) -> None:
    _each(run, lambda name: ("inspect", name), ("empty", "pictures", "index"), "neither a run nor a model folder")


def test_where_a_projection_is_read(run, places: Path) -> None:
    wrong = ("empty", "pictures", "index", "run", "model")
    _each(run, lambda name: ("convert-projection", name, "--output", "out"), wrong, "without a token projection")


def test_a_file_that_is_not_a_kept_result(run, places: Path) -> None:
    said = " ".join(run("compare", "model", "file", "--metric", "hybrid_ndcg@5").err.split())
    assert "evaluation result file: is not JSON" in said and "that `smart-train evaluate --output`" in said
