"""Sources: every format gives the same Examples, and every mistake a message that names file, row, column and rule."""

from __future__ import annotations

import base64
import pickle
from collections.abc import Callable
from pathlib import Path

import datasets
import pytest

from smart_train.data import SourceConfig, check_examples, load_documents, load_examples
from smart_train.data.keys import content_key
from smart_train.errors import DataError
from smart_train.types import Example, ModelInput

Write = Callable[..., Path]


def load(path: Path | str, **values: object) -> list[Example]:
    return list(load_examples(SourceConfig(str(path), **values)))  # type: ignore[arg-type]


def test_jsonl_rows(pages: list[Path], write_jsonl: Write) -> None:
    path = write_jsonl(
        {"query": "red?", "positive": "pages/0.png", "query_id": "q0", "document_id": "d0"},
        "",
        {"query": "green?", "positive": "pages/1.png", "negative_1": "pages/3.png", "negative_0": "pages/2.png"},
        {"query": "text?", "positive": "a page of text", "instruction": "Answer."},
    )
    first, second, third = load(path, instruction="Find.")
    assert first == Example(
        query=ModelInput(text="red?", instruction="Find."),
        documents=(ModelInput(images=(pages[0],)),),
        query_id="q0",
        document_ids=("d0",),
        source=str(path),
        row=0,
    )
    assert second.documents == tuple(ModelInput(images=(page,)) for page in pages[1:])
    assert second.where == f"{path}, row 2"  # the blank line counts: the number is that of the line, from 0
    assert len(set(second.document_ids)) == 3
    assert third.query.instruction == "Answer."
    assert third.documents[0] == ModelInput(text="a page of text")


def test_kinds_of_documents(pages: list[Path], write_jsonl: Write) -> None:
    uri = "data:image/png;base64," + base64.b64encode(pages[0].read_bytes()).decode()
    values = [uri, "https://example.org/page", {"image": "pages/1.png", "text": "caption"}, "absent.png"]
    found = [example.documents[0] for example in load(write_jsonl(*({"query": "q", "positive": v, "document_id": "d"}
             for v in values)))]  # fmt: skip
    assert found[0] == ModelInput(images=(uri,))
    assert found[1] == ModelInput(images=("https://example.org/page",))
    assert found[2] == ModelInput(text="caption", images=(pages[1],))
    assert found[3] == ModelInput(images=(pages[0].parent.parent / "absent.png",))


def test_default_ids_follow_content(pages: list[Path], write_jsonl: Write, tmp_path: Path) -> None:
    (tmp_path / "pages" / "copy.png").write_bytes(pages[0].read_bytes())
    names = ("pages/0.png", "pages/copy.png", "pages/1.png")
    rows = load(write_jsonl(*({"query": f"q{i // 2}", "positive": name} for i, name in enumerate(names))))
    assert rows[0].document_ids == rows[1].document_ids != rows[2].document_ids
    assert rows[0].query_id == rows[1].query_id != rows[2].query_id
    assert len(rows[0].query_id) == 16


def test_one_page_is_one_document_in_every_form(pages: list[Path], write_jsonl: Write) -> None:
    name, encoded = "pages/0.png", base64.b64encode(pages[0].read_bytes()).decode()
    forms = [
        name,
        {"image": name},
        {"images": [name]},
        {"images": [{"image": name}]},
        {"image": {"image": {"path": name}}},
        {"image": {"bytes": encoded, "path": None}},
        {"bytes": encoded, "path": name},
        {"text": "", "image": name},
        {"text": " ", "images": [{"bytes": None, "path": name}], "instruction": ""},
    ]
    rows = load(write_jsonl(*({"query": "q", "positive": form} for form in forms)))
    check_examples(rows)
    assert len({row.document_ids for row in rows}) == 1
    assert {content_key(row.documents[0]) for row in rows} == {content_key(rows[0].documents[0])}
    (captioned,) = load(write_jsonl({"query": "q", "positive": {"text": "a caption", "image": name}}))
    assert captioned.document_ids != rows[0].document_ids


@pytest.mark.parametrize("form", [{"images": [{"image": "gone.png"}]}, {"image": {"bytes": "AAAA", "path": None}}])
def test_an_image_inside_a_mapping_is_checked(write_jsonl: Write, form: dict) -> None:
    path = write_jsonl({"query": "q", "positive": form, "document_id": "d"})
    with pytest.raises(DataError, match="row 0.*(gone.png: no such file|bytes are str, and not an image in base64)"):
        check_examples(load_examples(SourceConfig(path)))


