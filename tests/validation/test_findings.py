"""Each kind of mistake is found, by its name, with the rows; sound data gives none."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from smart_train.data import SourceConfig, load_examples
from smart_train.models import PromptConfig, get_family
from smart_train.scoring import ScoringConfig
from smart_train.types import Example, ModelInput
from smart_train.validation import Part, ValidationReport, read_corpus, read_rows, validate
from tests.inputs.test_page_fingerprints import page
from tests.models.conftest import TINY


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    """0.png .. 7.png, no two alike; same.png is 0.png drawn larger; blank.png, long.png, longest.png, small.png."""
    for number in range(8):
        page(str(number)).save(tmp_path / f"{number}.png")
    page("0", scale=2).save(tmp_path / "same.png")
    for name, size in (("blank", (90, 90)), ("long", (900, 60)), ("longest", (9000, 40)), ("small", (60, 20))):
        image = Image.new("RGB", size, "white")
        if name != "blank":
            ImageDraw.Draw(image).rectangle([2, 2, 30, 12], fill="black")
        image.save(tmp_path / f"{name}.png")
    return tmp_path


def part(folder: Path, name: str, *rows: tuple[str, Any] | dict[str, Any]) -> Part:
    lines = [row if isinstance(row, dict) else {"query": row[0], "positive": row[1]} for row in rows]
    path = folder / f"{name}.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return read_rows(name, load_examples(SourceConfig(path)), workers=2)


def found(report: ValidationReport) -> dict[str, tuple[str, int]]:
    return {finding.check: (finding.severity, finding.count) for finding in report.findings}


def sound(folder: Path) -> list[Part]:
    train = part(folder, "train", *((f"what stands on {n}", f"{n}.png") for n in range(4)))
    return [train, part(folder, "held_out", ("what else is on 4", "4.png"), ("and on 5", "5.png"))]


def test_sound_data_passes_with_its_numbers(pages: Path) -> None:
    report = validate(sound(pages), source="sound")
    assert report.passed and report.findings == []
    train = report.statistics["train"]
    assert (train["rows"], train["different queries"], train["documents with a query"]) == (4, 4, 4)
    assert train["image width"] == {"least": 300, "median": 300, "p95": 300, "most": 300, "mean": 300}
    assert train["languages of queries (estimate)"] == {"English": 4}
    assert report.unchecked == ["tokens, truncation and memory: no model is known (they are counted for a recipe)"]


def test_rows_that_cannot_be_used(pages: Path) -> None:
    (pages / "cut.png").write_bytes((pages / "0.png").read_bytes()[:200])
    bad = part(pages, "train", ("", "0.png"), ("torn", "cut.png"), ("gone", "gone.png"), ("sound", "1.png"))
    report = validate([bad], source="bad")
    assert found(report) == {"unusable rows": ("error", 3)} and not report.passed
    assert "the query is empty" in report.findings[0].examples[0] and "cut.png" in report.findings[0].examples[1]
    skipped = validate([bad], source="bad", skips=True)
    assert found(skipped) == {"unusable rows": ("warning", 3)} and skipped.passed
    nothing = validate([part(pages, "train", ("", "0.png"))], source="nothing", skips=True)
    assert not nothing.passed and "no rows are left of 1" in nothing.findings[0].examples[0]


def test_images_of_extreme_shape(pages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smart_train.validation.findings.MANY_PIXELS", 120_000)
    names = ("blank", "long", "longest", "small", "0")
    report = validate([part(pages, "train", *((f"the {name} one", f"{name}.png") for name in names))], source="extreme")
    assert found(report) == {
        "unusable rows": ("error", 1),
        "long images": ("warning", 1),
        "small images": ("warning", 1),
        "large images": ("warning", 1),
        "blank images": ("warning", 1),
    }
    assert "9000 x 40 pixels; the longer side may be at most" in report.findings[0].examples[0]


def test_queries_and_documents_that_repeat(pages: Path) -> None:
    crowd = [(f"question {number} about six", "6.png") for number in range(21)]
    rows = [("What  is it", "0.png"), ("what is it", "0.png"), ("WHAT IS IT", "1.png"), *crowd]
    own = {"query": "mine", "positive": "2.png", "negative_0": "3.png", "negative_1": "2.png"}
    report = validate([part(pages, "train", *rows, own)], source="repeated")
    assert found(report) == {
        "own negatives": ("error", 1),
        "repeated rows": ("warning", 1),
        "repeated queries": ("warning", 1),
        "crowded documents": ("warning", 1),
    }
    (queries,) = [finding for finding in report.findings if finding.check == "repeated queries"]
    assert queries.examples[0].startswith("'what is it' has 2 documents: ") and "row 2" in queries.examples[0]


def test_leakage_between_train_and_held_out(pages: Path) -> None:
    (pages / "copy.png").write_bytes((pages / "1.png").read_bytes())
    train = part(
        pages, "train", ("asked twice", "0.png"), ("one", "1.png"),
        {"query": "two", "positive": "2.png", "negative_0": "4.png"},
    )  # fmt: skip
    held_out = part(
        pages, "held_out", ("asked  Twice", "5.png"), ("a copy", "copy.png"), ("larger", "same.png"), ("x y", "4.png")
    )
    report = validate([train, held_out], source="leaky")
    assert found(report) == {
        "leaked documents": ("error", 1),
        "leaked queries": ("warning", 1),
        "held-out negatives": ("warning", 1),
        "near-duplicate pages": ("warning", 1),
    }
    by_check = {finding.check: finding for finding in report.findings}
    assert "held_out.jsonl, row 1 = " in by_check["leaked documents"].examples[0]
    assert "held_out.jsonl, row 2 ~ " in by_check["near-duplicate pages"].examples[0]
    assert by_check["near-duplicate pages"].pictures == ((pages / "0.png", pages / "same.png"),)


def test_a_corpus_is_looked_at_but_asks_nothing(pages: Path) -> None:
    documents = [("a", ModelInput(images=(pages / "blank.png",))), ("b", ModelInput(images=(pages / "gone.png",)))]
    report = validate([*sound(pages), read_corpus("corpus", documents)], source="corpus")
    assert found(report) == {"unusable rows": ("error", 1), "blank images": ("warning", 1)}
    assert "different queries" not in report.statistics["corpus"]


def test_tokens_are_counted_and_what_does_not_fit_is_said(pages: Path) -> None:
    prompts = PromptConfig(max_pixels=300 * 420, max_length=140)
    family = get_family("qwen3_vl_embedding")(str(TINY), scoring=ScoringConfig(), prompts=prompts)
    large = {"query": "large", "positive": "1.png"}
    noted = {"query": "noted", "positive": {"image": "small.png", "text": "word " * 300}}
    long = {"query": "many words " * 200, "positive": "small.png"}
    report = validate([part(pages, "train", large, noted, long)], source="tokens", family=family)
    (size,) = {family.visual_tokens([(300, 420)])}
    assert report.statistics["train"]["visual tokens"]["most"] == size <= 140
    assert found(report)["cut queries"] == found(report)["cut documents"] == ("warning", 1)
    # Beside the page there are some 25 tokens of the prompt, which are not cut either.
    assert ("too large for the model" in found(report)) == (size > 115)
    tight = get_family("qwen3_vl_embedding")(
        str(TINY), scoring=ScoringConfig(), prompts=PromptConfig(max_pixels=300 * 420, max_length=size - 1)
    )
    report = validate([part(pages, "train", large)], source="tokens", family=tight)
    assert found(report) == {"too large for the model": ("error", 1)}
    assert "lower model.max_pixels" in report.findings[0].message
    filled = get_family("qwen3_vl_embedding")(
        str(TINY), scoring=ScoringConfig(), prompts=PromptConfig(max_pixels=300 * 420, max_length=size + 1)
    )
    report = validate([part(pages, "train", large)], source="tokens", family=filled)
    assert found(report) == {"too large for the model": ("error", 1)}, "the prompt has no room beside the page"


def test_videos_are_said_not_to_be_counted(pages: Path) -> None:
    film = ModelInput(video=[pages / "0.png", pages / "1.png"])
    row = Example(ModelInput("a film"), (film,), "q", ("d",), "rows", 0)
    family = get_family("qwen3_vl_embedding")(str(TINY), scoring=ScoringConfig(), prompts=PromptConfig())
    report = validate([read_rows("train", [row])], source="films", family=family)
    assert report.passed and report.unchecked == ["train: tokens of 1 videos, which depend on their frames"]


def test_images_for_a_text_model_are_refused_by_its_own_words(pages: Path, tmp_path: Path) -> None:
    from tests.models.text_folders import encoder_folder

    family = get_family("text_encoder")(
        str(encoder_folder(tmp_path / "encoder")), scoring=ScoringConfig(), prompts=PromptConfig()
    )
    report = validate([part(pages, "train", ("the cat", "0.png"))], source="text", family=family)
    assert found(report) == {"unreadable for the model": ("error", 1)}
    assert "text_encoder reads text" in report.findings[0].examples[0]


def test_many_findings_keep_their_count_and_a_few_examples(pages: Path) -> None:
    rng = random.Random(0)
    rows = [("", f"{rng.randrange(8)}.png") for _ in range(30)]
    report = validate([part(pages, "train", ("sound", "0.png"), *rows)], source="many")
    assert found(report) == {"unusable rows": ("error", 30)} and len(report.findings[0].examples) == 20


def test_rows_that_all_name_one_page_have_no_negatives(pages: Path) -> None:
    """Under different names, and ids, too."""
    (pages / "copy.png").write_bytes((pages / "0.png").read_bytes())
    train = part(pages, "train", ("what is on it", "0.png"), ("what else", "copy.png"), ("and what more", "0.png"))
    report = validate([train, sound(pages)[1]], source="one page")
    assert found(report)["one document"] == ("error", 3) and not report.passed


@pytest.mark.parametrize(
    "held_out",
    [{"image": "1.png", "text": "a caption"}, {"images": ["6.png", "1.png"]}, {"images": [{"image": "1.png"}]}],
)
def test_a_page_of_a_training_document_is_found_inside_any_mapping(pages: Path, held_out: dict[str, Any]) -> None:
    train, _ = sound(pages)
    other = part(pages, "held_out", ("what else is on it", held_out), ("and on 5", "5.png"))
    report = found(validate([train, other], source="shared"))
    alone = held_out == {"images": [{"image": "1.png"}]}  # the same document, whatever the form
    assert report["leaked documents" if alone else "shared pages"] == ("error" if alone else "warning", 1)


def test_pages_that_look_alike_inside_a_part_and_between_held_out_parts(pages: Path) -> None:
    train = part(pages, "train", ("what is on it", "0.png"), ("what else", "same.png"), ("and on 1", "1.png"))
    evaluation = part(pages, "evaluation", ("on four", "4.png"), ("on five", "5.png"))
    report = validate([train, evaluation], source="twins")
    (finding,) = report.findings
    assert (finding.severity, finding.check, finding.part, finding.count) == (
        "warning", "near-duplicate pages", "train", 1,
    )  # fmt: skip
    assert "train.jsonl, row 1 ~ " in finding.examples[0]
    assert finding.examples[0].endswith(" of 255 bits)") and "counts as a wrong answer" in finding.message
    assert finding.pictures == ((pages / "0.png", pages / "same.png"),)
    alone = part(pages, "train_alone", ("and on 1", "1.png"), ("and on 2", "2.png"))
    evaluation = part(pages, "held_out", ("what is on it", "0.png"), ("on five", "5.png"))
    test = part(pages, "test", ("the same again", "same.png"), ("on six", "6.png"))
    (finding,) = validate([replace(alone, name="train"), evaluation, test], source="held-out twins").findings
    assert (finding.check, finding.part, finding.count) == ("near-duplicate pages", "held_out and test", 1)
    assert "test.jsonl, row 0 ~ " in finding.examples[0]
    (finding,) = validate([train], source="one part").findings
    assert finding.part == "train", "a corpus or a file alone is looked at too"
