"""What `smart-train tune` takes beside encoding again for every setting: all-MiniLM-L6-v2 on held-out manual pages.

Run:     python -m benchmarks.tune --threads 1 --rounds 1 --write
Needs:   a CPU core, some minutes; what recipes/text_minilm.yaml needs.
Expect:  the table of docs/benchmarks.md, rewritten.

The unit is one evaluation, as `smart-train evaluate` makes it: queries and documents are encoded and scored once.
Without `tune`, every setting takes one.
"""

from __future__ import annotations

import gc
import statistics
import time

from benchmarks._harness import Report, arguments, verdict
from benchmarks.text_minilm import MANPAGES, METRIC, MODEL, build
from smart_train import SmartModel
from smart_train.data import SourceConfig, load_documents, load_examples
from smart_train.evaluation import EvaluationSet, RetrievalEvaluator, TuningGrid, tune

# About 200 settings: two layers, all filters, two poolings and two number formats, all weights.
GRID = TuningGrid(layers=(-1, 4), pool_factors=(1, 2), stored_as=("float32", "int8"))
LEAST = 20.0  # times cheaper than encoding again for every setting


def main() -> None:
    options = arguments(__doc__)
    build("manpages", MANPAGES)
    model = SmartModel.from_pretrained(MODEL, device=options.device)
    corpus = load_documents(SourceConfig(MANPAGES / "train.jsonl"))
    data = EvaluationSet.from_examples(load_examples(SourceConfig(MANPAGES / "held_out.jsonl")), corpus)
    clock = time.process_time if options.device == "cpu" and options.threads == 1 else time.perf_counter
    sweeps: list[float] = []
    counts: list[int] = []
    evaluate = RetrievalEvaluator(data, show_progress_bar=False)
    evaluate(model)  # not counted: the first one loads what the others find loaded
    for _ in range(options.rounds):
        gc.collect()
        began = clock()
        evaluate(model)
        between = clock()
        result = tune(model, data, grid=GRID, metric=METRIC, show_progress_bar=False)
        ended = clock()
        sweeps.append((ended - between) / (between - began))
        counts.append(len(result.settings))
    settings, sweep = counts[0], statistics.median(sweeps)
    report = Report("tune", "Tuning", options)
    report.table(
        f"{settings} settings, {len(data.queries)} queries, {len(data.documents)} documents; one evaluation, which "
        "encodes and scores once, is 1",
        ("what", "time"),
        [
            ("one evaluation", "1.00"),
            ("the sweep, its one encoding included", f"{sweep:.2f}"),
            ("an evaluation for each setting", f"{settings:.0f}"),
            ("times cheaper", verdict(settings / sweep, LEAST, at_least=True)),
        ],
    )
    report.finish()


if __name__ == "__main__":
    main()
