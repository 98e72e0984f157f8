"""Layouts that others publish need no map: judged sets, candidate pools, VLM2Vec's columns, folders of pages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import datasets
import pytest

from smart_train.data import (
    SourceConfig,
    check_examples,
    load_documents,
    load_examples,
    load_held_out,
    load_own_documents,
)
from smart_train.errors import DataError
from smart_train.evaluation import EvaluationSet
from smart_train.recipe import parse_recipe
from smart_train.run import build_rows
from smart_train.types import Example, ModelInput
from tests.pdf_files import make_pdf


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "hf"))
    monkeypatch.setenv("SMART_TRAIN_CACHE", str(tmp_path / "cache"))


def load(path: Path | str, **values: Any) -> list[Example]:
    return list(load_examples(SourceConfig(str(path), **values)))


def lines(path: Path, *rows: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))


QUERIES = [{"_id": "q1", "text": "red?"}, {"_id": "q2", "text": "green?"}]
CORPUS = [{"_id": f"d{i}", "title": f"T{i}", "text": f"body {i}"} for i in range(4)]
JUDGED = [("q1", "d0", 2), ("q1", "d1", 1), ("q2", "d2", 1), ("q2", "d0", 0)]


def beir(folder: Path) -> Path:
    """As BEIR's archives are: JSON lines, and a TSV file of judgements for each split."""
    lines(folder / "queries.jsonl", *QUERIES)
    lines(folder / "corpus.jsonl", *CORPUS)
    tsv = ["query-id\tcorpus-id\tscore", *("\t".join(map(str, row)) for row in JUDGED)]
    lines(folder / "qrels" / "test.tsv", *tsv)
    lines(folder / "qrels" / "train.tsv", tsv[0], tsv[1])
    return folder


def vidore(folder: Path, pages: list[Path]) -> Path:
    """As ViDoRe's repositories are: parquet files in folders, ids that are numbers, pages as images."""
    image = datasets.Features({"corpus-id": datasets.Value("int64"), "image": datasets.Image()})
    corpus = {"corpus-id": list(range(4)), "image": [str(page) for page in pages]}
    tables = {
        "queries": datasets.Dataset.from_dict({"query-id": [1, 2], "query": ["red?", "green?"]}),
        "corpus": datasets.Dataset.from_dict(corpus, features=image),
        "qrels": datasets.Dataset.from_dict(
            {"query-id": [1, 1, 2, 2], "corpus-id": [0, 1, 2, 0], "answer": ["a"] * 4, "score": [2, 1, 1, 0]}
        ),
    }
    for name, table in tables.items():
        (folder / name).mkdir(parents=True)
        table.to_parquet(folder / name / "test-00000-of-00001.parquet")
    return folder


@pytest.mark.parametrize("kind", ["beir", "vidore", "card"])
def test_judged_sets(pages: list[Path], tmp_path: Path, kind: str) -> None:
    folder = beir(tmp_path / "set") if kind == "beir" else vidore(tmp_path / "set", pages)
    if kind == "card":  # the files lie elsewhere, and the card says where, as in a copy of a repository
        (folder / "data").mkdir()
        for part in ("queries", "corpus", "qrels"):
            (folder / part / "test-00000-of-00001.parquet").rename(folder / "data" / f"{part}.parquet")
            (folder / part).rmdir()
        names = {"queries": "queries", "corpus": "corpus", "default": "qrels"}
        configs = [f"- {{config_name: {name}, data_files: [{{split: test, path: data/{file}.parquet}}]}}"
                   for name, file in names.items()]  # fmt: skip
        (folder / "README.md").write_text("\n".join(["---", "configs:", *configs, "---"]))
    config = SourceConfig(folder, split="test", instruction="Find.")
    rows = list(load_examples(config))
    assert [row.query.text for row in rows] == ["red?", "red?", "green?"]
    assert {row.query.instruction for row in rows} == {"Find."}
    assert [row.grade for row in rows] == [2, 1, 1]
    assert rows[0].query_id == rows[1].query_id != rows[2].query_id
    documents = load_own_documents(config)
    assert len(documents) == len(load_documents(config)) == 4
    if kind == "beir":
        assert rows[2].documents == (ModelInput(text="T2 body 2"),)
    else:
        reference = rows[2].documents[0].images[0]
        assert (reference if isinstance(reference, bytes) else reference.read_bytes()) == pages[2].read_bytes()
    found = EvaluationSet.from_examples(rows, documents)
    first, second = found.qrels.values()
    assert sorted(first.values()) == [1, 2] and list(second.values()) == [1] and len(found.documents) == 4


