"""Rows of .jsonl, .csv and .tsv files stay in their files: the same rows as a file read whole gives, few bytes of each
in memory, none of them sent to loader workers, and a file that changes under a run is noticed."""

from __future__ import annotations

import csv
import gzip
import json
import os
import pickle
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from smart_train.data import SourceConfig, load_examples
from smart_train.data.row_files import read_file
from smart_train.errors import DataError

LINES = [
    b'{"query": "a", "positive": "text"}',
    b"",
    b'{"query": "b", "positive": {"text": "a mapping"}, "negatives": "one"}',
    b"  \t ",
    "\u00a0\u2003".encode(),
    '{"query": "c\u2028d\u0085e", "negatives": ["one", {"image": "two.png"}]}'.encode(),
    b'{"query": 7, "positive": null, "other": [1, 2.50, 1e3, true]}',
    b"{oops",
    b"[1]",
    b' {"query": "\\ud83d half", "query": "the last of two"} ',
]
ROWS = ["query,positive,negatives", 'a,"two\r\nlines ""quoted""","[""x"", ""y""]"', "", "b,,", "c,d", "\u00fc,\u2028,["]


def whole_jsonl(path: Path) -> tuple[list[Any], list[int]]:
    """The reading that holds every row: what a place in the file must give again."""
    rows, numbers = [], []
    unpack = gzip.open if path.suffix == ".gz" else open
    with unpack(path, "rt", encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines):
            if line.strip():
                numbers.append(number)
                try:
                    rows.append(json.loads(line.rstrip("\r\n")))
                except json.JSONDecodeError:
                    rows.append(None)
    return [row if isinstance(row, dict) else None for row in rows], numbers


def readable(rows: Any) -> list[Any]:
    return [None if isinstance(row, DataError) else row for row in rows]


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("last", [b"", b"\n", b"\r\n\n \n"])
@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.gz"])
def test_lines_are_those_of_the_file_read_whole(
    tmp_path: Path, ending: bytes, mark: bytes, last: bytes, name: str
) -> None:
    path, content = tmp_path / name, mark + ending.join(LINES) + last
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    table = read_file(path)
    rows, numbers = whole_jsonl(path)
    assert readable(table.rows) == rows and list(table.numbers or []) == numbers == [0, 2, 5, 6, 7, 8, 9]
    assert list(table.columns) == ["query", "positive", "negatives", "other"]
    assert str(table.rows[4]).startswith(f"{path}, row 7: not JSON (Expecting property name")
    assert readable(table.rows[1:3]) == rows[1:3] and readable(table.rows[::-2]) == rows[::-2]
    assert readable(table.head(2).rows) == readable(read_file(path, 2).rows) == rows[:2] and table.rows[-1] == rows[-1]
    assert readable(pickle.loads(pickle.dumps(table.rows))) == rows


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("name", ["rows.csv", "rows.tsv", "rows.csv.gz"])
def test_cells_are_those_of_the_file_read_whole(tmp_path: Path, ending: str, name: str) -> None:
    path, delimiter = tmp_path / name, "\t" if ".tsv" in name else ","
    content = "\ufeff" + ending.join(ROWS).replace(",", delimiter) + ending
    path.write_bytes(gzip.compress(content.encode()) if path.suffix == ".gz" else content.encode())
    table = read_file(path)
    if name == "rows.csv":
        with path.open(encoding="utf-8-sig", newline="") as file:
            header, *cells = [row for row in csv.reader(file, strict=True) if row]
        assert table.columns == header and table.rows[0]["positive"] == cells[0][1] == 'two\r\nlines "quoted"'
        assert table.rows[0]["negatives"] == ["x", "y"]
    assert table.rows[1] == {"query": "b", "positive": None, "negatives": None}
    assert str(table.rows[2]) == (
        f"{path}, row 2: has 2 cells, the header has 3; quote cells that contain the delimiter"
    )
    assert str(table.rows[3]).startswith(f"{path}, row 3, column 'negatives': not a list in JSON (")
    assert table.rows[1:2][0] == table.rows[1] and len(read_file(path, 2).rows) == 2
    assert readable(pickle.loads(pickle.dumps(table.rows))) == readable(table.rows)


