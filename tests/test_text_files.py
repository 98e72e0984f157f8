"""Text files are UTF-8, whatever the user's locale says."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]


def _without_encoding(tree: ast.AST) -> list[int]:
    """Lines of calls that would read or write text in the locale's encoding."""
    found = []
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call) or any(keyword.arg == "encoding" for keyword in call.keywords):
            continue
        name = getattr(call.func, "attr", getattr(call.func, "id", ""))
        given = [item.value for item in call.args if isinstance(item, ast.Constant)]
        reads = name == "read_text" and not call.args
        writes = name == "write_text" and len(call.args) == 1
        opens = name == "open" and any(mode in ("r", "w", "a", "x", "rt", "wt") for mode in given)
        if reads or writes or opens:
            found.append(call.lineno)
    return found


def test_the_rule_sees_what_it_should() -> None:
    bad = "p.read_text()\np.write_text(t)\np.open('w')\nopen(p, 'a')"
    good = "p.read_text('utf-8')\np.write_text(t, encoding='utf-8')\np.open('rb')\nImage.open(p)"
    assert _without_encoding(ast.parse(bad)) == [1, 2, 3, 4] and not _without_encoding(ast.parse(good))


def test_every_text_file_is_read_and_written_as_utf_8() -> None:
    files = [path for part in ("smart_train", "data", "benchmarks") for path in (ROOT / part).rglob("*.py")]
    found = {
        str(path.relative_to(ROOT)): lines
        for path in files
        if (lines := _without_encoding(ast.parse(path.read_text(encoding="utf-8"))))
    }
    assert found == {}
