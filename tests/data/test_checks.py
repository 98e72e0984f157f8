"""check_examples: all problems at once, each with file and row; `skip` keeps the rest."""

from __future__ import annotations

import base64
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from smart_train.data import ExampleRows, SourceConfig, check_examples, load_examples
from smart_train.errors import DataError

Write = Callable[..., Path]


@pytest.fixture
def mixed(pages: list[Path], write_jsonl: Write, tmp_path: Path) -> ExampleRows:
    """Rows 0 and 6 are sound, 1 to 5 are not."""
    (tmp_path / "pages" / "cut.png").write_bytes(pages[0].read_bytes()[:50])
    path = write_jsonl(
        {"query": "sound", "positive": "pages/0.png"},
        {"query": "  ", "positive": "pages/0.png"},
        {"query": "broken page", "positive": "pages/cut.png", "document_id": "cut"},
        {"query": "no page", "positive": "pages/absent.png"},
        "{not json",
        {"query": "bad negative", "positive": "pages/0.png", "negative_0": ""},
        {"query": "sound too", "positive": "pages/1.png"},
    )
    return load_examples(SourceConfig(path))


def test_fail_lists_every_problem(mixed: ExampleRows) -> None:
    with pytest.raises(DataError) as caught:
        check_examples(mixed)
    message = str(caught.value)
    assert message.startswith("5 of 7 rows cannot be used (data.on_error: skip leaves them out)")
    for expected in (
        "row 1: the query is empty (column 'query'); write one, or remove the row",
        "row 2: image",
        "cut.png: cannot be decoded",
        "(column 'positive')",
        "row 3, column 'positive': image",
        "absent.png: no such file",
        "row 4: not JSON",
        "row 5: the negative 0 is empty (column 'negative_0'); name a document, or remove the row",
    ):
        assert expected in message


def test_skip_keeps_the_sound_rows_and_reports_the_others(mixed: ExampleRows) -> None:
    kept, report = check_examples(mixed, on_error="skip")
    assert [example.row for example in kept] == [0, 6]
    assert (report.total, report.kept, len(report.problems)) == (7, 2, 5)
    assert report.summary().startswith("2 of 7 rows, 5 skipped:\n")
    again, clean = check_examples(list(kept))
    assert [example.row for example in again] == [0, 6]
    assert clean.summary() == "2 rows"


def test_rows_of_one_cause_are_one_line_with_their_number(write_jsonl: Write) -> None:
    broken = [{"query": f"q{n}", "positive": f"pages/{n}.png"} for n in range(30)]
    rows = load_examples(SourceConfig(write_jsonl({"query": "", "positive": "text"}, *broken)))
    with pytest.raises(DataError, match="31 of 31 rows cannot be used") as caught:
        check_examples(rows)
    _, empty, missing = str(caught.value).splitlines()
    assert "row 0: the query is empty" in empty and "more like it" not in empty
    assert "row 1, column 'positive'" in missing and "pages/0.png: no such file" in missing
    assert missing.endswith("(and 29 more like it: rows 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, ...)")


def test_no_rows_left(write_jsonl: Write) -> None:
    rows = load_examples(SourceConfig(write_jsonl({"query": "", "positive": "text"})))
    with pytest.raises(DataError, match="no rows are left of 1:\n.*row 0: the query is empty"):
        check_examples(rows, on_error="skip")
    with pytest.raises(DataError, match="there are no rows"):
        check_examples([])


def test_too_few_negatives_are_found_before_training(pages: list[Path], write_jsonl: Write) -> None:
    path = write_jsonl({"query": "a", "positive": "pages/0.png", "negative_0": "pages/1.png"})
    rows = load_examples(SourceConfig(path))
    assert check_examples(rows, negatives_per_query=1)[1].problems == []
    with pytest.raises(DataError, match="row 0: has 1 explicit negatives, but data.negatives_per_query is 2"):
        check_examples(rows, negatives_per_query=2)


def test_a_page_under_many_queries_is_decoded_once(pages: list[Path], write_jsonl: Write) -> None:
    rows = load_examples(SourceConfig(write_jsonl(*({"query": f"q{i}", "positive": "pages/0.png"} for i in range(9)))))
    decoded: list[object] = []
    check_examples(rows, workers=1, decode=decoded.append)
    assert decoded == [pages[0]]


def test_missing_teachers_scores_are_found_before_training(pages: list[Path], write_jsonl: Write) -> None:
    row = {"query": "a", "positive": "pages/0.png", "negative_0": "pages/1.png"}
    rows = load_examples(SourceConfig(write_jsonl({**row, "scores": [1.0, 0.5]}, row, {**row, "scores": [1.0, None]})))
    assert check_examples(rows, negatives_per_query=1)[1].problems == []
    with pytest.raises(DataError) as caught:
        check_examples(rows, negatives_per_query=1, scores=True)
    first, second = str(caught.value).splitlines()[1:]
    assert "row 1: has no score for its positive; objective.distillation" in first
    assert "row 2: has no score for its negative 0" in second