@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
def test_a_row_takes_few_bytes_here_and_in_a_worker(tmp_path: Path, suffix: str) -> None:
    count, path = 4000, tmp_path / f"rows.{suffix}"
    rows = [{"query": f"question {n} " + "x" * 500, "positive": f"answer {n} " + "y" * 500} for n in range(count)]
    with path.open("w", newline="") as file:
        if suffix == "jsonl":
            file.writelines(json.dumps(row) + "\n" for row in rows)
        else:
            writer = csv.DictWriter(file, ["query", "positive"])
            writer.writeheader()
            writer.writerows(rows)
    read_file(path)  # what is imported and cached on the way is not of the rows
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    examples = load_examples(SourceConfig(path))
    held = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert held < 24 * count, "8 bytes for where a row begins, and its number while the file is read"
    assert len(pickle.dumps(examples)) < 10 * count
    chosen = examples.select(range(1, count, 2))
    assert len(pickle.dumps(chosen)) < 14 * count and chosen[3].query.text == rows[7]["query"]


def test_a_file_that_changes_under_a_run_is_noticed_and_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    content = "".join(json.dumps({"query": f"question {n}", "positive": "p"}) + "\n" for n in range(3))
    path.write_text(content)
    examples = load_examples(SourceConfig(path))
    sent = pickle.dumps(examples)
    os.utime(path, (1, 1))
    assert examples[0].query.text == "question 0", "only touched"
    with path.open("a") as file:
        file.write(json.dumps({"query": "question 3", "positive": "p"}) + "\n")
    assert [example.query.text for example in examples] == ["question 0", "question 1", "question 2"], "only longer"
    assert pickle.loads(sent)[2].query.text == "question 2"
    path.write_text(content.replace("question 1", "question 9"))
    for rows in (examples, pickle.loads(sent)):
        with pytest.raises(DataError, match=r"rows.jsonl: was changed after its rows were read; .* start anew with"):
            rows[1]
    path.write_text(content[:40])
    with pytest.raises(DataError, match="rows.jsonl: was changed after its rows were read"):
        examples[0]
    path.write_text(content)
    assert examples[1].query.text == "question 1", "put back"
    path.unlink()
    assert examples[1].query.text == "question 1", "still open"
    with pytest.raises(DataError, match=r"rows.jsonl: is not there any more \(No such file"):
        pickle.loads(sent)[0]


def test_a_file_that_is_replaced_as_a_whole_goes_on_as_it_was_read(tmp_path: Path) -> None:
    path, other = tmp_path / "rows.jsonl", tmp_path / "other.jsonl"
    path.write_text('{"query": "a", "positive": "p"}\n')
    other.write_text('{"query": "b", "positive": "p"}\n')
    examples = load_examples(SourceConfig(path))
    sent = pickle.dumps(examples)
    os.replace(other, path)
    assert examples[0].query.text == "a"
    with pytest.raises(DataError, match="rows.jsonl: was changed after its rows were read"):
        pickle.loads(sent)[0]