def test_column_map_split_and_max_samples(pages: list[Path], write_jsonl: Write, tmp_path: Path) -> None:
    rows = [{"question": f"q{i}", "page": f"{i}.png", "wrong": [f"{3 - i}.png"]} for i in range(4)]
    write_jsonl(*rows)
    write_jsonl(rows[0], name="held_out.jsonl")
    columns = {"query": "question", "positive": "page", "negatives": "wrong"}
    options = {"columns": columns, "image_root": tmp_path / "pages"}
    found = load(tmp_path, split="train", max_samples=2, **options)
    assert [example.query.text for example in found] == ["q0", "q1"]
    assert found[0].documents[1] == ModelInput(images=(pages[3],))
    assert len(load(tmp_path, split="held_out", **options)) == 1
    with pytest.raises(DataError, match="several splits, held_out, train; choose one"):
        load(tmp_path, **options)


def test_rows_are_lazy_sliceable_and_picklable(pages: list[Path], write_jsonl: Write) -> None:
    path = write_jsonl(*({"query": f"q{i}", "positive": f"pages/{i}.png"} for i in range(4)))
    rows = load_examples(SourceConfig(path))
    assert [example.row for example in rows[1:3]] == [1, 2]
    assert [example.row for example in rows.select([3, 0])[::-1]] == [0, 3]
    assert list(pickle.loads(pickle.dumps(rows))) == list(rows)
    assert rows[-1].row == 3
    with pytest.raises(IndexError):
        rows[4]


def colpali_like(pages: list[Path]) -> datasets.Dataset:
    """The columns of the ColPali train set, in small."""
    return datasets.Dataset.from_dict(
        {
            "image": [str(page) for page in pages],
            "image_filename": [f"set/{page.name}" for page in pages],
            "query": [f"what is on {page.name}?" for page in pages],
            "source": ["made"] * 4,
        },
        features=datasets.Features(
            {
                "image": datasets.Image(),
                **dict.fromkeys(("image_filename", "query", "source"), datasets.Value("string")),
            }
        ),
    )


def test_a_parquet_file_may_name_images_beside_it(pages: list[Path], tmp_path: Path) -> None:
    """What is not absolute starts where every other relative path starts, and not in the current folder."""
    rows = [{"query": "x", "image": {"bytes": None, "path": f"{name}.png"}} for name in ("0", "../x")]
    datasets.Dataset.from_list(rows).to_parquet(pages[0].parent / "rows.parquet")
    found = load_examples(SourceConfig(pages[0].parent / "rows.parquet"))
    assert found[0].documents[0].images == (pages[0],)
    with pytest.raises(DataError, match=r"row 1, column 'image': path \.\./x\.png is outside"):
        found[1]


@pytest.mark.parametrize("layout", ["saved", "saved_splits", "parquet_file", "parquet_folder"])
def test_datasets_layouts(pages: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: str) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    made, path = colpali_like(pages), tmp_path / "data"
    split = None
    if layout == "saved":
        made.save_to_disk(path)
    elif layout == "saved_splits":
        datasets.DatasetDict({"train": made, "test": made.select([0])}).save_to_disk(path)
        split = "train"
    else:
        path = tmp_path / "data" / "train-00000-of-00001.parquet"
        path.parent.mkdir()
        made.to_parquet(path)
        path = path.parent if layout == "parquet_folder" else path
    rows = load(path, split=split, instruction="Find.")
    assert [example.query.text for example in rows] == [f"what is on {i}.png?" for i in range(4)]
    assert [example.document_ids[0] for example in rows] == [f"set/{i}.png" for i in range(4)]
    reference = rows[2].documents[0].images[0]
    content = reference if isinstance(reference, bytes) else reference.read_bytes()
    assert content == pages[2].read_bytes(), "images must stay encoded until a worker decodes them"
    if layout == "saved_splits":
        with pytest.raises(DataError, match="several splits, train, test; choose one"):
            load(path)
        with pytest.raises(DataError, match="no split 'tarin', did you mean train"):
            load(path, split="tarin")


