"""Pairs whose label or score says that their two sides do not belong together are not taken for queries and answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from smart_train.data import SourceConfig, load_examples
from smart_train.errors import DataError
from smart_train.types import Example

Write = Callable[..., Path]


def load(path: Path) -> list[Example]:
    return list(load_examples(SourceConfig(path, columns="positional")))


@pytest.mark.parametrize("zero", [0, 0.0, False])
def test_labels_of_pairs(write_jsonl: Write, zero: Any) -> None:
    """Pairs with a label are trained on there with another loss, to which the pairs labelled 0 are counterexamples."""
    pair = {"sentence1": "a", "sentence2": "b"}
    path = write_jsonl({**pair, "label": 1}, {**pair, "label": zero}, {**pair, "label": None})
    with pytest.raises(DataError, match="column 'label' is 0 in 1 rows, which says that their two sides do not belong"):
        load(path)
    assert len(load(write_jsonl({**pair, "label": 0}, {**pair, "label": 3}))) == 2, "classes"
    assert len(load(write_jsonl({**pair, "label": 1}))) == 1


@pytest.mark.parametrize(
    ("sides", "values", "message"),
    [
        (("premise", "hypothesis"), ("label", 0, 1, 2), "column 'label' holds 0, 1, 2: whether the hypothesis follows"),
        (
            ("sentence1", "sentence2"),
            ("score", 4.8, 2.3, None),
            "column 'score' is below half of the highest in 1 rows",
        ),
    ],
)
def test_pairs_that_are_not_answers(write_jsonl: Write, sides: tuple[str, ...], values: tuple, message: str) -> None:
    """Inference and graded likeness, as sentence-transformers' data sets have them."""
    column, *all_values = values
    rows = [{sides[0]: "a", sides[1]: "b", column: value} for value in all_values]
    with pytest.raises(DataError, match=message):
        load(write_jsonl(*rows))
    assert len(load(write_jsonl(rows[0], rows[0]))) == 2


@pytest.mark.parametrize(
    ("sides", "column", "values", "message"),
    [
        ("query document", "relevance", (3, 0), "column 'relevance' is 0 in 1 rows, which says that"),
        ("query document", "is_relevant", (True, False), "column 'is_relevant' is 0 in 1 rows"),
        ("query document", "score", (1, 0), "column 'score' is 0 in 1 rows, which says that"),
        ("query positive", "label", (1, -1), "column 'label' is 0 or less in 1 rows"),
        ("query positive", "label", (0.9, 0.1), "column 'label' is below half of the highest in 1 rows: it says how a"),
        ("query positive", "label", ("relevant", "not_relevant"), "column 'label' is 'not_relevant' or the like in 1"),
        ("query positive", "label", ("yes", "no", "no"), "column 'label' is 'no' or the like in 2 rows"),
        ("query document", "esci_label", ("E", "I"), "column 'esci_label' is 'I' or the like in 1 rows"),
        ("text_a text_b", "similarity", (0.9, 0.1), "column 'similarity' is below half .* alike text_a and text_b are"),
        ("query positive", "label", ("entailment", "neutral"), "column 'label' is 'neutral' or the like in 1 rows"),
        ("query positive", "label", ("S", "I"), "column 'label' is 'I' or the like in 1 rows"),
        ("sentence_A sentence_B", "relatedness_score", (4.5, 1.0), "'relatedness_score' .* sentence_A and sentence_B"),
        ("text1 text2", "score", ("0.95", "0.05"), "column 'score' is below half .* how alike text1 and text2 are"),
    ],
)
def test_labels_of_other_names_and_values(
    write_jsonl: Write, sides: str, column: str, values: tuple, message: str
) -> None:
    first, second = sides.split()
    rows = [{first: "a", second: "b", column: value} for value in values]
    with pytest.raises(DataError, match=message):
        load(write_jsonl(*rows))
    assert len(load(write_jsonl(rows[0], rows[0]))) == 2