def test_threads_read_cells_that_are_longer_than_the_csv_modules_bound(tmp_path: Path) -> None:
    bound, path = csv.field_size_limit(), tmp_path / "rows.csv"
    cells = [str(number) * (200_000 if number % 2 else 10) for number in range(10)]
    path.write_text("query,positive\n" + "".join(f"q,{cell}\n" for cell in cells))
    rows = read_file(path).rows
    with ThreadPoolExecutor(8) as pool:
        read = list(pool.map(lambda place: rows[place % 10]["positive"], range(200)))
    assert read == cells * 20 and csv.field_size_limit() == bound


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('{"query": ' + "1" * 5000 + "}", "row 0: holds JSON that is not read (Exceeds the limit"),
        ('{"query": ' + "[" * 100_000 + "]" * 100_000 + "}", "row 0: holds JSON that is not read (maximum recursion"),
    ],
)
def test_numbers_and_brackets_without_end_are_errors_of_their_rows(tmp_path: Path, line: str, told: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(line + '\n{"query": "a", "positive": "p"}\n')
    rows = read_file(path).rows
    assert told in str(rows[0]) and rows[1]["query"] == "a"
    path = tmp_path / "rows.csv"
    path.write_text('query,negatives\nq,"' + line.removeprefix('{"query": ').removesuffix("}") + '"\n')
    if line.startswith('{"query": ['):
        assert "row 0, column 'negatives': not a list in JSON that is read (" in str(read_file(path).rows[0])


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("rows.jsonl", b'{"query": "a"}\n\n{"query": "\xff"}\n', "rows.jsonl, row 2: not UTF-8 text"),
        ("rows.csv", b"query,positive\na,b\n\xff,c\n", "rows.csv, line 3: not UTF-8 text"),
    ],
)
def test_other_encodings_are_told_with_their_line(tmp_path: Path, name: str, content: bytes, told: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=told):
        read_file(tmp_path / name)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_quote_that_takes_further_rows_into_its_own_is_an_error(tmp_path: Path, end: str) -> None:
    """MS MARCO and TREC write tab-separated values and quote nothing."""
    path = tmp_path / "queries.tsv"
    lines = ["query\tpositive", 'q1\t"5 inches', "q2\td2", 'q3\tsize 5"', "q4\td4", '"q5"\t"first\nsecond"', ""]
    path.write_bytes(end.join(lines).encode())
    first, second, third = read_file(path).rows
    assert str(first).startswith(
        f"{path}, row 0: a quote opens in one line and closes in a later one, and each of these"
    )
    assert second["positive"] == "d4" and third == {"query": "q5", "positive": "first\nsecond"}


def test_a_table_in_a_cell_of_a_file_that_quotes_every_cell(tmp_path: Path) -> None:
    path = tmp_path / "rows.tsv"
    path.write_text('"query"\t"positive"\n"What goes in?"\t"To mix\nflour\t200 g\nsugar\t100 g"\n"How?"\t"Bake."\n')
    first, second = read_file(path).rows
    assert first["positive"] == "To mix\nflour\t200 g\nsugar\t100 g" and second["query"] == "How?"


def test_commas_in_a_text_of_several_lines_are_not_rows(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text('query,positive\nq1,"one\ntwo, three"\n')
    assert read_file(path).rows[0]["positive"] == "one\ntwo, three"


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ('["x", "y"]', ["x", "y"]),
        ("['x', 'it''s \"y\"']".replace("''", "\\'"), ["x", 'it\'s "y"']),
        ("[0.5, 1]", "[0.5, 1]"),  # an answer
        ("[]", []),
        ("[1] Kopp et al.", "[1] Kopp et al."),
        ("['x' 'y']", "['x' 'y']"),  # of numpy; as a text it is refused by the reader of rows
    ],
)
def test_lists_of_flag_embedding_in_a_csv_file(tmp_path: Path, cell: str, value: Any) -> None:
    path = tmp_path / "rows.csv"
    quoted = cell.replace('"', '""')
    path.write_text(f'query,pos\nq1,"{quoted}"\n')
    assert read_file(path).rows[0]["pos"] == value


def test_scores_of_flag_embedding_in_a_csv_file_are_numbers(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text('query,pos,pos_scores\nq1,"[""x""]","[0.5]"\n')
    assert read_file(path).rows[0] == {"query": "q1", "pos": ["x"], "pos_scores": [0.5]}


def test_a_list_that_python_printed_is_a_list_of_negatives(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("query,positive,negatives\nq1,p,\"['x', 'y']\"\nq2,p,\"['x' 'y']\"\nq3,p,\"[{'a': 'b'}]\"\n")
    table = read_file(path)
    assert table.rows[0]["negatives"] == ["x", "y"]
    for row in (1, 2):
        assert str(table.rows[row]).startswith(f"{path}, row {row}, column 'negatives': not a list in JSON (")
