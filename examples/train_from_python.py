"""Train, export and search from Python, without a recipe: a tiny random model learns pages of two coloured halves.

    python examples/train_from_python.py        # in a checkout; writes to runs/from_python

Hardware: 1 CPU core, 1 GB of memory, under a minute.
Expect:   held-out hybrid nDCG@5 rises from 0.25 to 0.55 (12 queries, 12 pages; another seed: 0.21 to 0.69).
Yours:    `SmartModel.from_pretrained("Qwen/Qwen3-VL-Embedding-2B")` in place of `from_config`, LoRA (docs/python.md) in
          place of training all weights, and a file of your own rows in place of `write_rows`.
"""

from __future__ import annotations

import itertools
import json
import random
from pathlib import Path

from PIL import Image
from transformers import TrainingArguments

from smart_train import SmartModel
from smart_train.data import PairCollator, SourceConfig, load_examples, load_held_out
from smart_train.evaluation import EvaluationSet, RetrievalEvaluator
from smart_train.export import export_model
from smart_train.losses import ContrastiveObjective
from smart_train.retrieval import search_folder
from smart_train.training import SmartTrainer, TrainingModule

COLOURS = {
    "red": (220, 30, 30),
    "green": (20, 150, 60),
    "blue": (30, 60, 220),
    "black": (20, 20, 20),
    "pink": (250, 160, 190),
    "white": (250, 250, 250),
    "orange": (250, 140, 20),
}


def write_rows(folder: Path) -> None:
    """`train.jsonl` and `held_out.jsonl`: a query names a page's upper and lower colour. No page is in both."""
    pages = list(itertools.permutations(COLOURS, 2))
    random.Random(0).shuffle(pages)
    for split, chosen in (("train", pages[:30]), ("held_out", pages[30:])):
        (folder / split).mkdir(parents=True, exist_ok=True)
        rows = []
        for upper, lower in chosen:
            page = Image.new("RGB", (64, 64), COLOURS[upper])
            page.paste(COLOURS[lower], (0, 32, 64, 64))
            name = f"{split}/{upper}-{lower}.png"
            page.save(folder / name)
            rows.append({"query": f"{upper} {lower}", "positive": name})
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def train(model: SmartModel, data: Path, output: Path) -> tuple[float, float]:
    """Trains `model` in place and saves it to `output`/trained; held-out hybrid nDCG@5 before and after."""
    rows = load_examples(SourceConfig(path=str(data / "train.jsonl")))
    held_out = EvaluationSet.from_examples(load_held_out(SourceConfig(path=str(data / "held_out.jsonl"))))
    evaluator = RetrievalEvaluator(held_out, ks=(1, 5))
    before = evaluator(model)

    temperatures = {"pooled": 0.05, "late": 0.05}
    objective = ContrastiveObjective("joint", scoring=model.scoring, temperatures=temperatures)
    arguments = TrainingArguments(
        output_dir=str(output / "run"),
        per_device_train_batch_size=10,  # = candidates per query
        max_steps=40,
        learning_rate=3e-3,
        lr_scheduler_type="cosine",
        logging_steps=10,
        save_strategy="no",
        report_to="none",
        remove_unused_columns=False,  # rows are examples, which have no columns
        dataloader_pin_memory=False,
        seed=0,
    )
    trainer = SmartTrainer(
        TrainingModule(model, objective), arguments, examples=rows, collator=PairCollator(model.family)
    )
    trainer.train()
    model.eval().save_pretrained(output / "trained")
    after = evaluator(model)
    return before.metrics["hybrid"]["ndcg@5"], after.metrics["hybrid"]["ndcg@5"]


def main(output: Path = Path("runs/from_python"), tiny: Path = Path("data/tiny-qwen3-vl")) -> tuple[float, float]:
    write_rows(output / "data")
    model = SmartModel.from_config(tiny, init_std=0.05)
    before, after = train(model, output / "data", output)
    print(f"held-out hybrid nDCG@5: {before:.3f} before, {after:.3f} after training")
    export_model(output / "trained", output / "export", overwrite=True)
    query = load_held_out(SourceConfig(path=str(output / "data" / "held_out.jsonl")))[0].query.text
    print(f"the best pages for {query!r}:")
    for hit in search_folder(output / "export", output / "data" / "held_out", query, top_k=3)[0]:
        print(f"{hit.rank}. {hit.document_id}  hybrid {hit.hybrid:.3f}")
    return before, after


if __name__ == "__main__":
    main()
