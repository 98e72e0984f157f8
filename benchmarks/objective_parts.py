"""Parts added to the objective, each alone: MiniLM's last layer trained on manual pages, in five folds.

Run:     python -m benchmarks.objective_parts [--seeds 0] [--parts NAME ...] [--write]
Needs:   a CPU core, seconds a run; what recipes/text_minilm.yaml needs. Runs are kept under runs/objective-parts.
Expect:  a row for each part; with --write, the table between the markers of
         docs/decisions/parts-added-to-the-objective.md, rewritten.

A stand-in for whole runs of recipes/text_minilm.yaml, which take 13 minutes each. The first five layers are frozen and
computed once, of the first 33 tokens of each text. LoRA trains the last one by the objective `joint`, 32 steps of 32
pairs. The 930 pages are five folds; a run is trained on four of them and asked the queries of the fifth, against all
pages. So each query is asked once, by a model that has not seen it. Tests are paired by query, each query's value being
its mean over the seeds.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.document import replace_section
from benchmarks.readings import SAMPLES
from benchmarks.text_minilm import MANPAGES, METRIC, MODEL, ROOT, build
from smart_train import SmartModel
from smart_train.data import SourceConfig, load_examples
from smart_train.evaluation import SCORES, EvaluationSet, RetrievalEvaluator
from smart_train.evaluation.compare import p_text, sign_flip_p_values
from smart_train.losses import ContrastiveObjective
from smart_train.models.peft import add_lora
from smart_train.models.readout import READOUT
from smart_train.scoring import score_parts
from smart_train.scoring.embeddings import Embeddings
from smart_train.training.learning_rate import rate_at
from smart_train.types import Example

DECISION = ROOT / "docs" / "decisions" / "parts-added-to-the-objective.md"
FOLDS, STEPS, BATCH, TOKENS, RATE, TEMPERATURE = 5, 32, 32, 33, 3e-3, 0.05
WARMUP, EPOCHS = STEPS // 10, 5


@dataclass(frozen=True)
class Part:
    """What a run has of its own.

    Args:
        objective: joint, or another in its place.
        hardness: the objective's; a negative with score s counts as exp(hardness * s / T), over the mean of that.
        memory: number of earlier batches whose documents, as they were then, are candidates too.
        memory_from: the first step at which they are.
    """

    objective: str = "joint"
    hardness: float = 0.0
    memory: int = 0
    memory_from: int = 0


PLAIN = "nothing"
PARTS = {
    PLAIN: Part(),
    "pooled in place of joint": Part(objective="pooled"),
    "late in place of joint": Part(objective="late"),
    "hybrid in place of joint": Part(objective="hybrid"),
    "hardness 0.25": Part(hardness=0.25),
    "hardness 0.5": Part(hardness=0.5),
    "hardness 1": Part(hardness=1.0),
    "memory of 1 batch": Part(memory=1),
    "memory of 3 batches from step 16": Part(memory=3, memory_from=16),
}


class LastLayer(nn.Module):
    """MiniLM from its fifth layer's states on, with LoRA on the last layer."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.model = SmartModel.from_pretrained(MODEL, device="cpu", prompts={"max_length": TOKENS})
        pattern = r".*layer\.5\..*(query|key|value|dense)"
        self.model.backbone = add_lora(
            self.model.backbone, self.model.family, r=16, alpha=32, dropout=0.05, target_modules=pattern
        )
        self.layer = next(module for name, module in self.named_modules() if name.endswith("encoder.layer.5"))

    @torch.no_grad()
    def before(self, inputs: Sequence, role: str) -> list[tuple[Tensor, Tensor]]:
        """Of each input the states [T, D] that the last layer gets, and which of them are kept, bool [T]."""
        self.eval()
        items = []
        for start in range(0, len(inputs), 64):
            features = self.model.family.featurize(list(inputs[start : start + 64]), role)
            plain = {name: value for name, value in features.items() if name not in READOUT}
            states = self.model.backbone(**plain, output_hidden_states=True).hidden_states[-2]
            for row, real in enumerate(features["attention_mask"].bool()):
                items.append((states[row][real].clone(), features["token_mask"][row][real]))
        return items

    def embed(self, items: Sequence[tuple[Tensor, Tensor]]) -> Embeddings:
        """What the whole model gives."""
        states = nn.utils.rnn.pad_sequence([item for item, _ in items], batch_first=True)
        kept = nn.utils.rnn.pad_sequence([item for _, item in items], batch_first=True)
        real = torch.arange(states.shape[1]) < torch.tensor([len(item) for item, _ in items])[:, None]
        states = self.layer(states, real[:, None, None, :])
        states = states[0] if isinstance(states, tuple) else states
        mean = (states * real[:, :, None]).sum(dim=1) / real.sum(dim=1, keepdim=True)
        lengths = kept.sum(dim=1).tolist()
        return Embeddings(F.normalize(mean, dim=-1), list(F.normalize(states[kept], dim=-1).split(lengths)))


