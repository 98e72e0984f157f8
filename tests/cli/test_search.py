"""`smart-train search`: what is ranked, where queries and documents come from, what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from smart_train import SmartModel
from smart_train.retrieval import document_sources
from tests.models.text_folders import encoder_folder


def test_search_ranks_a_folder(run, model: Path, pages: Path) -> None:
    ended = run("search", model, "--documents", pages, "--query", "red page", "--top-k", 2)
    assert ended.status == 0
    assert "red page" in ended.out and "hybrid" in ended.out
    assert sum(".png" in line for line in ended.out.splitlines()) == 2


def test_search_for_programs_equals_the_table_and_reuses_an_index(run, model: Path, pages: Path, tmp_path) -> None:
    index = tmp_path / "index"
    made = run("encode", model, "--documents", pages, "--index", index)
    assert made.status == 0 and "3 documents" in made.out
    stamp = (index / "index.json").stat().st_mtime_ns
    assert run("encode", model, "--documents", pages, "--index", index).status == 0
    arguments = ["search", model, "--documents", pages, "--query", "a", "--query", "b", "--json"]
    kept, fresh = run(*arguments, "--index", index), run(*arguments)
    assert (index / "index.json").stat().st_mtime_ns == stamp
    first, second = (json.loads(line) for line in kept.out.splitlines())
    assert (first["query"], second["query"]) == ("a", "b")
    assert [hit["rank"] for hit in first["hits"]] == [1, 2, 3]
    assert kept.out == fresh.out


def test_a_collection_is_read_once(run, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "texts.jsonl"
    file.write_text("".join(json.dumps({"id": f"t{at}", "text": f"text {at}"}) + "\n" for at in range(3)))
    read = []
    load = document_sources.load_documents
    monkeypatch.setattr(document_sources, "load_documents", lambda source: (read.append(source.path), load(source))[1])
    ended = run("search", model, "--documents", file, "--query", "text 1", "--index", tmp_path / "index")
    assert ended.status == 0 and "text 1" in ended.out and read == [file]


def test_search_takes_queries_from_a_file(run, model: Path, pages: Path, tmp_path: Path) -> None:
    asked = tmp_path / "asked.txt"
    asked.write_text("\ufeffa [b]page[/b]\n\n  zwei Wörter \n", encoding="utf-8")
    ended = run("search", model, "--documents", pages, "--query", "one", "--queries", asked, "--json")
    assert [json.loads(line)["query"] for line in ended.out.splitlines()] == ["one", "a [b]page[/b]", "zwei Wörter"]
    ended = run("search", model, "--documents", pages, "--queries", asked, "--top-k", 1)
    assert "a [b]page[/b]\n" in ended.out and "zwei Wörter\n" in ended.out
    asked.write_text("\n")
    assert "holds no query" in run("search", model, "--documents", pages, "--queries", asked).err
    assert "cannot be read as UTF-8 text" in run("search", model, "--documents", pages, "--queries", tmp_path).err


def test_what_cannot_be_searched_is_said_before_a_model_is_loaded(run, pages: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "no model").mkdir()
    for arguments, message in (
        (("--query", " "), "--query: is empty; give a text"),
        ((), "search: no query is given; name one by --query, or a file of them by --queries"),
        (
            ("--query", "x", "--top-k", 3, "--candidates", 2),
            "--candidates is 2, fewer than the --top-k of 3 hits; raise --candidates, or leave --candidates out",
        ),
        (
            ("--query", "x", "--index", tmp_path / "file"),
            f"--index {tmp_path}/file: is a file; an index needs a folder of its own",
        ),
        (("--query", "x", "--index", pages), f"--index {pages}: does not hold an index, but other files, such as"),
        (
            ("--query", "x", "--dpi", 9, "--pages-as", "text"),
            "--dpi is 9, but --pages-as is text, and no page is drawn",
        ),
    ):
        ended = run("search", tmp_path / "no model", "--documents", pages, *arguments)
        assert ended.status == 2 and message in ended.err, ended.err
    ended = run("encode", tmp_path / "no model", "--documents", tmp_path, "--index", tmp_path / "index")
    assert f"--documents {tmp_path}: no image, PDF file or collection in it" in ended.err


def test_a_column_that_a_search_does_not_find_is_told_by_its_option(run, tmp_path: Path) -> None:
    file = tmp_path / "faq.jsonl"
    file.write_text(json.dumps({"id": "a", "text": "b"}))
    (tmp_path / "no model").mkdir()
    asked = ("--documents", file, "--columns", "positive=words", "--query", "x")
    ended = run("search", tmp_path / "no model", *asked)
    assert ended.status == 2 and "--columns positive: there is no column 'words'" in ended.err, ended.err


def test_search_names_a_folder_without_pages(run, model: Path, tmp_path: Path) -> None:
    ended = run("search", model, "--documents", tmp_path / "absent", "--query", "x")
    assert ended.status == 2 and "--documents" in ended.err and "does not exist" in ended.err


def test_texts_are_searched_by_id_and_shown(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = tmp_path / "reader"
    SmartModel.from_config(encoder_folder(tmp_path / "bare"), init_std=0.5).save_pretrained(reader)
    file, index = tmp_path / "faq.jsonl", tmp_path / "index"
    texts = {"faq-1": "a red apple " * 20, "faq-2": "a  blue\nsky", "faq-3": "a grey cat"}
    file.write_text("".join(json.dumps({"id": key, "text": text}) + "\n" for key, text in texts.items()))
    ended = run("search", reader, "--documents", file, "--query", "blue sky", "--index", index)
    assert ended.status == 0, ended.err
    lines = ended.out.splitlines()
    assert len(lines) == 5 and all(any(key in line for line in lines) for key in texts)
    assert "a blue sky" in ended.out and max(len(line) for line in lines) < 140 and "%" not in ended.err
    monkeypatch.setattr("rich.console.Console.width", 60)  # numbers and ids stay whole, a text is on the line below
    narrow = run("search", reader, "--documents", file, "--query", "blue sky", "--index", index).out.splitlines()
    below = {line.split()[4]: narrow[place + 1].strip() for place, line in enumerate(narrow) if "faq" in line}
    assert below == {"faq-1": "a red apple a [...]", "faq-2": "a blue sky", "faq-3": "a grey cat"}
    assert [line.split() for line in narrow if "faq" in line] == [line.split()[:5] for line in lines[2:]]
    assert len(narrow) == 8 and max(len(line) for line in narrow) <= 60
    assert "3 documents" in run("encode", reader, "--documents", file, "--index", index).out
    alone = run("search", reader, "--query", "blue sky", "--index", index).out
    assert f"{index} keeps ids and vectors, and no texts: name --documents too" in alone.replace("\n", " ")


def test_an_index_alone_is_searched_as_it_is(run, model: Path, pages: Path, tmp_path: Path) -> None:
    index, asked = tmp_path / "index", ("--query", "a red page", "--json")
    with_documents = run("search", model, "--documents", pages, *asked, "--index", index)
    moved = index.rename(tmp_path / "moved")
    alone = run("search", model, "--index", moved, *asked, "--candidates", 3, "--top-k", 3)
    assert alone.status == 0 and alone.out == with_documents.out
    (hits,) = (json.loads(line)["hits"] for line in alone.out.splitlines())
    assert {hit["document_id"] for hit in hits} == {"red.png", "green.png", "blue.png"}
    assert "no texts" not in run("search", model, "--index", moved, "--query", "a red page").out


def test_what_an_index_alone_cannot_answer_is_said_before_a_model_is_loaded(run, tmp_path: Path) -> None:
    (tmp_path / "no model").mkdir()
    for arguments, message in (
        (
            (),
            "search: name what to search: --documents (pages or texts), or --index (a folder that",
        ),
        (("--index", tmp_path / "none"), f"--index {tmp_path}/none: "),
        (("--index", tmp_path, "--dpi", 72), "search: --dpi says how documents are read, and there is no --documents"),
        (
            ("--index", tmp_path, "--dpi", 72, "--max-samples", 3),
            "search: --dpi, --max-samples say how documents are read, and there is no --documents",
        ),
        (("--index", tmp_path, "--workers", 2), "search: --workers says how documents are read"),
        (("--index", tmp_path, "--top-k", 3, "--candidates", 2), "--candidates is 2, fewer than the --top-k of 3 hits"),
    ):
        ended = run("search", tmp_path / "no model", "--query", "x", *arguments)
        assert ended.status == 2 and message in ended.err, ended.err
