"""A file that is not UTF-8 text is told by its first bytes."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from smart_train.data.row_files import read_file
from smart_train.errors import DataError

ROWS = "query,positive\ncafé,b\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (ROWS.encode("utf-16"), "line 1: UTF-16 text, as Excel's Unicode Text is; save it as UTF-8"),
        (
            ROWS.encode("utf-16-le")[:30],
            "rows.csv: every other byte is 0, as in UTF-16 text without a mark; save it as",
        ),
        (ROWS.encode("latin-1"), r"line 2: not UTF-8 text \(.*byte 0xe9.*\); save it as UTF-8"),
        (gzip.compress(ROWS.encode(), mtime=0), "line 1: compressed by gzip; call it rows.csv.gz"),
        (b"PK\x03\x04\xff", "line 1: a zip or office file, whatever it is called; save the sheet or file in it as CSV"),
        (b"PAR1\xff", "line 1: a Parquet file; call it rows.parquet"),
    ],
)
def test_what_is_not_text_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_file(path)


def test_an_array_in_a_file_of_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('[\n{"query": "a"},\n{"query": "b"}\n]\n', encoding="utf-8")
    first = read_file(path).rows[0]
    assert str(first).endswith(
        "each line must hold one complete object; if the file is one array of objects, call it .json"
    )