def test_the_row_of_a_judgement_is_its_own(tmp_path: Path) -> None:
    folder = beir(tmp_path / "set")
    (folder / "qrels" / "train.tsv").unlink()
    rows = load(folder)
    assert rows[2].where == f"{folder / 'qrels'}, row 2"
    assert len(load(folder, max_samples=1)) == 1
    assert len(load_own_documents(SourceConfig(folder, max_samples=1))) == 4


@pytest.mark.parametrize(
    ("part", "rows", "message"),
    [
        (
            "qrels",
            [{"query-id": "q9", "corpus-id": "d0"}],
            "qrels, row 0, column 'query-id': no query 'q9' in .*queries",
        ),
        (
            "qrels",
            [{"query-id": "q1", "corpus-id": "d9"}],
            "qrels, row 0, column 'corpus-id': no document 'd9' among the 4 of .*corpus",
        ),
        ("qrels", [{"query-id": "q1", "corpus-id": "d0", "score": 0.5}], "row 0, column 'score': 0.5 is not a grade"),
        ("qrels", [{"query-id": "q1", "corpus-id": ""}], "row 0, column 'corpus-id': empty"),
        ("qrels", [{"query-id": "q1", "corpus-id": "d0"}, "{"], "qrels.jsonl, row 1: not JSON"),
        ("qrels", [{"query": "q1"}], "qrels: no column for 'query_id' .looked for query-id, query_id, _id"),
        ("queries", [{"_id": "q1"}], "queries: no column for 'query' .looked for query, text, question.; columns: _id"),
        ("queries", [{"_id": None, "text": "x"}], "queries, row 0, column '_id': empty; every query needs its id"),
        (
            "queries",
            ["", {"_id": "q1", "text": "x"}, "", {"_id": "q1", "text": "y"}],
            "queries, row 3, column '_id': the id 'q1' is already the id of row 1; every query needs its own",
        ),
    ],
)
def test_bad_judged_sets(tmp_path: Path, part: str, rows: list, message: str) -> None:
    folder = beir(tmp_path / "set")
    for file in (folder / "qrels").iterdir():
        file.unlink()
    (folder / "qrels").rmdir()
    lines(folder / "qrels.jsonl", {"query-id": "q1", "corpus-id": "d0", "score": 1})
    lines(folder / f"{part}.jsonl", *rows)
    with pytest.raises(DataError, match=message):
        load(folder)


def test_splits_of_judged_sets(tmp_path: Path) -> None:
    folder = beir(tmp_path / "set")
    assert len(load(folder, split="train")) == 1
    with pytest.raises(DataError, match="qrels: has several splits; choose one; splits: test, train"):
        load(folder)
    with pytest.raises(DataError, match="qrels: no split 'tset', did you mean test"):
        load(folder, split="tset")


def m_beir(folder: Path) -> Path:
    """As LamRA reads it."""
    lines(
        folder / "query.jsonl",
        {"qid": "9:1", "query_txt": "red?", "query_img_path": None, "pos_cand_list": ["9:10", "9:11"], "task_id": 0},
        {"qid": "9:2", "query_txt": None, "query_img_path": "pages/1.png", "pos_cand_list": ["9:12"],
         "neg_cand_list": ["9:10"], "task_id": 3},
    )  # fmt: skip
    lines(
        folder / "cand_pool.jsonl",
        {"did": "9:10", "txt": "words", "img_path": None, "modality": "text"},
        {"did": "9:11", "txt": None, "img_path": "pages/0.png", "modality": "image"},
        {"did": "9:12", "txt": "both", "img_path": "pages/2.png", "modality": "image,text"},
    )
    return folder


