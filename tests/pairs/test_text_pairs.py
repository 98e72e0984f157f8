"""make-pairs --as text: rows with the text of pages, in chunks, and what cannot be made so."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import smart_train.run.stages
from smart_train.data import SourceConfig, check_examples, load_documents, load_examples, load_held_out
from smart_train.errors import DataError
from smart_train.evaluation import EvaluationSet
from smart_train.models.loading import family_of
from smart_train.pairs import PairSettings, make_pairs
from smart_train.pairs.documents import read_document
from smart_train.pairs.pages_as_text import answering, text_candidates
from smart_train.recipe.sections import ModelSection
from smart_train.run import train
from smart_train.types import ModelInput
from tests.command import ended
from tests.models.text_folders import encoder_folder
from tests.pairs.conftest import write_manual
from tests.pdf_files import locked_pdf, make_pdf, words
from tests.runs import metrics, tiny_recipe

TEXT = PairSettings(queries_per_page=4, pages_as="text")


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def quoted(query: str) -> str:
    """A query without the heading before its sentence."""
    return query.rpartition(": ")[2]


def test_rows_hold_the_text_of_pages_and_no_page_is_drawn(manuals: Path, tmp_path: Path, cache: Path) -> None:
    report = make_pairs(manuals, tmp_path / "made", TEXT)
    drawn = make_pairs(manuals, tmp_path / "drawn", PairSettings(dpi=40, queries_per_page=4))
    assert report.kinds == drawn.kinds, "the same queries"
    asked = {part: {key: n for key, n in counts.items() if key != "texts"} for part, counts in report.counts.items()}
    assert asked == drawn.counts and report.counts["held_out"]["texts"] == 3
    for name in ("train", "held_out"):
        for row, other in zip(rows(tmp_path / "made" / f"{name}.jsonl"), rows(tmp_path / "drawn" / f"{name}.jsonl"),
                              strict=True):  # fmt: skip
            assert {**row, "positive": None} == {**other, "positive": None}, "ids and kinds are those of drawn pages"
            assert row["kind"] == "bookmark" or quoted(row["query"]) in row["positive"]["text"].replace("\n", " ")
    assert not (tmp_path / "made" / "pages").exists()
    assert {path.parent.name.partition("-")[2] for path in cache.rglob("*.png")} == {"40dpi-8"}
    card = (tmp_path / "made" / "README.md").read_text()
    assert "text-retrieval" in card and "in parts of at most 256 tokens, by an estimate" in card
    assert make_pairs(manuals, tmp_path / "made", TEXT).again
    with pytest.raises(DataError, match="holds pairs made with other pages_as"):
        make_pairs(manuals, tmp_path / "made", PairSettings(queries_per_page=4))


def test_sources_and_evaluation_read_it_as_text(manuals: Path, tmp_path: Path) -> None:
    make_pairs(manuals, tmp_path / "made", TEXT)
    source = SourceConfig(tmp_path / "made", split="train")
    _, report = check_examples(load_examples(source), reads=("text",))
    assert report.kinds == {"queries": {"text": 12}, "positives": {"text": 12}, "negatives": {}}
    held_out = load_held_out(SourceConfig(tmp_path / "made" / "held_out.jsonl"))
    corpus = load_documents(SourceConfig(tmp_path / "made" / "corpus.jsonl"))
    judged = EvaluationSet.from_examples(held_out, corpus)
    assert (len(judged.queries), len(judged.documents)) == (6, 3)


def test_long_pages_are_several_documents(manuals: Path, tmp_path: Path) -> None:
    report = make_pairs(manuals, tmp_path / "made", PairSettings(queries_per_page=4, pages_as="text", chunk_tokens=64))
    corpus = rows(tmp_path / "made" / "corpus.jsonl")
    assert report.counts["held_out"]["texts"] == len(corpus) > report.counts["held_out"]["corpus"] == 3
    names = [row["document_id"] for row in corpus]
    assert len({*names}) == len(names) and names[0].endswith(".pdf#page=2&chunk=1")
    texts = {row["document_id"]: row["positive"] for row in corpus}
    held_out = rows(tmp_path / "made" / "held_out.jsonl")
    assert all(row["positive"] == texts[row["document_id"]] for row in held_out)
    for row in held_out:
        if row["kind"] == "sentence":
            assert quoted(row["query"]) in row["positive"]["text"].replace("\n", " "), "the chunk that answers"
        assert row["query_id"].startswith(row["document_id"].partition("&")[0])


def test_chunks_are_as_long_as_a_model_reads(manuals: Path, tmp_path: Path) -> None:
    folder = encoder_folder(tmp_path / "model")  # of 64 tokens
    settings = PairSettings(queries_per_page=4, pages_as="text", tokenizer=str(folder))
    make_pairs(manuals, tmp_path / "made", settings)
    family = family_of(str(folder))
    texts = [row["positive"]["text"] for row in rows(tmp_path / "made" / "corpus.jsonl")]
    sizes = [family.token_count(ModelInput(text), "document", ()) for text in texts]
    assert max(sizes) <= family.max_length == 64 and len(texts) == 6
    assert "as many tokens as it reads, as" in (tmp_path / "made" / "README.md").read_text()
    with pytest.raises(DataError, match=r"chunk_tokens \(--chunk-tokens\) is 65, but .*model reads at most 64 tokens"):
        make_pairs(manuals, tmp_path / "more", PairSettings(pages_as="text", tokenizer=str(folder), chunk_tokens=65))


def test_the_chunk_with_the_words_of_a_query_answers_it() -> None:
    chunks = [{"positive": {"text": text}} for text in ("Oil the pump.", "The pump\nneeds o\ufb03cial oil.", "No oil.")]
    assert answering(chunks, "pump needs official oil") is chunks[1]
    assert answering(chunks, "the pump, the oil") is chunks[0], "the first of those with as many words"
    assert answering(chunks[2:], "pump") is chunks[2]


def test_pages_without_text_are_counted_and_named(manuals: Path, tmp_path: Path) -> None:
    make_pdf(manuals / "mixed.pdf", [words("one"), [], ["Part 2"], words("two")], [])
    report = make_pairs(manuals, tmp_path / "made", replace(TEXT, seed=1))  # which has mixed.pdf in train
    assert report.left_out["without text"] == 1 and report.left_out["hardly any text"] == 1
    assert report.not_legible == [
        "1 of 19 pages have no legible text: mixed.pdf (page 2); pip install 'smart_train[ocr]' to have them read by "
        "OCR, or keep pages as images (pages_as image, --as image)"
    ]
    total = sum(part["pages"] for part in report.counts.values()) + sum(report.left_out.values())
    assert total == 19, "every page is counted once"
    made = [row["document_id"] for path in (tmp_path / "made").glob("*.jsonl") for row in rows(path)]
    assert "mixed.pdf#page=2" not in made
    candidates = text_candidates(read_document(manuals / "mixed.pdf", "mixed.pdf"), Counter())
    assert [page.number for page in candidates] == [0, 2, 3], "a page with few words can be found"


def test_files_that_cannot_be_read_are_named(manuals: Path, tmp_path: Path) -> None:
    make_pdf(manuals / "scan.pdf", [[], []], [])
    locked_pdf(manuals / "locked.pdf")
    with pytest.raises(DataError, match="2 files cannot be used") as stopped:
        make_pairs(manuals, tmp_path / "made", TEXT)
    assert "locked.pdf: is protected by a password; save a copy without one" in str(stopped.value)
    assert "scan.pdf: no text layer on its 2 pages (a scan?); pip install 'smart_train[ocr]'" in str(stopped.value)
    assert "--endpoint" not in str(stopped.value), "which pages as text refuse"


def test_options_that_do_not_fit_are_refused(
    manuals: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    call = ("make-pairs", manuals, "--output", tmp_path / "made")
    for options, message in [
        (
            ("--chunk-tokens", 100),
            "chunk_tokens (--chunk-tokens) is 100, which is for pages as text; add pages_as text (--as text",
        ),
        (
            ("--tokenizer", "m"),
            "tokenizer (--tokenizer) is m, which is for pages as text; add pages_as text (--as text",
        ),
        (("--as", "text", "--chunk-tokens", 0), "chunk_tokens (--chunk-tokens) is 0; it must be at least 16"),
        (
            ("--as", "text", "--dpi", 72),
            "--dpi 72: rows of --as text hold no page images, and OCR draws pages at 144 dpi; leave --dpi out",
        ),
        (("--as", "text", "--tokenizer", "./nowhere"), "./nowhere: no such folder"),
        (
            ("--as", "text", "--endpoint", "https://host/v1", "--model", "m"),
            "a vision model writes queries from drawn pages, and pages_as is text: leave out --endpoint, or --as text",
        ),
    ]:
        refused = ended(monkeypatch, capsys, *call, *options)
        assert refused.status == 2 and message in refused.err, refused.err
    assert not (tmp_path / "made").exists()
    with pytest.raises(DataError, match=r"pages_as \(--as\) is 'pdf'; it must be image or text"):
        PairSettings(pages_as="pdf")  # type: ignore[arg-type]


def test_the_command_counts_texts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_manual(tmp_path / "pdf" / "alpha.pdf", "alpha")
    write_manual(tmp_path / "pdf" / "beta.pdf", "beta")
    made = ended(monkeypatch, capsys, "make-pairs", tmp_path / "pdf", "--as", "text", "--output", tmp_path / "made")
    assert made.status == 0, made.err
    assert "train.jsonl: 6 queries for 3 of 3 pages in 3 texts, 1 document\n" in made.out
    assert "not legible:" not in made.out


def test_a_text_recipe_trains_on_them(manuals: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smart_train.run.stages, "plot_run", lambda *_, **__: None)
    made, folder = tmp_path / "made", encoder_folder(tmp_path / "model")
    make_pairs(manuals, made, PairSettings(pages_as="text", tokenizer=str(folder)))
    training = {"max_steps": 1, "eval_strategy": "no", "save_strategy": "no"}
    data = {"evaluation": {"corpus": str(made / "corpus.jsonl")}}
    recipe = tiny_recipe(made, tmp_path / "run", data=data, training=training, export={"enabled": False})
    model = ModelSection(name_or_path=str(folder), from_config={})  # type: ignore[arg-type]
    run = train(recipe.model_copy(update={"model": model}))
    assert {*metrics(run)} == {"pooled", "late", "hybrid"}