def test_likeness_in_a_csv_file_is_a_number(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text("sentence1,sentence2,score\na,b,4.8\nc,d,0.2\n")
    with pytest.raises(DataError, match="column 'score' is below half of the highest in 1 rows"):
        load(path)


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("score", (0.9, 0.02)),  # a teacher's
        ("label", ("sports", "politics")),
        ("label", (1, 5)),  # classes
        ("label", ("I", "II", "III")),
        ("label", ("I", "I")),
        ("label", ("positive", "neutral", "negative")),  # moods
        ("label", ("no", "no")),  # Norwegian
        ("label", ("N", "N")),
        ("label", (0, 0)),
        ("is_duplicate", (False, False)),  # no row repeats another
        ("relevance", (1, 3)),  # TREC: relevant, highly relevant
        ("relevance", (3.2, -0.4)),  # a model's
        ("similarity", (0.61, 0.28)),  # CLIP's, of right pairs
        ("cosine_similarity", (0.61, 0.28)),
    ],
)
def test_what_is_not_said_of_pairs_is_left_alone(write_jsonl: Write, column: str, values: tuple) -> None:
    rows = [{"query": "a", "positive": "b", column: value} for value in values]
    assert len(load_examples(SourceConfig(write_jsonl(*rows)))) == len(rows)


def test_a_column_with_a_meaning_of_its_own_is_not_a_label(write_jsonl: Write) -> None:
    path = write_jsonl({"label": "0", "positive": "a red one"}, {"label": "1", "positive": "a blue one"})
    first, _ = load_examples(SourceConfig(path, columns={"query": "label"}))
    assert first.query.text == "0"


def test_a_margin_between_positive_and_negative_is_not_likeness(write_jsonl: Write) -> None:
    rows = [{"query": "a", "positive": "b", "negative": "c", "label": margin} for margin in (7.5, 0.25, -1.5)]
    assert len(load_examples(SourceConfig(write_jsonl(*rows)))) == 3


@pytest.mark.parametrize("column", ["score", "similarity"])
@pytest.mark.parametrize("others", ["negative_1 negative_2", "neg_1 neg_2", "address1 address2"])
def test_columns_of_one_kind_that_are_not_the_two_sides(write_jsonl: Write, column: str, others: str) -> None:
    first, second = others.split()
    rows = [{"query": "a", "positive": "b", first: "c", second: "d", column: value} for value in (0.9, 0.3)]
    assert len(load_examples(SourceConfig(write_jsonl(*rows)))) == 2


def test_a_teacher_scores_rows_with_negatives(write_jsonl: Write) -> None:
    rows = [{"text1": "a", "text2": "b", "negative": "c", "score": score} for score in (0.9, 0.1)]
    columns = {"query": "text1", "positive": "text2"}
    assert len(load_examples(SourceConfig(write_jsonl(*rows), columns=columns))) == 2
    for row in rows:
        del row["negative"]
    with pytest.raises(DataError, match="it says how alike text1 and text2 are"):
        load_examples(SourceConfig(write_jsonl(*rows, name="pairs.jsonl"), columns=columns))


@pytest.mark.parametrize(
    ("header", "rows"),
    [
        ("query,relevant,irrelevant", ["start?,Press it.,A fruit.", "stop?,Paris,London"]),
        ("query,relevant", ["start?,Press it.", "stop?,Paris"]),
        ("title,index", ["start?,Press the green button.", "stop?,Press the red button."]),
    ],
)
def test_texts_under_the_names_of_labels(tmp_path: Path, header: str, rows: list[str]) -> None:
    """Passed over, `irrelevant` would be the positive."""
    path = tmp_path / "rows.csv"
    path.write_text("\n".join([header, *rows]))
    for row, cells in zip(load(path), rows, strict=True):
        assert [row.query.text, *(document.text for document in row.documents)] == cells.split(",")


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("relevant", ("1", "1")),
        ("relevant", ("yes", "yes")),
        ("relevant", (True, True)),
        ("relevance", ("high", "high", "high")),
        ("label", ("sports", "politics")),
        ("id", ("a-1", "a-2")),
        ("similarity", (0.5, 0.4)),
    ],
)
def test_labels_and_ids_have_no_place_among_texts(write_jsonl: Write, column: str, values: tuple) -> None:
    for row in load(write_jsonl(*({"question": "a", column: value, "answer": "b"} for value in values))):
        assert [row.query.text, *(document.text for document in row.documents)] == ["a", "b"]


def test_a_column_pos_of_another_meaning(write_jsonl: Write) -> None:
    """As a part of speech, or a position."""
    (row,) = load_examples(SourceConfig(write_jsonl({"query": "a", "positive": "b", "pos": "noun"})))
    assert row.documents[0].text == "b"