def test_candidate_pools(pages: list[Path], tmp_path: Path) -> None:
    folder = m_beir(tmp_path)
    first, second, third = load(folder)
    assert first.query_id == second.query_id == "9:1" and (first.row, second.row, third.row) == (0, 0, 1)
    assert [row.document_ids for row in (first, second, third)] == [("9:10",), ("9:11",), ("9:12", "9:10")]
    assert third.query == ModelInput(images=(pages[1],)) and third.task == "3"
    assert second.documents == (ModelInput(images=(pages[0],)),)
    assert third.documents == (ModelInput(text="both", images=(pages[2],)), ModelInput(text="words"))
    assert len(load_own_documents(SourceConfig(folder))) == 3


@pytest.mark.parametrize(
    ("file", "row", "message"),
    [
        ("query.jsonl", {"qid": "1", "query_txt": "x", "pos_cand_list": []}, "query.jsonl, row 0, column "
         "'pos_cand_list': .*; must be a list of at least one candidate"),
        ("query.jsonl", {"qid": "1", "query_txt": "x", "pos_cand_list": ["9:99"]}, "row 0, column 'pos_cand_list': no "
         "document '9:99' among the 3 of .*cand_pool.jsonl"),
        ("query.jsonl", "{", "query.jsonl, row 0: not JSON"),
        ("cand_pool.jsonl", {"id": "9:10", "txt": "x"}, "a pool of candidates needs the column did; columns: id"),
        ("cand_pool.jsonl", {"did": "9:10", "txt": ""}, "cand_pool.jsonl, row 0: column 'txt, img_path' is null"),
    ],
)  # fmt: skip
def test_bad_candidate_pools(pages: list[Path], tmp_path: Path, file: str, row: Any, message: str) -> None:
    folder = m_beir(tmp_path)
    lines(folder / file, row)
    with pytest.raises(DataError, match=message):
        load(folder)


def test_candidate_pools_with_several_files_of_queries(pages: list[Path], tmp_path: Path) -> None:
    folder = m_beir(tmp_path)
    lines(folder / "val.jsonl", {"qid": "1", "query_txt": "x", "pos_cand_list": ["9:10"]})
    assert len(load(folder)) == 3 and len(load(folder, split="val")) == 1
    with pytest.raises(DataError, match=r"no file vla.jsonl, did you mean val.*cand_pool.jsonl there are: query, val"):
        load(folder, split="vla")


def test_vlm2vec_columns(pages: list[Path], tmp_path: Path) -> None:
    train = {"qry": "<|image_1|>\nWhat is it?", "qry_image_path": "pages/0.png", "pos_text": "red",
             "pos_image_path": "", "neg_text": "", "neg_image_path": "pages/1.png"}  # fmt: skip
    held_out = {"qry_text": "find", "qry_img_path": "", "tgt_text": ["", ""],
                "tgt_img_path": ["pages/2.png", "pages/3.png"]}  # fmt: skip
    lines(tmp_path / "train.jsonl", train)
    lines(tmp_path / "test.jsonl", held_out)
    (row,) = load(tmp_path, split="train")
    assert row.query == ModelInput(text="What is it?", images=(pages[0],))
    assert row.documents == (ModelInput(text="red"), ModelInput(images=(pages[1],)))
    (row,) = load(tmp_path, split="test")
    assert row.query == ModelInput(text="find")
    assert row.documents == tuple(ModelInput(images=(page,)) for page in pages[2:])
    lines(tmp_path / "bad.jsonl", {**train, "pos_text": "<|image_1|>"})
    with pytest.raises(DataError, match=r"row 0: '<\|image_1\|>' has a mark for an image, but its row lacks the image"):
        load(tmp_path, split="bad")
    lines(tmp_path / "bad.jsonl", {**train, "pos_text": ""})
    with pytest.raises(DataError, match="row 0: column 'pos_text, pos_image_path' is null"):
        load(tmp_path, split="bad")


@pytest.mark.parametrize("mark", ["<image>", "<|image_1|>", "<|vision_start|><|image_pad|><|vision_end|>", ""])
def test_vlm2vec_columns_of_both_kinds(pages: list[Path], tmp_path: Path, mark: str) -> None:
    """Its sets of screenshots have `qry_text` beside `pos_text`, and marks of other models are taken out as well."""
    row = {"qry_text": f"{mark}Where?", "qry_image_path": "pages/0.png", "pos_text": "there", "pos_image_path": ""}
    lines(tmp_path / "train.jsonl", row)
    (example,) = load(tmp_path)
    assert example.query == ModelInput("Where?", (pages[0],)) and example.documents == (ModelInput("there"),)


