"""make-pairs from end to end: a data set that the existing source reads, whole, deterministic, split by document."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from smart_train.data import SourceConfig, check_examples, load_documents, load_examples
from smart_train.data.formats.pdf import read_pdf
from smart_train.errors import BusyError, DataError, Notice
from smart_train.evaluation import EvaluationSet
from smart_train.pairs import PairSettings, make_pairs
from smart_train.utils.locks import beside, only_one
from smart_train.utils.markdown import plain
from tests.command import call
from tests.pairs.conftest import SUBJECTS, write_manual
from tests.pdf_files import locked_pdf, make_pdf, words

SETTINGS = PairSettings(dpi=40, queries_per_page=4)


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def contents(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_pairs_of_three_manuals(manuals: Path, tmp_path: Path) -> None:
    report = make_pairs(manuals, tmp_path / "made", SETTINGS)
    made = {name: rows(tmp_path / "made" / f"{name}.jsonl") for name in ("train", "held_out", "corpus")}
    part_of = {row["document"]: row["part"] for row in report.documents}
    assert sorted(part_of.values()) == ["held_out", "train", "train"]
    for name in ("train", "held_out"):
        for row in made[name]:
            document, _, number = row["document_id"].partition("#page=")
            assert part_of[document] == name
            assert row["positive"] == f"pages/{document}/page-{int(number):05d}.png"
        for document in (key for key, part in part_of.items() if part == name):
            stem = Path(document).stem
            for number, subject in enumerate(SUBJECTS, start=2):
                found = {
                    row["kind"]: row["query"] for row in made[name] if row["document_id"] == f"{document}#page={number}"
                }
                assert found == {
                    "caption": f"Cutting the {stem} {subject} slab by hand",
                    "sentence": f"Polishing {stem} {subject}: Worn {subject} in {stem} takes oil",
                }
    assert report.counts["held_out"] == {"documents": 1, "pages": 3, "corpus": 3, "queries": 6}
    assert report.left_out == {"table of contents or index": 6}
    with Image.open(tmp_path / "made" / made["train"][0]["positive"]) as image:
        assert image.size == (340, 440)
    assert len(list((tmp_path / "made" / "pages").rglob("*.png"))) == 15, "all pages, those of the contents too"
    assert not list(tmp_path.glob(".*"))


def test_the_sources_and_the_evaluation_read_it(manuals: Path, tmp_path: Path) -> None:
    make_pairs(manuals, tmp_path / "made", SETTINGS)
    held_out, report = check_examples(load_examples(SourceConfig(tmp_path / "made", split="held_out")))
    assert report.summary() == "6 rows"
    corpus = load_documents(SourceConfig(tmp_path / "made" / "corpus.jsonl"))
    evaluated = EvaluationSet.from_examples(held_out, corpus)
    assert (len(evaluated.queries), len(evaluated.documents)) == (6, 3), "a page of the corpus is not counted twice"


def test_the_same_files_and_seed_give_the_same_bytes(manuals: Path, tmp_path: Path) -> None:
    make_pairs(manuals, tmp_path / "one", SETTINGS)
    shutil.rmtree(tmp_path / "cache")
    make_pairs(manuals, tmp_path / "two", SETTINGS)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_made_once_and_never_over_something_else(
    manuals: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "made"
    output.mkdir()
    monkeypatch.chdir(output)
    with pytest.warns(Notice, match="was replaced by a new folder of this name"):
        first = make_pairs(manuals, ".", SETTINGS)
    before = contents(output)
    again = make_pairs(manuals, output, SETTINGS)
    assert again.again and not first.again and again.counts == first.counts and contents(output) == before
    with pytest.raises(DataError, match="holds pairs made with other dpi, seed .*remove it, or name another output"):
        make_pairs(manuals, output, PairSettings(dpi=50, queries_per_page=4, seed=1))
    with pytest.raises(DataError, match=r"\n  seed: 0 there, 1 here$"):
        make_pairs(manuals, output, replace(SETTINGS, seed=1))
    write_manual(manuals / "new.pdf", "delta")
    with pytest.raises(DataError, match="holds pairs made with other documents"):
        make_pairs(manuals, output, SETTINGS)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match="other: exists and does not hold pairs made by smart_train"):
        make_pairs(manuals, tmp_path / "other", SETTINGS)


def test_pairs_of_another_version_are_known_where_no_setting_differs(manuals: Path, tmp_path: Path) -> None:
    output = tmp_path / "made"
    make_pairs(manuals, output, SETTINGS)
    manifest = output / "manifest.json"
    values = json.loads(manifest.read_text())
    older = {name: value for name, value in values["parameters"].items() if name != "test"}
    manifest.write_text(json.dumps({**values, "parameters": older}))
    assert make_pairs(manuals, output, SETTINGS).again
    with pytest.raises(DataError, match=r"made with other test .*\n  test: 0.0 by default there, 0.2 here$"):
        make_pairs(manuals, output, replace(SETTINGS, test=0.2))
    manifest.write_text(json.dumps({**values, "parameters": {**older, "crop": True}}))
    with pytest.raises(DataError, match=r"\n  crop: true there, unknown to this version$"):
        make_pairs(manuals, output, SETTINGS)


def test_a_kill_leaves_nothing_under_the_output_name_and_pages_are_not_drawn_again(
    manuals: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("smart_train.pairs.make.write_card", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            make_pairs(manuals, tmp_path / "made", SETTINGS)
    assert not (tmp_path / "made").exists()
    monkeypatch.setattr("smart_train.data.formats.pdf._render", lambda *_: pytest.fail("drawn again"))
    make_pairs(manuals, tmp_path / "made", SETTINGS)


def test_one_document_is_split_by_pages_and_said_so(tmp_path: Path) -> None:
    write_manual(tmp_path / "pdf" / "only.pdf", "only")
    report = make_pairs(tmp_path / "pdf", tmp_path / "made", SETTINGS)
    assert report.one_document and report.left_out["at the seam"] == 1
    assert "There is only one document" in (tmp_path / "made" / "README.md").read_text()
    assert {row["document_id"] for row in rows(tmp_path / "made" / "train.jsonl")} == {"only.pdf#page=2"}
    assert {row["document_id"] for row in rows(tmp_path / "made" / "held_out.jsonl")} == {"only.pdf#page=4"}


def test_a_third_part_to_report_by(manuals: Path, tmp_path: Path) -> None:
    two, three = tmp_path / "two", tmp_path / "three"
    make_pairs(manuals, two, SETTINGS)
    report = make_pairs(manuals, three, replace(SETTINGS, test=0.2))
    assert {name: part["documents"] for name, part in report.counts.items()} == {"train": 1, "held_out": 1, "test": 1}
    for name in ("held_out", "corpus"):
        assert (three / f"{name}.jsonl").read_bytes() == (two / f"{name}.jsonl").read_bytes(), (
            "taken of the training part"
        )
    asked = {row["document_id"] for row in rows(three / "test.jsonl")}
    assert asked == {row["document_id"] for row in rows(three / "test_corpus.jsonl")}
    assert not asked & {row["document_id"] for name in ("train", "held_out") for row in rows(three / f"{name}.jsonl")}
    card = (three / "README.md").read_text()
    assert yaml.safe_load(card.split("---")[1])["configs"][0]["data_files"][2] == {
        "split": "test",
        "path": "test.jsonl",
    }
    assert "`test.jsonl` and `test_corpus.jsonl`" in card and "test.jsonl" not in (two / "README.md").read_text()


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ({"test": 0.4}, r"test \(--test\) is 0.4; it must be at least 0, and with held_out \(0.2\) at most 0.5"),
        ({"test": -0.1}, r"test \(--test\) is -0.1; it must be at least 0"),
    ],
)
def test_shares_that_leave_too_little_to_train_on(settings: dict[str, float], rule: str) -> None:
    with pytest.raises(DataError, match=rule):
        PairSettings(**settings)


def test_two_documents_make_no_three_parts(manuals: Path, tmp_path: Path) -> None:
    (manuals / "alpha.pdf").unlink()
    with pytest.raises(DataError, match="2 documents cannot be split into 3 parts; at least 3 are needed"):
        make_pairs(manuals, tmp_path / "made", replace(SETTINGS, test=0.2))


def test_the_card(manuals: Path, tmp_path: Path) -> None:
    make_pairs(manuals, tmp_path / "made", PairSettings(dpi=40, licence="CC-BY-4.0"))
    card = (tmp_path / "made" / "README.md").read_text()
    metadata = yaml.safe_load(card.split("---")[1])
    assert metadata["license"] == "other" and metadata["license_name"] == "CC-BY-4.0"
    assert metadata["configs"][0]["data_files"][1] == {"split": "held_out", "path": "held_out.jsonl"}
    for expected in (
        "| held_out | 1 | 3 | 3 | 6 |",
        "sub/gamma.pdf",
        "# Queries and pages of 3 PDF files\n",
        "| sentence | the document's name, the heading that stands over a sentence, and the sentence |",
        "Split by document (seed 0)",
        "As stated when it",
    ):
        assert expected in card


def bad_files(folder: Path) -> None:
    (folder / "broken.pdf").write_text("no PDF")
    locked_pdf(folder / "locked.pdf")
    make_pdf(folder / "scan.pdf", [[], []], [])
    shutil.copyfile(folder / "alpha.pdf", folder / "copy.pdf")


def test_files_that_cannot_be_used_are_all_named_or_skipped(manuals: Path, tmp_path: Path) -> None:
    bad_files(manuals)
    problems = (
        "broken.pdf: is not a PDF file, it begins with b'no PDF'; fetch it again",
        "copy.pdf: the same file as alpha.pdf; keep one of them",
        "locked.pdf: is protected by a password; save a copy without one",
        "scan.pdf: no text layer on its 2 pages (a scan?); pip install 'smart_train[ocr]' to have it read here, run it",
    )
    with pytest.raises(DataError) as caught:
        make_pairs(manuals, tmp_path / "made", SETTINGS)
    assert "4 files cannot be used (on_error skip, --on-error skip on the command line, leaves such files out):" in str(
        caught.value
    )
    assert all(problem in str(caught.value) for problem in problems)
    assert str(caught.value).endswith(
        "\n2 pages of 1 files have no legible text layer: pip install 'smart_train[ocr]' to have them read by OCR"
    )
    report = make_pairs(manuals, tmp_path / "made", PairSettings(dpi=40, on_error="skip"))
    assert len(report.problems) == 4 and len(report.documents) == 3
    card = (tmp_path / "made" / "README.md").read_text()
    assert all(plain(problem) in card for problem in problems)


def test_folders_and_settings_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere: no such folder; name one with PDF files"):
        make_pairs(tmp_path / "nowhere", tmp_path / "made")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty: holds no PDF file \(looked for \*.pdf at all levels\)"):
        make_pairs(tmp_path / "empty", tmp_path / "made")
    (tmp_path / "empty" / "broken.pdf").write_text("")
    with pytest.raises(DataError, match="none of its files can be used:\n.*broken.pdf"):
        make_pairs(tmp_path / "empty", tmp_path / "made", PairSettings(on_error="skip"))
    for values, message in (
        ({"dpi": 10}, r"dpi \(--dpi\) is 10; it must be 20 to 600"),
        ({"queries_per_page": 0}, r"queries_per_page \(--queries-per-page\) is 0; it must be 1 to 20"),
        ({"least_chance": 1.5}, r"least_chance \(--least-chance\) is 1.5; it must be 0 to 1"),
        ({"held_out": 0.8}, r"held_out \(--held-out\) is 0.8; it must be above 0 and at most 0.5"),
    ):
        with pytest.raises(DataError, match=message):
            PairSettings(**values)


def test_pages_that_all_say_the_same_give_no_pairs(tmp_path: Path) -> None:
    form = ["The very same form to be filled in by hand."]
    for name, count in (("a", 2), ("b", 3)):
        make_pdf(tmp_path / f"{name}.pdf", [form * 9] * count, [])
    message = "no page is left in the train part: those that say or show what others do are left out; add documents"
    with pytest.raises(DataError, match=message):
        make_pairs(tmp_path, tmp_path / "made", SETTINGS)


def test_an_error_names_the_files_that_were_not_read(tmp_path: Path) -> None:
    folder = tmp_path / "pdf"
    folder.mkdir()
    make_pdf(folder / "short.pdf", [["Some words of a page, enough to read."]] * 2, [])
    (folder / "scan.tif").touch()
    with pytest.raises(DataError, match=r"a single document of 2 usable pages .*; not read:\n  1 picture: .*scan.tif"):
        make_pairs(folder, tmp_path / "made")


def test_every_file_and_every_page_is_accounted_for(manuals: Path, tmp_path: Path) -> None:
    for name in ("photo.avif", "scan.tif", "letter.docx", "old/notes.zip", "strange.xyz", ".hidden.png"):
        (manuals / name).parent.mkdir(exist_ok=True)
        (manuals / name).touch()
    (tmp_path / "elsewhere").mkdir()
    shutil.copyfile(manuals / "beta.pdf", tmp_path / "elsewhere" / "linked.pdf")
    (manuals / "linked").symlink_to(tmp_path / "elsewhere")
    (manuals / "linked" / "back").symlink_to(manuals)
    bad_files(manuals)
    report = make_pairs(manuals, tmp_path / "made", replace(SETTINGS, on_error="skip"))
    there = [path for path in manuals.rglob("*") if path.is_file() and not path.name.startswith(".")]
    assert sum(report.files.values()) == len(there) + 1, "and the one behind the link"
    assert report.files["PDF files read"] == 3 and report.files["PDF files that cannot be used"] == 5
    assert any(problem.startswith(f"{manuals}/linked/linked.pdf: the same file as") for problem in report.problems)
    for line in ("2 pictures: put such files into PDF", "1 office, web or book file: install LibreOffice, whose"):
        assert any(found.startswith(line) for found in report.beside)
    assert any("(old/notes.zip)" in found for found in report.beside)
    asked = sum(part["pages"] for part in report.counts.values())
    assert asked + sum(report.left_out.values()) == sum(int(row["pages"]) for row in report.documents)


def test_pages_without_words_can_be_found_and_those_that_no_model_takes_cannot(tmp_path: Path) -> None:
    """Of each document one page has a figure alone, one nothing, and one is two points high."""
    for name, figure in (("alpha", "7"), ("beta", "4 . . . 4 . . . 4")):
        own = [f"Worn {name} bearings take oil twice a year. Nothing else does.", *words(f"{name} own")]
        (tmp_path / "pdf").mkdir(exist_ok=True)
        path = tmp_path / "pdf" / f"{name}.pdf"
        make_pdf(path, [own, [figure], [], [*own, *words(f"{name} thin")]], [])
        content = path.read_bytes().split(b"[0 0 612 792]")
        path.write_bytes(b"[0 0 612 792]".join(content[:4]) + b"[0 0 900 2]  " + content[4])
    report = make_pairs(tmp_path / "pdf", tmp_path / "made", SETTINGS)
    assert report.left_out == {
        "hardly any text": 2,
        "blank": 2,
        "more than 200 times as long as wide, which no model takes": 2,
    }
    held_out = {row["document_id"].partition("#")[2] for row in rows(tmp_path / "made" / "corpus.jsonl")}
    assert held_out == {"page=1", "page=2"}
    assert not list((tmp_path / "made" / "pages").rglob("page-00004.png"))
    assert len(load_documents(SourceConfig(tmp_path / "made" / "pages"))) == 6


def test_the_command_says_what_it_made_and_what_it_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_manual(tmp_path / "pdf" / "only.pdf", "only")
    (tmp_path / "pdf" / "broken.pdf").write_text("")
    arguments = (tmp_path / "pdf", "--output", tmp_path / "made", "--dpi", 40)
    assert call(monkeypatch, "make-pairs", *arguments) == 2
    assert "broken.pdf: is empty; fetch it again" in capsys.readouterr().err
    assert call(monkeypatch, "make-pairs", *arguments, "--on-error", "skip") == 0
    out = capsys.readouterr().out
    train, held_out = tmp_path / "made" / "train.jsonl", tmp_path / "made" / "held_out.jsonl"
    for expected in (
        "left out: ",
        "train.jsonl: 2 queries for 1 of 1 page, 1 document\n",
        "queries: 2 sentence, 2 caption\n",
        "pages without a query: 2 table of contents or index, 1 at the seam",
        "pages: 5 read, 2 with a query",
        "files: 2: 1 PDF file read, 1 PDF file that cannot be used\n",
        "WARNING: there is only one document",
        f"Next: smart-train validate-data {train} --against {held_out}, then a recipe: smart-train init MODEL {train}",
    ):
        assert expected in out
    assert call(monkeypatch, "make-pairs", *arguments, "--on-error", "skip") == 0
    assert "already made with these files and settings" in capsys.readouterr().out


def test_a_second_that_makes_the_same_output_is_refused(manuals: Path, tmp_path: Path) -> None:
    told = f"{tmp_path / 'made'}: in use by another process \\(make-pairs, process"
    with only_one(beside(tmp_path / "made"), "make-pairs"), pytest.raises(BusyError, match=told):
        make_pairs(manuals, tmp_path / "made", SETTINGS)
    make_pairs(manuals, tmp_path / "made", SETTINGS)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_pages_whose_fonts_are_missing_are_kept_and_named(tmp_path: Path) -> None:
    folder = Path(__file__).parents[1] / "fixtures" / "documents" / "09-indic-scripts" / "hindi"
    report = make_pairs(folder, tmp_path / "made", SETTINGS)
    asked = sum(part["queries"] for part in report.counts.values())
    assert asked == 4 * 6 and "blank" not in report.left_out
    blank = report.undrawn
    assert all("3 of 3 pages have text and are drawn blank" in line for line in blank) and not report.problems
    # A machine that has a Hindi font draws them.
    drawn = read_pdf(next(folder.glob("*.pdf")), dpi=40, cache_dir=tmp_path / "cache")
    assert bool(blank) == drawn[0].blank
