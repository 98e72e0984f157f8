"""The README's three commands, from a folder of PDF files to ranked pages.

The files are real ones in what matters: written by a PDF library, embedded fonts, text that people wrote. They are this
project's own documentation, laid out page by page, so nothing is fetched and no licence is in question.
"""

from __future__ import annotations

import json
import re
import shlex
import sys
import textwrap
from pathlib import Path

import pytest

from smart_train.cli import main
from smart_train.pairs.pointing.languages import LANGUAGES
from tests.runs import OVERRIDES, TINY

pytest.importorskip("pypdfium2")
ROOT = Path(__file__).parents[2]
LINES, COLUMNS = 46, 88


def typeset(markdown: Path, target: Path) -> None:
    """A text as PDF: headings in larger print, the rest wrapped, 46 lines to a page."""
    import matplotlib
    from matplotlib.backends.backend_pdf import PdfPages
    from matplotlib.figure import Figure

    lines: list[tuple[str, int]] = []
    for line in markdown.read_text().splitlines():
        heading = re.match(r"(#+) (.*)", line)
        if heading:
            lines.append((heading[2], 18 - 2 * len(heading[1])))
        else:
            lines += [(part, 9) for part in textwrap.wrap(line, COLUMNS)] or [("", 9)]
    # Type 42 embeds TrueType fonts with the table that says which letter a glyph is.
    with matplotlib.rc_context({"pdf.fonttype": 42}), PdfPages(target, metadata={"CreationDate": None}) as pdf:
        for start in range(0, len(lines), LINES):
            page = Figure(figsize=(6, 8.5))
            for place, (text, size) in enumerate(lines[start : start + LINES]):
                page.text(0.06, 0.96 - place * 0.02, text.replace("$", r"\$"), fontsize=size * 0.7, family="serif")
            pdf.savefig(page)


def commands() -> list[list[str]]:
    """The arguments of the three `smart-train` lines of the README's section."""
    readme = (ROOT / "README.md").read_text()
    section = readme[readme.index("## Your own PDF files") :]
    (block,) = re.findall(r"```bash\n(.*?)```", section[: section.index("\n## ", 10)], flags=re.S)
    lines = [shlex.split(line, comments=True) for line in block.splitlines()]
    assert [line[:2] for line in lines] == [["smart-train", name] for name in ("make-pairs", "train", "search")]
    return [line[1:] for line in lines]


def run(monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["smart-train", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code


# What a test cannot have: the published weights, a GPU, and time. Everything else is as the recipe says.
SMALL = [
    f"model.name_or_path={TINY}",
    f"model.from_config={json.dumps({'overrides': OVERRIDES, 'init_std': 0.05})}",
    "model.dtype=float32",
    "model.max_pixels=8192",
    "training.bf16=false",
    "training.use_cpu=true",
    "training.per_device_train_batch_size=8",
    "training.max_steps=2",
    "training.dataloader_num_workers=0",
    "training.dataloader_pin_memory=false",
    "training.eval_strategy=no",
    "training.save_strategy=no",
    "training.load_best_model_at_end=false",
    "export.dtype=float32",
]


@pytest.mark.slow
def test_three_commands_from_pdf_files_to_ranked_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SMART_TRAIN_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    Path("manuals").mkdir()
    for name in ("architecture", "findings", "memory", "recipe"):
        typeset(ROOT / "docs" / f"{name}.md", Path("manuals", f"{name}.pdf"))
    Path("recipes").symlink_to(ROOT / "recipes")
    make, train, search = commands()

    run(monkeypatch, [*make, "--dpi", "40"])
    report = json.loads(Path("pairs/manifest.json").read_text())["report"]
    assert set(report["kinds"]) >= {"sentence"}
    assert report["counts"]["held_out"]["documents"] >= 1 and report["counts"]["train"]["queries"] >= 8

    run(monkeypatch, [*train, *SMALL])
    measured = json.loads(Path("runs/own_pages/evaluation.json").read_text())
    assert set(measured) >= {"before", "after"} and Path("runs/own_pages/export/parity.json").is_file()
    assert json.loads(Path("runs/own_pages/run.json").read_text())["state"] == "finished"

    capsys.readouterr()
    run(monkeypatch, [*search, "--json"])
    (found,) = map(json.loads, capsys.readouterr().out.splitlines())
    pages = [path.relative_to("pairs/pages").as_posix() for path in Path("pairs/pages").rglob("*.png")]
    ranked = [hit["document_id"] for hit in found["hits"]]
    assert len(ranked) == min(10, len(pages)) and set(ranked) <= set(pages) and Path("pages.index").is_dir()


def test_the_languages_that_it_names_are_those_that_are_known() -> None:
    text = " ".join((ROOT / "docs" / "own-documents.md").read_text().split())
    told = re.search(r"those of English, of (\d+) other European .*? and of (\d+) of Asia and Africa \((.*?)\)", text)
    assert told is not None
    elsewhere = told[3].split(", ")
    assert set(elsewhere) <= set(LANGUAGES) and len(elsewhere) == int(told[2])
    assert 1 + int(told[1]) + len(elsewhere) == len(LANGUAGES)
