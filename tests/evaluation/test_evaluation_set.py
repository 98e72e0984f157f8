"""Evaluation sets: what is joined, and what is refused by name."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from PIL import Image

from smart_train.data.keys import default_id
from smart_train.errors import DataError
from smart_train.evaluation import EvaluationSet
from smart_train.types import Example, ModelInput


def text(value: str) -> ModelInput:
    return ModelInput(text=value)


def build(**changes):
    values = {
        "queries": [text("first"), text("second")],
        "query_ids": ["q1", "q2"],
        "documents": [text("A"), text("B")],
        "document_ids": ["a", "b"],
        "relevant": [{"a"}, {"b"}],
    }
    return EvaluationSet(**{**values, **changes})


def row(query: str, documents: list[str], query_id: str, number: int = 0) -> Example:
    return Example(
        query=text(query),
        documents=tuple(text(item.upper()) for item in documents),
        query_id=query_id,
        document_ids=tuple(documents),
        source="rows.jsonl",
        row=number,
    )


def test_sets_become_grades_of_one():
    assert build().qrels == {"q1": {"a": 1}, "q2": {"b": 1}}


def test_grades_by_query_id():
    found = build(relevant={"q2": {"b": 2, "a": 0}, "q1": {"a"}})
    assert found.qrels == {"q1": {"a": 1}, "q2": {"b": 2, "a": 0}}


def test_rows_of_one_query_are_joined():
    found = EvaluationSet.from_examples([row("what", ["a", "c"], "q"), row("what", ["b", "a"], "q")])
    assert found.query_ids == ["q"]
    assert found.qrels == {"q": {"a": 1, "b": 1}}
    assert found.document_ids == ["a", "c", "b"]


def test_extra_documents_join_the_corpus():
    found = EvaluationSet.from_examples([row("what", ["a"], "q")], [("z", text("Z")), ("a", text("A"))])
    assert found.document_ids == ["a", "z"]


def test_a_document_without_an_id_is_the_page_of_the_corpus_that_says_the_same() -> None:
    """Under two ids it would compete with itself: the answer's copy would take its place in the ranking."""
    unnamed = replace(row("what", ["a", "c"], "q"), document_ids=(default_id(text("A")), default_id(text("C"))))
    found = EvaluationSet.from_examples([unnamed], [("z", text("Z")), ("manual.pdf#page=1", text("A"))])
    assert found.document_ids == ["manual.pdf#page=1", default_id(text("C")), "z"]
    assert found.qrels == {"q": {"manual.pdf#page=1": 1}}
    elsewhere = replace(row("what", ["a"], "q"), document_ids=("manuals/a.pdf#page=1",))
    corpus = [("b/a.pdf#page=1", text("A")), ("a.pdf#page=1", text("A")), ("a.pdf#page=2", text("B"))]
    assert EvaluationSet.from_examples([elsewhere], corpus).qrels == {"q": {"a.pdf#page=1": 1}}
    other = EvaluationSet.from_examples([elsewhere], [("a.pdf#page=1", text("B"))])
    assert other.document_ids == ["manuals/a.pdf#page=1", "a.pdf#page=1"], "another page of that name"
    named = EvaluationSet.from_examples([row("what", ["a"], "q")], [("manual.pdf#page=1", text("A"))])
    assert named.document_ids == ["a", "manual.pdf#page=1"], "an id that was given stays"


def test_a_path_and_the_bytes_behind_it_are_one_document(tmp_path):
    image = Image.new("RGB", (4, 4), "red")
    image.save(tmp_path / "page.png")
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    pages = [ModelInput(images=(ref,)) for ref in (tmp_path / "page.png", str(tmp_path / "page.png"))]
    found = build(documents=[*pages, text("B")], document_ids=["a", "a", "b"])
    assert found.document_ids == ["a", "b"]


def test_one_id_for_two_images_is_refused(tmp_path):
    pages = []
    for colour in ("red", "blue"):
        Image.new("RGB", (4, 4), colour).save(tmp_path / f"{colour}.png")
        pages.append(ModelInput(images=(tmp_path / f"{colour}.png",)))
    with pytest.raises(DataError, match="document id 'a' is used for two different contents"):
        build(documents=pages, document_ids=["a", "a"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"queries": [], "query_ids": [], "relevant": []}, "there is no query"),
        ({"documents": [], "document_ids": []}, "there is no document"),
        ({"query_ids": ["q1"]}, "2 query inputs but 1 query ids"),
        ({"query_ids": ["q", "q"]}, "query id 'q' is used for two different contents"),
        ({"document_ids": ["a", "a"]}, "document id 'a' is used for two different contents"),
        ({"document_ids": ["a", 2]}, "document id 2 must be a string"),
        ({"relevant": [{"a"}]}, "2 queries but 1 sets"),
        ({"relevant": [{"a"}, set()]}, r"1 queries \('q2'\) without a relevant document"),
        ({"relevant": {"q1": {"a"}}}, r"1 queries \('q2'\) without a relevant document"),
        ({"relevant": [{"a"}, {"b": 0}]}, "without a relevant document"),
        ({"relevant": [{"a"}, {"c"}]}, r"1 relevant documents are not in the corpus of 2: 'c' \(query 'q2'\)"),
        ({"relevant": [{"a"}, {"b": 1.5}]}, "query 'q2', document 'b': grade is 1.5"),
        ({"relevant": [{"a"}, {"b": -1}]}, "grade is -1"),
        ({"relevant": ["a", {"b"}]}, "are a string, they must be a set"),
    ],
)
def test_refusals(changes, message):
    with pytest.raises(DataError, match=message):
        build(**changes)


def test_a_query_that_is_a_document_is_known_by_its_id() -> None:
    """Ids that only count agree by chance: there the contents decide, whatever title a document has."""
    documents = [text("Zoos protect animals"), text("A title  Zoos protect animals"), text("Cars pollute"), text("B")]
    ids = ["d0", "1", "2", "a"]
    made = EvaluationSet(
        queries=[text("Zoos protect animals"), text("Zoos protect animals"), text("Bikes are clean"), text("B")],
        query_ids=ids,
        documents=documents,
        document_ids=ids,
        relevant=[{"a"}, {"a"}, {"a"}, {"a"}],
    )
    assert made.own == {"d0", "1"}, "2 is another text, a is judged relevant to itself"


def test_two_grades_of_one_document_are_refused() -> None:
    with pytest.raises(DataError, match="query 'q1', document 'a': graded 1 and 2; keep one judgement"):
        build(query_ids=["q1", "q1"], queries=[text("first")] * 2, relevant=[{"a": 1}, {"a": 2}])
