"""Files that a user may edit: a second call replaces what it wrote itself, and nothing else."""

from __future__ import annotations

from pathlib import Path

from smart_train.utils.edited_files import write_unless_edited


def test_what_was_edited_stays_and_the_new_text_lies_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    assert write_unless_edited(path, "a: 1\n") == path
    assert write_unless_edited(path, "a: 2\n") == path and path.read_text() == "a: 2\n", "nobody touched it"
    path.write_text("a: 2\nmine: true\n")
    assert write_unless_edited(path, "a: 3\n") == tmp_path / "recipe.2.yaml"
    assert write_unless_edited(path, "a: 4\n") == tmp_path / "recipe.2.yaml"
    assert path.read_text() == "a: 2\nmine: true\n"
    assert (tmp_path / "recipe.2.yaml").read_text() == "a: 4\n"


def test_a_file_of_unknown_origin_counts_as_edited_unless_it_says_the_same(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("a: 1\n")
    assert write_unless_edited(path, "a: 2\n").name == "recipe.2.yaml"
    assert write_unless_edited(path, "a: 1\n") == path
    assert path.read_text() == "a: 1\n"


def test_an_editor_that_writes_another_encoding_has_edited_too(tmp_path: Path) -> None:
    path = write_unless_edited(tmp_path / "recipe.yaml", "a: 1\n")
    path.write_bytes("name: Müller\n".encode("latin-1"))
    assert write_unless_edited(path, "a: 2\n").name == "recipe.2.yaml"
    assert path.read_bytes() == "name: Müller\n".encode("latin-1")