def test_lists_of_images_stay_encoded(pages: list[Path], tmp_path: Path) -> None:
    features = datasets.Features(
        {"query": datasets.Value("string"), "image": datasets.Image(), "negatives": datasets.List(datasets.Image())}
    )
    rows = {"query": ["q"], "image": [str(pages[0])], "negatives": [[str(pages[1]), str(pages[2])]]}
    datasets.Dataset.from_dict(rows, features=features).save_to_disk(tmp_path / "data")
    documents = load(tmp_path / "data")[0].documents
    assert [isinstance(document.images[0], (bytes, Path)) for document in documents] == [True] * 3


@pytest.mark.parametrize("suffix", [".csv", ".json"])
def test_plain_files(pages: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    made = datasets.Dataset.from_dict({"query": ["a", "b"], "positive": ["pages/0.png", "pages/1.png"]})
    path = tmp_path / f"rows{suffix}"
    made.to_csv(path) if suffix == ".csv" else made.to_json(path, lines=False)
    assert [example.documents[0].images[0] for example in load(path)] == pages[:2]


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        ([], {}, "holds no rows"),
        (["not json"], {}, r"(?s)none of its 1 rows can be read:.*row 0: not JSON .*each line must hold one complete"),
        ([{"positive": "x"}], {}, r"no column for 'query'.*columns: positive.*columns: \{query: NAME\}"),
        ([{"query": "x"}], {}, "no column for 'positive' .looked for positive, image, document"),
        (
            [{"querry": "x", "positive": "y"}],
            {"columns": {"query": "query"}},
            "no column 'query', did you mean querry.; columns: positive, querry",
        ),
        (
            [{"query": "x", "positive": "y"}],
            {"columns": {"qurey": "query"}},
            "columns.qurey: unknown, did you mean query",
        ),
        ([{"query": "x", "positive": "y"}], {"columns": {"query": ["query"]}}, "must be the name of one column"),
        ([{"query": "x", "positive": "y"}], {"image_root": "absent"}, "image_root absent is not a folder"),
        ([{"query": 3, "positive": "y"}], {}, "row 0, column 'query': 3 is int; a query must be text"),
        ([{"query": "x", "positive": None}], {}, "row 0: column 'positive' is null"),
        ([{"query": "x", "positive": "y"}, {"query": "z"}], {}, "row 1: column 'positive' is missing"),
        ([{"query": "x", "positive": "y"}, {"positive": "z"}], {}, "row 1: has no column 'query'"),
        ([{"query": "x", "positive": ["y"]}], {}, "list cannot be a document; write a row for"),
        (
            [{"query": "x", "positive": 7}],
            {},
            "'positive': int cannot be a document; if these are ids, .* documents: PATH",
        ),
        (
            [{"query": "x", "positive": {"text": 7}}],
            {},
            "'positive': input key 'text': 7 is int; it must be text",
        ),
        ([{"query": {"text": 7}, "positive": "y"}], {}, "column 'query': input key 'text': 7 is int; it must be text"),
        (
            [{"query": "x", "positive": "y", "instruction": 7}],
            {},
            "column 'instruction': 7 is int; it must be text",
        ),
        (
            [{"query": "x", "positive": "a/manual.pdf"}],
            {},
            "whole PDF file; name a page of it: a/manual.pdf#page=1",
        ),
        (
            [{"query": "x", "negatives": ["a/b.svg"], "positive": "y"}],
            {},
            "'negatives': a/b.svg is not an image .*convert it",
        ),
        ([{"query": "x", "positive": {"imgae": "y"}}], {}, "row 0, column 'positive': input key 'imgae': unknown"),
        ([{"query": "x", "positive": "../secret.png"}], {}, "is outside .*; set image_root to a folder"),
        ([{"query": "x", "positive": "/etc/secret.png"}], {}, "is outside .*; set image_root to a folder"),
        *(
            ([{"query": "x", "positive": positive}], {}, "is outside .*; set image_root to a folder")
            for undecoded in ({"bytes": None, "path": "/etc/secret.png"}, {"bytes": None, "path": "../secret.png"})
            for positive in (undecoded, {"image": undecoded}, {"video": undecoded})
        ),
        ([{"query": "x", "positive": "y"}, "{oops"], {}, "row 1: not JSON .*at column 2"),
        (
            [{"query": "x", "positive": "y"}, '{"query": "x",', {"query": "z", "positive": "y"}],
            {},
            "row 1: not JSON .*at column 15",
        ),
        ([{"query": "x", "positive": "y"}, "[1]"], {}, "row 1: a line must hold an object with columns, not list"),
        (
            [{"query": "x", "positive": "pages/absent.png"}],
            {},
            "row 0, column 'positive': image .*absent.png: no such file",
        ),
    ],
)
def test_bad_rows_and_columns(write_jsonl: Write, rows: list, options: dict, message: str) -> None:
    path = write_jsonl(*rows)
    with pytest.raises(DataError, match=message):
        load(path, **options)