def test_the_tag_of_images_in_texts_about_it(pages: list[Path], tmp_path: Path) -> None:
    """In a set whose queries have no images `<image>` inside a text is a word; marks of models never are."""
    row = {"qry": "What does <image> do in SVG?", "pos_text": "It embeds a picture.", "pos_image_path": "pages/0.png"}
    lines(tmp_path / "train.jsonl", row, {"qry": "b?", "pos_text": "c <image> d", "pos_image_path": "pages/1.png"})
    first, second = load(tmp_path)
    assert first.query == ModelInput("What does <image> do in SVG?")
    assert second.documents == (ModelInput("c   d", (pages[1],)),)
    for text in ("<image> Where?", "Where? <image>", "Where <|image_1|> there?", "Where <|image_pad|> there?"):
        lines(tmp_path / "train.jsonl", {**row, "qry": text})
        with pytest.raises(DataError, match="row 0: .* has a mark for an image, but its row lacks the image"):
            load(tmp_path)
    shown = {"qry": "And <image> here?", "qry_image_path": "pages/2.png", "pos_text": "yes"}
    lines(tmp_path / "train.jsonl", {**row, "qry_image_path": ""}, shown)
    with pytest.raises(DataError, match="row 0: .* has a mark for an image, but its row lacks the image"):
        load(tmp_path)


@pytest.mark.parametrize("pairs", ["pairs.csv", "pairs.jsonl"])
def test_a_folder_of_pages_with_queries(pages: list[Path], tmp_path: Path, pairs: str) -> None:
    pytest.importorskip("pypdfium2")
    folder = tmp_path / "pages"
    make_pdf(folder / "manual.pdf", [["one"], ["two"]], [])
    if pairs == "pairs.csv":
        (folder / pairs).write_text("query,positive,negative_0\nred?,0.png,1.png\ntwo?,manual.pdf#page=2,\n")
    else:
        lines(folder / pairs, {"query": "red?", "positive": "0.png", "negative_0": "1.png"},
              {"query": "two?", "positive": "manual.pdf#page=2"})  # fmt: skip
    first, second = load(folder, dpi=20)
    assert first.document_ids == ("0.png", "1.png") and first.documents[0].images == (pages[0],)
    assert second.document_ids == ("manual.pdf#page=2",) and second.documents[0].images[0].name == "page-00002.png"
    documents = load_own_documents(SourceConfig(folder, dpi=20))
    assert [identity for identity, _ in documents] == [
        *(page.name for page in pages),
        "manual.pdf#page=1",
        "manual.pdf#page=2",
    ]
    (folder / "pairs.csv").write_text("query,positive\nx,4.png\n")
    with pytest.raises(DataError, match=r"pairs.csv, row 0, column 'positive': no document '4.png' among the 6 of "):
        load(folder, dpi=20)


def test_a_folder_of_pdf_files_is_a_corpus(tmp_path: Path) -> None:
    pytest.importorskip("pypdfium2")
    folder = tmp_path / "pdfs"
    (folder / "sub").mkdir(parents=True)
    make_pdf(folder / "a.pdf", [["one"], ["two"]], [])
    make_pdf(folder / "sub" / "b.pdf", [["three"]], [])
    documents = load_documents(SourceConfig(folder, dpi=20))
    assert [identity for identity, _ in documents] == ["a.pdf#page=1", "a.pdf#page=2", "sub/b.pdf#page=1"]
    assert [identity for identity, _ in load_documents(SourceConfig(folder / "a.pdf", dpi=20))] == [
        "a.pdf#page=1",
        "a.pdf#page=2",
    ]
    with pytest.raises(DataError, match=r"pdfs: holds pages, but no queries; name them in pairs.csv .*make-pairs"):
        load(folder, dpi=20)
    (folder / "prices.csv").write_text("part,price\nbelt,3\n")
    assert len(load_documents(SourceConfig(folder, dpi=20))) == 3, "a table beside the pages is not the corpus"
    for name in ("c.pdf", "d.pdf"):
        (folder / name).write_text("no PDF")
    with pytest.raises(DataError, match=r"(?s)2 files cannot be read; fix or remove them:.*c.pdf: .*d.pdf: "):
        load_documents(SourceConfig(folder, dpi=20))