class Texts:
    """All pages: the states before the last layer of queries and documents, and the fold of each."""

    def __init__(self) -> None:
        splits = [load_examples(SourceConfig(MANPAGES / f"{name}.jsonl")) for name in ("train", "held_out")]
        self.rows: list[Example] = [row for split in splits for row in split]
        whole = LastLayer(0)
        self.queries = whole.before([row.query for row in self.rows], "query")
        self.documents = whole.before([row.documents[0] for row in self.rows], "document")
        order = torch.randperm(len(self.rows), generator=torch.Generator().manual_seed(0))
        self.fold = torch.empty(len(self.rows), dtype=torch.int64)
        self.fold[order] = torch.arange(len(self.rows)) % FOLDS
        with torch.no_grad():
            ours, theirs = (
                whole.embed(self.documents[:9]),
                whole.model.encode_document([row.documents[0] for row in self.rows[:9]], show_progress_bar=False),
            )
        for one, other in ((ours.pooled, theirs.pooled), (ours.packed, theirs.packed)):
            torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


def joined(first: Embeddings, others: Sequence[Embeddings]) -> Embeddings:
    """The documents of a batch, then those of earlier ones."""
    every = [first, *others]
    return Embeddings(torch.cat([item.pooled for item in every]), [states for item in every for states in item.tokens])


class Training:
    """A run under way, on all rows but those of `fold`."""

    def __init__(self, texts: Texts, part: Part, fold: int, seed: int) -> None:
        self.texts, self.part, self.done = texts, part, 0
        self.net = LastLayer(seed).train()
        self.net.layer.attention.self.dropout.p = 0.0
        temperatures = dict.fromkeys(SCORES, TEMPERATURE)
        self.objective = ContrastiveObjective(
            part.objective, scoring=self.net.model.scoring, temperatures=temperatures, hardness=part.hardness
        )
        self.trained = [parameter for parameter in self.net.layer.parameters() if parameter.requires_grad]
        self.optimizer = torch.optim.AdamW(self.trained, lr=RATE, weight_decay=0.0)
        places = (texts.fold != fold).nonzero().flatten()
        generator = torch.Generator().manual_seed(seed)
        self.order = torch.cat([places[torch.randperm(len(places), generator=generator)] for _ in range(EPOCHS)])
        self.remembered: deque[tuple[Tensor, Embeddings]] = deque(maxlen=part.memory)

    def step(self, rate: float) -> None:
        """The next step, at the learning rate `rate`."""
        rows = self.order[self.done * BATCH : (self.done + 1) * BATCH]
        queries = self.net.embed([self.texts.queries[row] for row in rows.tolist()])
        documents = self.net.embed([self.texts.documents[row] for row in rows.tolist()])
        older = list(self.remembered) if self.done >= self.part.memory_from else []
        columns = torch.cat([rows, *(earlier for earlier, _ in older)])
        excluded, positive = rows[:, None] == columns, torch.arange(BATCH)
        excluded[positive, positive] = False
        scores = score_parts(queries, joined(documents, [states for _, states in older]))
        self.optimizer.zero_grad()
        self.objective(scores, positive, excluded).total.backward()
        nn.utils.clip_grad_norm_(self.trained, 1.0)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        earlier = Embeddings(documents.pooled.detach(), documents.packed.detach(), documents.offsets)
        self.remembered.append((rows, earlier))
        self.done += 1


def rates(kind: str, steps: int) -> list[float]:
    """The learning rate of each step, under transformers' schedule `kind`."""
    schedule = {"lr_scheduler_type": kind, "learning_rate": RATE, "warmup_steps": WARMUP}
    return [cast(float, rate_at(schedule, steps, step)) for step in range(steps)]