def test_bad_sources(write_jsonl: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    path = write_jsonl({"query": "a", "positive": "b"})
    (tmp_path / "rows.parquet").write_text("not parquet")
    (tmp_path / "cut.json").write_text('[{"query": "a", "posi')
    (tmp_path / "rows.xlsx").write_text("")
    (tmp_path / "latin.jsonl").write_bytes(b'{"query": "caf\xe9"}\n')
    (tmp_path / "semicolons.csv").write_text("query;positive\na;b\n")
    (tmp_path / "several").mkdir()
    for split in ("train", "test"):
        (tmp_path / "several" / f"{split}.jsonl").write_bytes(path.read_bytes())
    cases = [
        (tmp_path / "trian.jsonl", {}, "no such file or folder, did you mean train.jsonl"),
        (tmp_path / "none" / "train.jsonl", {}, "there is no folder"),
        (tmp_path / "rows.xlsx", {}, "rows are read from .jsonl, .* not '.xlsx'; save the sheet as .csv"),
        (tmp_path / "rows.parquet", {}, "cannot be read as a data set"),
        (tmp_path / "cut.json", {}, "cut.json: cannot be read as a data set"),
        ("owner/name", {"split": "train"}, "owner/name: no such file or folder here, and the Hub is out of reach"),
        (tmp_path / "latin.jsonl", {}, "not UTF-8 .*; save it as UTF-8"),
        (tmp_path / "semicolons.csv", {}, r"first line is 'query;positive': columns of a .csv .* by ',', not by ';'"),
        ("owner/name", {}, "owner/name: no such file or folder here; as a data set on the Hub it needs a split"),
        (tmp_path / "several", {"split": "tset"}, "no split 'tset', did you mean test.; splits: test, train"),
        (path, {"max_samples": 0}, "max_samples is 0; it must be at least 1"),
        ("", {}, "path is empty"),
    ]
    for source, options, message in cases:
        with pytest.raises(DataError, match=message):
            load(source, **options)


def test_hub_data_sets_are_told_apart_from_missing_files(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise datasets.exceptions.DatasetNotFoundError(f"{name} does not exist")

    monkeypatch.setattr("smart_train.data.formats.parquet_and_hub.get_dataset_config_names", absent)
    with pytest.raises(DataError, match="owner/name: no such file or folder, and no data set of that name on the Hub"):
        load("owner/name", split="train")


def test_documents_of_a_corpus(pages: list[Path], write_jsonl: Write, tmp_path: Path) -> None:
    from_folder = load_documents(SourceConfig(tmp_path / "pages"))
    assert from_folder == [(page.name, ModelInput(images=(page,))) for page in pages]
    assert len(load_documents(SourceConfig(tmp_path / "pages", max_samples=3))) == 3
    path = write_jsonl({"image": "pages/1.png", "document_id": "one"}, {"image": "pages/2.png", "document_id": "two"})
    assert load_documents(SourceConfig(path)) == [
        ("one", ModelInput(images=(pages[1],))),
        ("two", ModelInput(images=(pages[2],))),
    ]


def test_marks_and_names_that_mean_text(write_jsonl: Write, tmp_path: Path) -> None:
    """A byte order mark, as editors on Windows write it, is no part of the first column's name. Words that end like a
    file's name are words."""
    path = write_jsonl({"query": "a", "positive": "Our terms are in terms.pdf"})
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert load(path)[0].documents == (ModelInput(text="Our terms are in terms.pdf"),)
    (tmp_path / "Our terms are in terms.pdf").write_text("")
    with pytest.raises(DataError, match="names a whole PDF file"):
        load(path)
