"""Width, second map and layers of a token projection: all-MiniLM-L6-v2 frozen, projections trained on manual pages.

Run:     python -m benchmarks.projections [--seeds 0 1 2]
Needs:   a CPU core, a few minutes; what recipes/text_minilm.yaml needs.
Expect:  the table between the markers of docs/findings.md, rewritten.

The backbone is frozen, so its states are computed once and every projection is trained on them: the steps are those of
a run of recipes/text_minilm.yaml with `projection` in place of `lora`, 64 of them, with this package's own losses and
scores. The held-out queries are the recipe's.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.document import replace_section
from benchmarks.text_minilm import FINDINGS, MANPAGES, METRIC, MODEL, build
from smart_train import SmartModel
from smart_train.data import SourceConfig, load_documents, load_examples
from smart_train.evaluation import EvaluationSet, RetrievalEvaluator
from smart_train.losses import ContrastiveObjective
from smart_train.models import TokenProjection
from smart_train.models.readout import READOUT
from smart_train.scoring import score_parts
from smart_train.scoring.embeddings import Embeddings
from smart_train.types import ModelInput

STEPS, BATCH, RATE, TEMPERATURE = 64, 32, 1e-3, 0.03
# Name -> arguments of the projection beside its width.
KINDS: dict[str, tuple[int, dict[str, Any]]] = {
    "384": (384, {}),
    "128": (128, {}),
    "64": (64, {}),
    "384, two maps over 768": (384, {"hidden_dim": 768}),
    "384, of layers 4, 5 and 6": (384, {"layers": (4, 5, -1)}),
}
LAYERS = (4, 5, -1)


class States:
    """The frozen model's pooled vectors and the states of `LAYERS` at the kept tokens, of one list of inputs."""

    @torch.no_grad()
    def __init__(self, model: SmartModel, inputs: list[ModelInput], role: str) -> None:
        pooled, lengths = [], []
        layers: dict[int, list[Tensor]] = {layer: [] for layer in LAYERS}
        for start in range(0, len(inputs), BATCH):
            features = model.family.featurize(inputs[start : start + BATCH], role)
            plain = {name: value for name, value in features.items() if name not in READOUT}
            states = model.backbone(**plain, output_hidden_states=True).hidden_states
            for layer, parts in layers.items():
                parts.append(states[layer][features["token_mask"]])
            pooled.append(model(features).pooled)
            lengths.append(features["token_mask"].sum(1))
        self.pooled = torch.cat(pooled)
        self.layers = {layer: torch.cat(parts) for layer, parts in layers.items()}
        self.offsets = torch.cat([torch.zeros(1, dtype=torch.int64), torch.cat(lengths).cumsum(0)])

    def embed(self, projection: TokenProjection | None, rows: list[int] | None = None) -> Embeddings:
        """What `SmartModel` gives with this projection, of all inputs or of `rows`."""
        chosen = list(range(len(self.pooled))) if rows is None else rows
        spans = [torch.arange(int(self.offsets[row]), int(self.offsets[row + 1])) for row in chosen]
        places = torch.cat(spans)
        layers = (-1,) if projection is None else projection.layers
        kept = [self.layers[layer][places] for layer in layers]
        tokens = F.normalize(kept[0] if projection is None else projection(*kept), dim=-1)
        return Embeddings(self.pooled[chosen], list(tokens.split([len(span) for span in spans])))


def batches(rows: int, seed: int) -> Iterator[list[int]]:
    """Every row once an epoch, in an order drawn from `seed`; an incomplete batch is dropped."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        order = torch.randperm(rows, generator=generator).tolist()
        yield from (order[start : start + BATCH] for start in range(0, rows - BATCH + 1, BATCH))


def train(model: SmartModel, projection: TokenProjection, queries: States, documents: States, seed: int) -> None:
    """Late InfoNCE over the batch's documents; linear warm-up over a tenth of the steps, then cosine to 0."""
    objective = ContrastiveObjective("late", scoring=model.scoring, temperatures={"late": TEMPERATURE})
    optimizer = torch.optim.AdamW(projection.parameters(), lr=RATE, weight_decay=0.01)
    warm = STEPS // 10
    schedule = torch.optim.lr_scheduler.SequentialLR(
        optimizer,
        [
            torch.optim.lr_scheduler.LinearLR(optimizer, 1 / warm, total_iters=warm),
            torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS - warm),
        ],
        [warm],
    )
    positive = torch.arange(BATCH)
    excluded = torch.zeros(BATCH, BATCH, dtype=torch.bool)
    for _, rows in zip(range(STEPS), batches(len(queries.pooled), seed), strict=False):
        scores = score_parts(queries.embed(projection, rows), documents.embed(projection, rows), pooled=False)
        optimizer.zero_grad()
        objective(scores, positive, excluded).total.backward()
        torch.nn.utils.clip_grad_norm_(projection.parameters(), 1.0)
        optimizer.step()
        schedule.step()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    seeds = parser.parse_args().seeds
    build("manpages", MANPAGES)
    model = SmartModel.from_pretrained(MODEL, device="cpu")
    training = load_examples(SourceConfig(MANPAGES / "train.jsonl"))
    held_out = load_examples(SourceConfig(MANPAGES / "held_out.jsonl"))
    corpus = load_documents(SourceConfig(MANPAGES / "train.jsonl"))
    evaluator = RetrievalEvaluator(EvaluationSet.from_examples(held_out, corpus))
    asked = States(model, list(evaluator.evaluation_set.queries), "query")
    searched = States(model, list(evaluator.evaluation_set.documents), "document")
    queries = States(model, [row.query for row in training], "query")
    documents = States(model, [row.documents[0] for row in training], "document")

    def measured(projection: TokenProjection | None) -> dict[str, float]:
        with torch.no_grad():
            ours, theirs = asked.embed(projection), searched.embed(projection)
        metrics = evaluator.score_embeddings(ours, theirs, model.scoring).metrics
        return {score: metrics[score][METRIC] for score in ("late", "hybrid")}

    lines = [
        f"| token width | untrained (one draw) late | hybrid | trained late | hybrid | ({METRIC}) |",
        "|---|---|---|---|---|---|",
    ]
    plain = measured(None)
    lines.append(f"| 384, no projection | {plain['late']:.3f} | {plain['hybrid']:.3f} | | | |")
    for name, (dim, options) in KINDS.items():
        cells, found = [], []
        for seed in seeds:
            projection = TokenProjection(model.hidden_size, dim, **options)
            projection.reset(seed)
            if not cells:
                cells += [f"{value:.3f}" for value in measured(projection).values()]
            train(model, projection, queries, documents, seed)
            found.append(measured(projection))
        for score in ("late", "hybrid"):
            values = [result[score] for result in found]
            cells.append(f"{statistics.mean(values):.3f} ({min(values):.3f} to {max(values):.3f})")
        lines.append(f"| {name} | {' | '.join(cells)} | |")
        print(lines[-1], flush=True)
    replace_section(FINDINGS, "projections", ["`python -m benchmarks.projections`", "", *lines])


if __name__ == "__main__":
    main()