def test_the_hub(pages: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against a folder in place of the Hub: configurations, splits and streaming are the library's own."""
    hub = vidore(tmp_path / "hub", pages)
    parts = ("queries", "corpus", "qrels")
    configs = [f"- {{config_name: {part}, data_files: [{{split: test, path: {part}/*}}]}}" for part in parts]
    (hub / "README.md").write_text("\n".join(["---", "configs:", *configs, "---"]))
    original = datasets.load_dataset
    monkeypatch.setattr(
        "smart_train.data.formats.parquet_and_hub.load_dataset", lambda _, *a, **k: original(str(hub), *a, **k)
    )
    monkeypatch.setattr("smart_train.data.formats.parquet_and_hub.get_dataset_config_names", lambda _: list(parts))
    assert [row.grade for row in load("owner/name", split="test")] == [2, 1, 1]
    options: dict[str, Any] = {"subset": "corpus", "columns": {"query": "corpus-id"}, "split": "test"}
    streamed = load_examples(SourceConfig("owner/name", streaming=True, max_samples=2, **options))
    assert len(streamed) == 2
    content = streamed.raw[1]["image"]
    assert content["bytes"] or content["path"] == str(pages[1]), "images of a stream stay encoded too"
    with pytest.raises(DataError, match="owner/name: Unknown split .tset."):
        load("owner/name", **{**options, "split": "tset"})


def test_held_out_rows_without_a_query_are_pages_to_be_found(pages: list[Path], tmp_path: Path) -> None:
    queries = ["q0", "q1", None, None]
    rows = [{"query": q, "image": f"pages/{i}.png", "image_filename": str(i)} for i, q in enumerate(queries)]
    lines(tmp_path / "rows.jsonl", *rows)
    recipe = parse_recipe(
        {
            "model": {"name_or_path": "any"},
            "data": {"train": {"path": "x"}, "evaluation": {"path": str(tmp_path / "rows.jsonl")}},
        }
    )
    held_out, report = build_rows.usable_rows(recipe, "evaluation")
    assert report.summary() == "2 rows, and 2 pages without a query"
    assert [row.query.text for row in held_out] == ["q0", "q1"] and [row.row for row in held_out] == [0, 1]
    judged = build_rows.evaluation_set(recipe, "evaluation", held_out)
    assert (len(judged.queries), judged.document_ids) == (2, ["0", "1", "2", "3"])
    with pytest.raises(DataError, match="row 2: the query is empty"):
        check_examples(load_examples(SourceConfig(tmp_path / "rows.jsonl")))
    lines(tmp_path / "none.jsonl", *rows[2:])
    with pytest.raises(DataError, match="none of its 2 rows has a query .column 'query'."):
        load_held_out(SourceConfig(tmp_path / "none.jsonl"))


def test_messages_name_the_columns_of_the_layout(pages: list[Path], tmp_path: Path) -> None:
    lines(tmp_path / "pool" / "query.jsonl", {"qid": "1", "query_txt": "", "pos_cand_list": ["c"]})
    lines(tmp_path / "pool" / "cand_pool.jsonl", {"did": "c", "txt": "words"})
    lines(tmp_path / "vlm.jsonl", {"qry": "q", "qry_image_path": "", "pos_text": "", "pos_image_path": ""})
    beir(tmp_path / "beir")
    (tmp_path / "beir" / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\tnone\t1\n")
    for path, options, message in (
        (tmp_path / "pool", {}, "the query is empty .column 'query_txt, query_img_path'."),
        (tmp_path / "vlm.jsonl", {}, "column 'pos_text, pos_image_path' is null"),
        (tmp_path / "beir", {"split": "test"}, "column 'corpus-id': no document 'none' among the 4 of .*corpus"),
    ):
        with pytest.raises(DataError, match=message):
            check_examples(load_examples(SourceConfig(path, **options)))