def test_what_the_model_does_not_read_is_found_before_training(pages: list[Path], write_jsonl: Write) -> None:
    row = {"query": "a", "positive": "a text"}
    rows = load_examples(SourceConfig(write_jsonl(row, {**row, "positive": {"image": "pages/0.png"}}, row)))
    assert check_examples(rows, reads=("text", "image"))[1].problems == []
    with pytest.raises(DataError) as caught:
        check_examples(rows, reads=("text",))
    expected = (
        "row 1: holds image (column 'positive'), but the model reads only text; choose a model that reads image, or "
        "remove the row (pages of PDF files have a text: pages_as: text in a recipe, --pages-as text on the command "
        "line; scans and pictures have one by OCR: pip install 'smart_train[ocr]')"
    )
    assert str(caught.value).splitlines()[1].strip().endswith(expected)
    kept, _ = check_examples(rows, "skip", reads=("text",))
    assert [example.row for example in kept] == [0, 2]


def test_one_id_for_several_documents_is_named_with_its_rows(pages: list[Path], write_jsonl: Write) -> None:
    """Training would take documents of one id for the same document, and every candidate for a known answer."""
    rows = [{"query": f"find page {i}", "positive": f"pages/{i}.png", "document_id": "manual.pdf"} for i in range(4)]
    path = write_jsonl(*rows, {"query": "other", "positive": "pages/0.png", "document_id": "page"})
    with pytest.raises(DataError, match="4 of 5 rows cannot be used") as caught:
        check_examples(load_examples(SourceConfig(path)))
    (line,) = str(caught.value).splitlines()[1:]
    assert line.strip().startswith(
        f"{path}, row 0: the document id 'manual.pdf' is given to another document in {path}, row 1 (column "
        "'document_id'); give each document its own id"
    )
    assert line.endswith("(and 3 more like it: rows 1, 2, 3)")
    kept, report = check_examples(load_examples(SourceConfig(path)), "skip")
    assert [row.row for row in kept] == [4] and report.documents == 1


@pytest.mark.parametrize("held", ["files", "memory"])
def test_one_id_for_copies_of_a_document_is_in_order(pages: list[Path], write_jsonl: Write, held: str) -> None:
    copy = pages[0].with_name("copy.png")
    copy.write_bytes(pages[0].read_bytes())
    uri = "data:image/png;base64," + base64.b64encode(pages[0].read_bytes()).decode()
    names = ("pages/0.png", "pages/copy.png") if held == "files" else ("pages/0.png", uri)
    path = write_jsonl(*({"query": f"q{i}", "positive": name, "document_id": "d"} for i, name in enumerate(names)))
    _, report = check_examples(load_examples(SourceConfig(path)))
    assert report.problems == [] and report.documents == 1
    texts = write_jsonl(*({"query": f"q{i}", "positive": text, "document_id": "d"} for i, text in enumerate("ab")))
    with pytest.raises(DataError, match="the document id 'd' is given to another document"):
        check_examples(load_examples(SourceConfig(texts)))


def test_the_report_says_what_rows_hold_and_which_columns_were_read(pages: list[Path], write_jsonl: Write) -> None:
    path = write_jsonl(
        {"query": "a", "positive": "pages/0.png", "negatives": ["pages/1.png", "pages/2.png"], "hard": ["x"]},
        {"query": {"text": "b", "image": "pages/3.png"}, "positive": "a page of words", "width": 8},
        {"query": "", "positive": "pages/1.png"},
    )
    _, report = check_examples(load_examples(SourceConfig(path)), "skip", negatives_per_query=0)
    assert dict(report.details()) == {
        "inputs": "queries: 1 text, 1 text and image; positives: 1 image, 1 text; negatives: 2 image",
        "columns": "query, positive, negatives; ignored: hard, width",
    }
    assert report.documents == 2, "negatives that are not used are not candidates"


def test_checking_a_row_takes_little_memory_beside_its_keys(tmp_path: Path) -> None:
    count, path = 4000, tmp_path / "rows.jsonl"
    rows = [{"query": f"q {n}", "positive": f"p {n} x", "negatives": [f"a {n} x", f"b {n} x"]} for n in range(count)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    examples = load_examples(SourceConfig(path))
    check_examples(examples[:10])
    tracemalloc.start()
    _, report = check_examples(examples, workers=2)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert report.documents == count
    assert peak < 1100 * count, "three ids and three keys"
