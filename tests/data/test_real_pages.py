"""data/real-pages: queries come from a PDF's own structure and are answered by one page alone."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

from smart_train.data import SourceConfig, check_examples, load_examples
from tests.pdf_files import make_pdf, words

pytest.importorskip("pypdfium2")
FOLDER = Path(__file__).parents[2] / "data" / "real-pages"


@pytest.fixture(scope="module")
def builder() -> ModuleType:
    spec = importlib.util.spec_from_file_location("real_pages_build", FOLDER / "build.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def manuals(tmp_path: Path) -> Path:
    """Two manuals: contents, three content pages, an index whose printed numbers start after the contents."""
    folder = tmp_path / "pdf"
    folder.mkdir()
    for name in ("alpha", "beta"):
        body = [
            [f"{i} Marvellous {name} topic {i}", *words(f"{name} {i}"), f"term{name}{i} is here"] for i in (1, 2, 3)
        ]
        contents = ["Contents"]
        for i, page in enumerate(body, start=1):
            contents += [f"{line} . . . . . . {i}" for line in (page[0], *page[2:5])]
        terms = [f"term{name}{i} . . . . . . . {i}" for i in (1, 2, 3)]
        terms += [f"{line.split()[0]}, {i}, 9" for i, page in enumerate(body, start=1) for line in page[1:4]]
        index = ["Index", *sorted(terms)]
        outline = [(f"{i}. Marvellous {name} topic {i}", i) for i in (1, 2, 3)] + [("Index", 4)]
        make_pdf(folder / f"{name}.pdf", [contents, *body, index], outline)
    return folder


def test_queries_are_answered_by_one_page_of_the_right_document(
    builder: ModuleType, manuals: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "built"
    arguments = ["--output", str(output), "--pdf-dir", str(manuals), "--dpi", "40"]
    builder.main(arguments)
    manifest = json.loads((output / "manifest.json").read_text())
    for split, name in (("train", "alpha"), ("held_out", "beta")):
        rows = [json.loads(line) for line in (output / f"{split}.jsonl").read_text().splitlines()]
        by_kind = {kind: [row for row in rows if row["kind"] == kind] for kind in ("bookmark", "index", "snippet")}
        # Contents and index hold the headings and terms too; they are no pages of the set.
        assert {row["document_id"] for row in rows} == {f"{name}-000{page}" for page in (1, 2, 3)}
        found = {(row["query"], row["document_id"]) for row in by_kind["bookmark"]}
        assert found == {(f"Marvellous {name} topic {page}", f"{name}-000{page}") for page in (1, 2, 3)}
        found = {(row["query"], row["document_id"]) for row in by_kind["index"]}
        assert found == {(f"term{name}{page}", f"{name}-000{page}") for page in (1, 2, 3)}
        assert len(by_kind["snippet"]) == 3
        assert manifest["splits"][split]["kinds"] == {"bookmark": 3, "index": 3, "snippet": 3}
        with Image.open(output / rows[0]["positive"]) as image:
            assert image.size == (340, 440)
    rows, report = check_examples(load_examples(SourceConfig(output, split="held_out")))
    assert report.summary() == "9 rows"
    capsys.readouterr()
    builder.main(arguments)
    assert "already built" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="other parameters .dpi 40 there, 60 requested"):
        builder.main(arguments[:-2])


def test_a_second_answer_disqualifies_a_query(builder: ModuleType) -> None:
    module = sys.modules["page_queries"]
    pages = [module.Page(i, text, module.as_words(text)) for i, text in enumerate(["one two three", "two three four"])]
    assert module.answers_alone("One, two", pages[0], pages)
    assert not module.answers_alone("two three", pages[0], pages)
    assert not module.answers_alone("wo thr", pages[0], pages), "words count, not letters"


def test_bad_arguments_and_files(builder: ModuleType, manuals: Path, tmp_path: Path) -> None:
    output = ["--output", str(tmp_path / "built")]
    with pytest.raises(SystemExit, match="1 PDF files; at least 2"):
        (manuals / "beta.pdf").rename(tmp_path / "beta.pdf")
        builder.main([*output, "--pdf-dir", str(manuals)])
    (manuals / "gamma.pdf").write_text("no PDF")
    with pytest.raises(SystemExit, match="gamma.pdf: cannot be read as PDF"):
        builder.main([*output, "--pdf-dir", str(manuals)])
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "note").write_text("mine")
    with pytest.raises(SystemExit, match="is not a real-pages data set"):
        builder.main(["--output", str(tmp_path / "kept"), "--pdf-dir", str(manuals)])
    assert not (tmp_path / "built").exists()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")], "no scratch folder is left behind"


def test_packages_that_cannot_be_had_are_all_named(
    builder: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builder, "download", lambda package, cache: {package: f"{package}: unable to locate"})
    documents = [
        builder.Document("a", "train", "package-a", "usr/share/doc/smart-train-none/a.pdf"),
        builder.Document("b", "held_out", "package-b", "usr/share/doc/smart-train-none/b.pdf"),
    ]
    with pytest.raises(SystemExit) as caught:
        builder.obtain(documents, tmp_path)
    for expected in ("package-a: unable to locate", "package-b: unable to locate", "--pdf-dir"):
        assert expected in str(caught.value)
