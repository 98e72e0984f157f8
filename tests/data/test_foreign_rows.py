"""Rows of other libraries are read as they are, or refused with what to write; files of more kinds."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pyarrow
import pytest
from PIL import Image
from pyarrow import feather

from smart_train.data import SourceConfig, check_examples, load_documents, load_examples
from smart_train.errors import DataError
from smart_train.types import Example, ModelInput

Write = Callable[..., Path]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "hf"))


def load(path: Path, **options: Any) -> list[Example]:
    rows = load_examples(SourceConfig(path, **options))
    check_examples(rows)
    return list(rows)


def texts(example: Example) -> list[str | None]:
    return [document.text for document in example.documents]


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_flag_embedding(write_jsonl: Write, tmp_path: Path, kind: str) -> None:
    rows = [
        {"query": "red?", "pos": ["a red one", "another red one"], "neg": ["a blue one", "a green one"],
         "pos_scores": [0.9, 0.8], "neg_scores": [0.2, 0.1], "prompt": "Find it.", "type": "normal"},
        {"query": "blue?", "pos": ["a blue one"], "neg": [], "pos_scores": None, "neg_scores": None, "prompt": "",
         "type": "normal"},
    ]  # fmt: skip
    path = write_jsonl(rows[0], "", rows[1])
    if kind == "parquet":
        path = tmp_path / "rows.parquet"
        datasets.Dataset.from_list(rows).to_parquet(path)
    first, second, third = load(path)
    assert [texts(row) for row in (first, second, third)] == [
        ["a red one", "a blue one", "a green one"],
        ["another red one", "a blue one", "a green one"],
        ["a blue one"],
    ]
    assert first.scores == (0.9, 0.2, 0.1) and second.scores == (0.8, 0.2, 0.1) and third.scores == ()
    assert first.query == second.query == ModelInput("red?", instruction="Find it.")
    assert (first.row, second.row, third.row) == (0, 0, 2 if kind == "jsonl" else 1)
    rows_of = load_examples(SourceConfig(path))
    assert dict(check_examples(rows_of)[1].details())["columns"] == (
        "query, pos, neg, prompt, type, pos_scores, neg_scores"
    )
    assert list(pickle.loads(pickle.dumps(rows_of[1:]))) == [second, third]
    assert len(load(path, max_samples=2)) == 2


@pytest.mark.parametrize(
    ("given", "scores"), [({"pos_scores": [0.9]}, (0.9, None)), ({"neg_scores": [0.1]}, (None, 0.1))]
)
def test_scores_of_one_side_of_flag_embedding(write_jsonl: Write, given: dict, scores: tuple) -> None:
    (row,) = load(write_jsonl({"query": "red?", "pos": ["a red one"], "neg": ["a blue one"], **given}))
    assert row.scores == scores


@pytest.mark.parametrize("document", ["Chapter three of the manual", None])
def test_flag_embedding_beside_where_an_answer_comes_from(write_jsonl: Write, document: str | None) -> None:
    path = write_jsonl({"query": "red?", "pos": ["a red one"], "neg": ["a blue one"], "document": document})
    (row,) = load(path)
    assert [item.text for item in row.documents] == ["a red one", "a blue one"]


@pytest.mark.parametrize("pos", ["noun", 3])
def test_a_part_of_speech_or_a_position_is_not_an_answer(write_jsonl: Write, pos: Any) -> None:
    (row,) = load(write_jsonl({"query": "red?", "document": "a red one", "pos": pos}))
    assert [item.text for item in row.documents] == ["a red one"]


def test_flag_embedding_without_an_answer(write_jsonl: Write) -> None:
    with pytest.raises(DataError, match="row 0: column 'pos' is null; name a document there, or remove the row"):
        load(write_jsonl({"query": "red?", "pos": [], "neg": ["a"]}))


def test_tevatron_passages(write_jsonl: Write) -> None:
    passages = [{"docid": f"d{i}", "title": f"Title {i}", "text": f"body {i}"} for i in range(3)]
    path = write_jsonl(
        {"query_id": "q1", "query": "red?", "positive_passages": passages[:2], "negative_passages": passages[2:]},
        {"query_id": "q2", "query": "blue?", "positive_passages": [{"docid": "d9", "text": "no title"}],
         "negative_passages": []},
    )  # fmt: skip
    first, second, third = load(path)
    assert [row.query_id for row in (first, second, third)] == ["q1", "q1", "q2"]
    assert [row.document_ids[0] for row in (first, second, third)] == ["d0", "d1", "d9"]
    assert texts(first) == ["Title 0 body 0", "Title 2 body 2"] and texts(third) == ["no title"]


def test_types_of_flag_embedding(write_jsonl: Write) -> None:
    """Rows of one type meet in a batch, as there; in pairs of likeness both sides have the prompt."""
    row = {"query": "red?", "pos": ["a red one"], "neg": ["a blue one"], "prompt": "Find it."}
    normal, alike = load(write_jsonl({**row, "type": "normal"}, {**row, "type": "symmetric_sts"}))
    assert (normal.task, alike.task) == ("normal", "symmetric_sts")
    assert normal.documents == (ModelInput("a red one"), ModelInput("a blue one"))
    assert {document.instruction for document in alike.documents} == {"Find it."}
    for kind in ("symmetric_class", "symmetric_clustering"):
        with pytest.raises(DataError, match=f"row 0, column 'type': '{kind}' says that documents of other rows answer"):
            load(write_jsonl({**row, "type": kind}))


def test_scores_of_tevatron(write_jsonl: Write) -> None:
    passages = [{"docid": f"d{i}", "title": "", "text": "a", "score": score} for i, score in enumerate((1, 0.75, None))]
    row = {"query_id": "q1", "query": "red?", "positive_passages": passages[:1]}
    (scored,) = load(write_jsonl({**row, "negative_passages": passages[1:]}))
    assert scored.scores == (1.0, 0.75, None)


def test_tevatron_ids(pages: list[Path], write_jsonl: Write) -> None:
    corpus = write_jsonl({"docid": "d1", "text": "words", "image": None}, {"docid": "d2", "text": "", "image":
                         "pages/2.png"}, name="corpus.jsonl")  # fmt: skip
    row = {"query_id": "q1", "query_text": "red?", "query_image": "pages/0.png", "source": "made"}
    path = write_jsonl({**row, "positive_document_ids": ["d2"], "negative_document_ids": ["d1"]})
    (found,) = load(path, documents=corpus)
    assert found.query == ModelInput("red?", (pages[0],))
    assert found.documents == (ModelInput(images=(pages[2],)), ModelInput("words"))
    message = r"names its documents by id \(column 'positive_document_ids'\); name .* documents: PATH"
    with pytest.raises(DataError, match=message):
        load(path)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"messages": [{"role": "user", "content": "a"}], "images": ["x"]}, "holds conversations .column 'messages'"),
        ({"conversations": [{"from": "human", "value": "a"}]}, 'write a row for each pair, as in {"query": "What is'),
        ({"id": 1, "data": {"image": "x.png"}, "annotations": []}, "an export of Label Studio .* as JSON-MIN or CSV"),
        ({"instruction": "a", "input": "", "output": "b"}, "columns: {query: instruction, positive: output}"),
        ({"instruction": "a", "output": "b", "images": ["x.png"]}, "columns: {query: instruction, positive: images}"),
        ({"sentence1": "a", "sentence2": "b", "score": 0.5}, "columns: {query: sentence1, positive: sentence2}"),
        ({"question": "a", "answer": "b"}, "columns: {query: question, positive: answer}"),
        ({"query": "a", "response": "b", "rejected": "c"}, "columns: {positive: response, negatives: rejected}"),
        ({"image": "x.png", "caption": "a"}, "columns: {query: caption}"),
        (
            {"q_img": "x.png", "q_text": "darker", "t_img": "y.png", "hns": ["x.png"]},
            "columns: {query: q_text, query_image: q_img, positive: t_img, negatives: hns}",
        ),
        ({"query": "a", "docs": ["b", "c"], "labels": [1, 0]}, "column 'docs'.* write a row for each document"),
        ({"query": "a", "positives": ["b"], "negatives": ["c"]}, "no column for 'positive'"),
        ({"qid": "1", "query_txt": "a", "pos_cand_list": ["2"]}, "name a folder with both, this file and .cand_pool"),
        ({"chosen_messages": [], "rejected_messages": []}, "holds conversations .column 'chosen_messages'"),
    ],
)  # fmt: skip
def test_other_rows_are_refused_with_what_to_write(write_jsonl: Write, row: dict, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load(write_jsonl(row))


def test_the_list_of_llama_factory_is_not_rows(tmp_path: Path) -> None:
    (tmp_path / "dataset_info.json").write_text(json.dumps({"mine": {"file_name": "alpaca.json"}}))
    with pytest.raises(DataError, match="name the file of one of them, its file_name there, as the path"):
        load(tmp_path / "dataset_info.json")


def test_simlm(write_jsonl: Write) -> None:
    """Ids and scores in lists of each side; the documents have a title and contents, of which both are read."""
    documents = ({"id": name, "title": name.upper(), "contents": f"about {name}"} for name in ("p", "q", "r"))
    corpus = write_jsonl(*documents, name="passages.jsonl")
    scored = {"doc_id": ["p", "q"], "score": [0.9, 0.8]}, {"doc_id": ["r"], "score": [0.1]}
    row = {"query_id": "1", "query": "a?", "positives": scored[0], "negatives": scored[1]}
    path = write_jsonl(row, name="train.jsonl")
    first, second = load(path, documents=corpus)
    assert texts(first) == ["P about p", "R about r"] and texts(second) == ["Q about q", "R about r"]
    assert (first.scores, second.scores) == ((0.9, 0.1), (0.8, 0.1))
    assert (first.query_id, first.document_ids) == ("1", ("p", "r"))
    with pytest.raises(DataError, match="names its documents by id .column 'positives'.; name the file"):
        load(path)
    with pytest.raises(DataError, match=r"row 1: columns 'positives' and 'negatives' must read \{\"doc_id\": "):
        load(write_jsonl(row, {**row, "positives": ["p"]}, name="train.jsonl"), documents=corpus)
    (row,) = load(
        write_jsonl({**row, "positives": {"doc_id": ["p"]}, "negatives": {"doc_id": ["r"]}}), documents=corpus
    )
    assert row.scores == ()


def test_a_map_that_a_message_suggests_is_read(pages: list[Path], write_jsonl: Write) -> None:
    path = write_jsonl({"instruction": "red?", "input": "", "output": "red", "images": ["pages/0.png"]})
    (row,) = load(path, columns={"query": "instruction", "positive": "images"})
    assert row.query == ModelInput("red?") and row.documents == (ModelInput(images=(pages[0],)),)


@pytest.mark.parametrize("suffix", [".jsonl.gz", ".csv.gz", ".tsv.gz", ".json.gz", ".arrow", ".feather"])
def test_more_kinds_of_files(tmp_path: Path, suffix: str) -> None:
    rows = [{"query": "red?", "positive": "a red one"}, {"query": "blue?", "positive": "a blue one"}]
    path = tmp_path / f"train{suffix}"
    separator = "\t" if "tsv" in suffix else ","
    written = {
        ".jsonl.gz": "".join(json.dumps(row) + "\n" for row in rows),
        ".json.gz": json.dumps(rows),
    }.get(suffix, "\n".join(separator.join(cells) for cells in (rows[0], *(row.values() for row in rows))) + "\n")
    if suffix == ".feather":
        feather.write_feather(pyarrow.Table.from_pylist(rows), path)
    elif suffix == ".arrow":
        datasets.Dataset.from_list(rows).save_to_disk(tmp_path / "saved")
        (tmp_path / "saved" / "data-00000-of-00001.arrow").rename(path)
    else:
        path.write_bytes(gzip.compress(written.encode()))
    assert [row.query.text for row in load(path)] == ["red?", "blue?"]
    if suffix == ".jsonl.gz":
        assert len(load(tmp_path, split="train")) == 2
    if suffix not in (".arrow", ".feather"):
        path.write_bytes(path.read_bytes()[:-9])
        with pytest.raises(DataError, match=f"train{suffix}.* cannot be read"):
            load(path)


def test_webdataset(pages: list[Path], tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "shard-000.tar", "w") as shard:
        for number in range(2):
            about = json.dumps({"question": f"page {number}?", "png_name": "x"}).encode()
            for name, content in ((f"{number}.png", pages[number].read_bytes()), (f"{number}.json", about)):
                member = tarfile.TarInfo(name)
                member.size = len(content)
                shard.addfile(member, io.BytesIO(content))
    path = tmp_path / "shard-000.tar"
    with pytest.raises(DataError, match=r"columns: \{query: question, positive: png\}"):
        load(path)
    rows = load(path, columns={"query": "question", "positive": "png"})
    assert [row.query.text for row in rows] == ["page 0?", "page 1?"]
    assert [row.documents[0].images[0] for row in rows] == [page.read_bytes() for page in pages[:2]]
    documents = load_documents(SourceConfig(path))
    assert [(name, document.images[0]) for name, document in documents] == [
        (str(number), page.read_bytes()) for number, page in enumerate(pages[:2])
    ]
    folder = tmp_path / "shards"
    folder.mkdir()
    for number in range(2):
        (folder / f"shard-00{number}.tar").write_bytes(path.read_bytes())
    assert len(load(folder, columns={"query": "question", "positive": "png"})) == 4
    with pytest.raises(DataError, match="names several files by a pattern.* into a folder of their own, and name the"):
        load(folder / "shard-{000..001}.tar")
    packed = tmp_path / "shard-000.tar.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(DataError, match="unpack it: gunzip shard-000.tar.gz"):
        load(packed)


@pytest.mark.parametrize("name", ["qrels/test.txt", "qrels/test.trec", "qrels.txt", "qrels.test.tsv", "qrels.txt.gz"])
def test_judgements_of_trec(tmp_path: Path, write_jsonl: Write, name: str) -> None:
    write_jsonl({"_id": "q1", "text": "red?"}, {"_id": "q2", "text": "blue?"}, name="queries.jsonl")
    write_jsonl(*({"_id": f"d{i}", "title": f"T{i}", "text": f"body {i}"} for i in range(3)), name="corpus.jsonl")
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    written = b"q1 0 d1 2\nq1 0 d0 0\n\nq2\t0\td2\t1\n"
    file.write_bytes(gzip.compress(written) if name.endswith(".gz") else written)
    rows = load(tmp_path)
    assert [(row.query_id, row.document_ids[0], row.grade, row.row) for row in rows] == [
        ("q1", "d1", 2, 0),
        ("q2", "d2", 1, 3),
    ]
    file.write_bytes(gzip.compress(b"q1 0 d1 2\nq2 d2\n") if name.endswith(".gz") else b"q1 0 d1 2\nq2 d2\n")
    with pytest.raises(DataError, match="row 1: has 2 fields; a judgement has 4: query 0 document grade"):
        load(tmp_path)


def test_a_file_without_a_header_is_told_from_one_with_other_columns(tmp_path: Path, write_jsonl: Write) -> None:
    write_jsonl({"_id": "d1", "text": "body"}, name="corpus.jsonl")
    (tmp_path / "qrels.txt").write_text("1 0 d1 1\n")
    (tmp_path / "queries.tsv").write_text("1\twhat is a pulley\n2\twhat is a belt\n")
    with pytest.raises(DataError, match="columns: 1, what is a pulley .the first line of a file must name the columns"):
        load(tmp_path)
    (tmp_path / "train.csv").write_text("what is a pulley made of,a wheel\nand a belt,leather\n")
    with pytest.raises(DataError, match="no column for 'query'.*the first line of a file must name the columns"):
        load(tmp_path / "train.csv")


def test_a_title_belongs_to_the_text_of_a_document(write_jsonl: Write) -> None:
    path = write_jsonl({"id": "a", "title": "Torque", "text": "It is 4 Nm."}, {"id": "b", "title": "", "text": "Belt"})
    assert [item.text for _, item in load_documents(SourceConfig(path))] == ["Torque It is 4 Nm.", "Belt"]
    mapped = SourceConfig(path, columns={"positive": "text"})
    assert [item.text for _, item in load_documents(mapped)] == ["It is 4 Nm.", "Belt"]


def test_a_title_may_be_a_number_and_nothing_else(write_jsonl: Write) -> None:
    path = write_jsonl({"id": "a", "title": 1984, "text": "A film."}, {"id": "b", "title": 2.5, "text": None})
    assert [item.text for _, item in load_documents(SourceConfig(path))] == ["1984 A film.", "2.5"]
    path = write_jsonl({"id": "a", "title": "x", "text": "y"}, {"id": "b", "title": ["x"], "text": "y"})
    with pytest.raises(DataError, match="row 1, column 'text': list cannot be a document"):
        load_documents(SourceConfig(path))


@pytest.mark.parametrize(("column", "value"), [("pos_text", 5), ("neg_text", {"text": "x"}), ("qry", ["x"])])
def test_a_value_of_vlm2vec_that_is_not_text_is_an_error_of_its_row(
    write_jsonl: Write, column: str, value: Any
) -> None:
    row = {"qry": "what", "pos_text": "a wheel", "neg_text": "a belt"}
    path = write_jsonl(row, {**row, column: value})
    _, report = check_examples(load_examples(SourceConfig(path)), on_error="skip")
    if column == "qry":  # a list of one
        assert report.kept == 2
    else:
        (problem,) = report.problems
        assert "row 1, column" in problem and problem.endswith("it must be text")


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "state.json").write_text("["),
        lambda folder: (folder / "state.json").write_text("[]"),
        lambda folder: (folder / "dataset_info.json").unlink(),
        lambda folder: (folder / "data-00000-of-00001.arrow").unlink(),
        lambda folder: (folder / "data-00000-of-00001.arrow").write_bytes(b"short"),
    ],
)
def test_a_damaged_folder_of_a_data_set_is_named(tmp_path: Path, damage: Callable[[Path], Any]) -> None:
    datasets.Dataset.from_dict({"query": ["a"], "positive": ["b"]}).save_to_disk(tmp_path / "saved")
    damage(tmp_path / "saved")
    with pytest.raises(DataError, match="saved: cannot be read as a data set"):
        load_examples(SourceConfig(tmp_path / "saved"))


@pytest.mark.parametrize(("name", "content"), [("rows.tar", b"[]"), ("rows.json", b"PK\x03\x04")])
def test_a_file_of_another_kind_than_its_name_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=f"{name}: cannot be read as a data set"):
        load_examples(SourceConfig(tmp_path / name))


def test_images_inside_columns_of_mappings_and_lists_stay_encoded(tmp_path: Path) -> None:
    """The library would decode them at every look at a row, and a broken one would end in its own error."""
    image, text = datasets.Image(), datasets.Value("string")
    page = {"image": image, "text": text}
    features = datasets.Features({"query": text, "positive": page, "negatives": datasets.List(page)})
    encoded = io.BytesIO()
    Image.new("RGB", (9, 9)).save(encoded, "PNG")
    sound, broken = (
        {"image": {"bytes": content, "path": None}, "text": "x"} for content in (encoded.getvalue(), b"no")
    )
    rows = {"query": ["a", "b"], "positive": [sound, broken], "negatives": [[sound, sound], [sound]]}
    datasets.Dataset.from_dict(rows, features=features).to_parquet(tmp_path / "rows.parquet")
    examples, report = check_examples(load_examples(SourceConfig(tmp_path / "rows.parquet")), on_error="skip")
    assert [document.images for document in examples[0].documents] == [(encoded.getvalue(),)] * 3
    (problem,) = report.problems
    assert "row 1: image <2 bytes>: not an image file" in problem and len(examples) == 1


def test_videos_in_columns_are_not_decoded_by_the_library(tmp_path: Path) -> None:
    """It would need a library that is not there, also where the column is not read."""
    text, path = datasets.Value("string"), tmp_path / "rows.parquet"
    features = datasets.Features({"query": text, "positive": text, "clip": datasets.Video(decode=False)})
    rows = {"query": ["a"], "positive": ["b"], "clip": [{"bytes": b"no video", "path": "a.MP4"}]}
    datasets.Dataset.from_dict(rows, features=features).cast_column("clip", datasets.Video()).to_parquet(path)
    assert texts(load(path)[0]) == ["b"]
    with pytest.raises(DataError, match="row 0, column 'clip': holds a video as bytes, which is not read; write the"):
        load(path, columns={"positive": "clip"})