def measured(texts: Texts, net: LastLayer, fold: int) -> dict[str, list[float]]:
    """query id -> the value of each score, of the queries of `fold`."""
    asked = (texts.fold == fold).nonzero().flatten().tolist()
    corpus = [(row.document_ids[0], row.documents[0]) for row in texts.rows]
    evaluator = RetrievalEvaluator(EvaluationSet.from_examples([texts.rows[row] for row in asked], corpus))
    place = {row.document_ids[0]: number for number, row in enumerate(texts.rows)}
    searched = [texts.documents[place[name]] for name in evaluator.evaluation_set.document_ids]
    with torch.no_grad():
        result = evaluator.score_embeddings(
            net.embed([texts.queries[row] for row in asked]), net.embed(searched), net.model.scoring
        )
    columns = [result.per_query[score][METRIC] for score in SCORES]
    return {query: list(found) for query, *found in zip(result.query_ids, *columns, strict=True)}


def run(texts: Texts, name: str, fold: int, seed: int, folder: Path) -> dict:
    """Trains and measures, or reads what was measured: query id -> the value of each score, and CPU seconds."""
    kept = folder / f"{name.replace(' ', '_')}-{fold}-{seed}.json"
    if kept.is_file():
        return json.loads(kept.read_text(encoding="utf-8"))
    started = time.process_time()
    training = Training(texts, PARTS[name], fold, seed)
    for rate in rates("cosine", STEPS):
        training.step(rate)
    seconds = time.process_time() - started
    found = {"seconds": seconds, "queries": measured(texts, training.net.eval(), fold)}
    kept.write_text(json.dumps(found), encoding="utf-8")
    return found


def values(results: dict[tuple[str, int, int], dict], name: str, seeds: Sequence[int]) -> np.ndarray:
    """float [seeds, queries, scores], the queries of all folds in one order."""
    by_seed = []
    for seed in seeds:
        asked = {query: found for fold in range(FOLDS) for query, found in results[name, fold, seed]["queries"].items()}
        by_seed.append([asked[query] for query in sorted(asked)])
    return np.array(by_seed)


def table(results: dict[tuple[str, int, int], dict], names: Sequence[str], seeds: Sequence[int]) -> list[str]:
    """Markdown rows: the plain run's figures, then the difference of each part to it."""
    plain = values(results, PLAIN, seeds)
    cells = [f"{mean:.3f}" for mean in plain.mean(axis=(0, 1))]
    lines = [f"| {METRIC} | {' | '.join(SCORES)} | CPU time |", f"|---|{'---|' * len(SCORES)}---|"]
    lines.append(f"| {PLAIN} | {' | '.join(cells)} | x 1 |")
    for name in names:
        if name == PLAIN:
            continue
        difference = (values(results, name, seeds) - plain).mean(axis=0)
        tested = sign_flip_p_values(difference, SAMPLES, np.random.default_rng(0))
        cells = [f"{mean:+.3f} (p {p_text(p)})" for mean, p in zip(difference.mean(axis=0), tested, strict=True)]
        cost = [
            sum(results[of, fold, seed]["seconds"] for fold in range(FOLDS) for seed in seeds) for of in (name, PLAIN)
        ]
        lines.append(f"| {name} | {' | '.join(cells)} | x {cost[0] / cost[1]:.1f} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--folder", type=Path, default=ROOT / "runs" / "objective-parts")
    parser.add_argument("--write", action="store_true", help="write the table into docs/decisions")
    given = parser.parse_args()
    build("manpages", MANPAGES)
    given.folder.mkdir(parents=True, exist_ok=True)
    texts = Texts()
    names = [name for name in PARTS if name in (PLAIN, *given.parts)]
    results: dict[tuple[str, int, int], dict] = {}
    for name in names:
        for seed, fold in product(given.seeds, range(FOLDS)):
            results[name, fold, seed] = run(texts, name, fold, seed, given.folder)
        print(table(results, [name], given.seeds)[-1], flush=True)
    if given.write:
        command = f"`python -m benchmarks.objective_parts --seeds {' '.join(map(str, given.seeds))} --write`"
        replace_section(DECISION, "objective-parts", [command, "", *table(results, names, given.seeds)])


if __name__ == "__main__":
    main()
