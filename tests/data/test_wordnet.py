"""data/wordnet: nouns that name one thing, definitions that are one thing's."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parents[2] / "data" / "wordnet"
# The form of data.noun; words and definitions are this test's own.
SOURCE = """  1 A licence stands before the synsets, two blanks in front of each line.
00000011 03 n 01 plain_thing 0 001 @ 00000099 n 0000 | a thing with one name and nothing more
00000022 03 n 02 first 0 second 0 000 | a thing with two names; "the first of them is asked"; "an example"
00000033 03 n 0b a1 0 a2 0 a3 0 a4 0 a5 0 a6 0 a7 0 a8 0 a9 0 b0 0 b1 0 000 | eleven names, counted in hexadecimal
00000044 03 n 01 bank 0 000 | land beside a river
00000055 03 n 01 bank 1 000 | a house for money
00000066 03 n 01 twin 0 000 | a definition that two have
00000077 03 n 01 double 0 000 | a definition that two have
00000088 03 n 01 terse 0 000 | too short
00000099 03 n 01 other 0 000 | the other thing; with a semicolon of its own
"""


@pytest.fixture(scope="module")
def builder() -> ModuleType:
    spec = importlib.util.spec_from_file_location("wordnet_build", FOLDER / "build.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_only_nouns_with_one_meaning_and_a_definition_of_their_own(builder: ModuleType) -> None:
    found = {row["query"]: row["positive"] for row in builder.read_nouns(SOURCE)}
    assert found == {
        "plain thing": "a thing with one name and nothing more",
        "first": "a thing with two names",
        "a1": "eleven names, counted in hexadecimal",
        "other": "the other thing; with a semicolon of its own",
    }


def test_nouns_are_drawn_and_split(builder: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nouns = tmp_path / "cache" / "unpacked" / builder.NOUNS
    nouns.parent.mkdir(parents=True)
    nouns.write_text(SOURCE)
    cache = ["--cache", str(tmp_path / "cache")]
    builder.main(["--output", str(tmp_path / "built"), *cache, "--nouns", "3", "--held-out", "1"])
    parts = {
        name: [json.loads(line) for line in (tmp_path / "built" / f"{name}.jsonl").read_text().splitlines()]
        for name in ("train", "held_out")
    }
    assert {name: len(rows) for name, rows in parts.items()} == {"train": 2, "held_out": 1}
    assert len({row["document_id"] for rows in parts.values() for row in rows}) == 3
    with pytest.raises(SystemExit):
        builder.main(["--output", str(tmp_path / "bad"), *cache, "--nouns", "3", "--held-out", "3"])
    monkeypatch.setattr(sys.modules["debian_packages"], "download", lambda *_: {})
    with pytest.raises(SystemExit, match="wordnet-base: holds no usr/share/wordnet/data.noun"):
        builder.main(["--output", str(tmp_path / "bad"), "--cache", str(tmp_path / "empty")])
