"""Judged sets whose judgements, instructions and images stand under names of their own."""

from __future__ import annotations

from pathlib import Path

import datasets
import pytest

from smart_train.errors import DataError, LeftOut
from smart_train.types import ModelInput
from tests.data.test_layouts import beir, lines, load


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "hf"))


@pytest.mark.parametrize("column", ["rel", "label", "relevance_score"])
def test_grades_under_other_names(tmp_path: Path, column: str) -> None:
    """Without them, what is judged 0 would be an answer."""
    folder = beir(tmp_path / "set")
    for file in (folder / "qrels").iterdir():
        file.unlink()
    (folder / "qrels" / "test.tsv").write_text(f"query-id\titer\tcorpus-id\t{column}\nq1\t0\td0\t2\nq1\t0\td1\t0\n")
    (row,) = load(folder)
    assert row.grade == 2 and row.document_ids[0] == "d0"


def test_a_column_that_may_hold_grades_is_not_passed_over(tmp_path: Path) -> None:
    folder = beir(tmp_path / "set")
    for file in (folder / "qrels").iterdir():
        file.unlink()
    judgements = folder / "qrels" / "test.tsv"
    judgements.write_text("query-id\tcorpus-id\tutility\nq1\td0\t1\nq1\td1\t0\n")
    with pytest.raises(
        DataError, match=r"qrels: no column for the grades .*, and 'utility' may hold them; rename it sc"
    ):
        load(folder)
    for column, first, second in (("language", "en", "de"), ("page", 3, 7), ("label", "relevant", "relevant")):
        judgements.write_text(f"query-id\tcorpus-id\t{column}\nq1\td0\t{first}\nq1\td1\t{second}\n")
        assert [row.grade for row in load(folder)] == [1, 1], column
    judgements.write_text("query-id\tcorpus-id\tlabel\nq1\td0\trelevant\nq1\td1\tirrelevant\n")
    with pytest.raises(DataError, match="qrels: column 'label' is 'irrelevant' or the like in 1 rows, which says"):
        load(folder)
    judgements.write_text("query-id\tcorpus-id\tlabel\nq1\td0\t1\nq1\td1\tx\n")
    with pytest.raises(DataError, match="row 1, column 'label': 'x' is not a grade"):
        list(load(folder))


@pytest.mark.parametrize("card", [False, True])
def test_instructions_and_candidates_of_mteb(tmp_path: Path, card: bool) -> None:
    folder = beir(tmp_path / "set")
    for file in (folder / "qrels").iterdir():
        file.unlink()
    (folder / "qrels").rmdir()
    judged = [{"query-id": f"q{number + 1}", "corpus-id": f"d{number}", "score": 1} for number in range(2)]
    lines(folder / "qrels.jsonl", *judged)
    lines(folder / "instruction.jsonl", {"query-id": "q1", "instruction": "Find the red one."})
    lines(folder / "top_ranked.jsonl", {"query-id": "q1", "corpus-ids": ["d0"]})
    if card:
        (folder / "data").mkdir()
        parts = ("queries", "corpus", "qrels", "instruction", "top_ranked")
        for part in parts:
            (folder / f"{part}.jsonl").rename(folder / "data" / f"{part}.jsonl")
        configs = [f"- {{config_name: {name}, data_files: [{{split: test, path: data/{name}.jsonl}}]}}"
                   for name in parts]  # fmt: skip
        (folder / "README.md").write_text("\n".join(["---", "configs:", *configs, "---"]))
    with pytest.warns(LeftOut, match="set: top_ranked is not read: the whole corpus is ranked for every query"):
        first, second = load(folder, instruction="Find.")
    assert first.query.instruction == "Find the red one." and second.query.instruction == "Find."


def test_queries_with_paths_of_images(pages: list[Path], tmp_path: Path) -> None:
    folder = beir(tmp_path / "set")
    lines(folder / "queries.jsonl", {"_id": "q1", "text": "this?", "image_path": "pages/0.png"},
          {"_id": "q2", "text": "red?", "image_path": None})  # fmt: skip
    first, *_, last = load(folder, split="test", image_root=tmp_path)
    assert first.query.text == "this?" and [image.name for image in first.query.images] == ["0.png"]
    assert last.query == ModelInput("red?")


def test_sets_of_several_languages(tmp_path: Path) -> None:
    """As mteb keeps them: a configuration of each part for every language."""
    configs = []
    for language in ("english", "german"):
        folder = beir(tmp_path / language)
        for part in ("queries", "corpus"):
            configs.append(
                f"- {{config_name: {language}-{part}, data_files: [{{split: test, path: {language}/{part}.jsonl}}]}}"
            )
        judged = {"query-id": "q1", "corpus-id": "d0" if language == "english" else "d3", "score": 1}
        lines(folder / "judged.jsonl", judged)
        configs.append(
            f"- {{config_name: {language}-qrels, data_files: [{{split: test, path: {language}/judged.jsonl}}]}}"
        )
    (tmp_path / "README.md").write_text("\n".join(["---", "configs:", *configs, "---"]))
    (row,) = load(tmp_path, subset="german", split="test")
    assert row.query == ModelInput("red?") and row.document_ids == ("d3",)
    with pytest.raises(DataError, match="holds the sets english, german; choose one, for example subset: english"):
        load(tmp_path, split="test")


def test_a_configuration_of_queries_alone_is_not_a_judged_set(tmp_path: Path) -> None:
    lines(tmp_path / "data" / "train.jsonl", {"query": "red?", "positive": "a red one"})
    lines(tmp_path / "data" / "sample.jsonl", {"query": "blue?", "positive": "a blue one"})
    configs = [f"- {{config_name: {name}, data_files: data/{file}.jsonl}}"
               for name, file in (("default", "train"), ("sample-queries", "sample"))]  # fmt: skip
    (tmp_path / "README.md").write_text("\n".join(["---", "configs:", *configs, "---"]))
    (row,) = load(tmp_path)
    assert row.query == ModelInput("red?")
