"""Qwen3-VL-Reranker: prompts and scores against what the official code makes of the same weights; and as a teacher."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from smart_train import SmartModel
from smart_train.data import SourceConfig, load_examples
from smart_train.errors import ModelError, NonFiniteError
from smart_train.models.reranker import Reranker, load_reranker
from smart_train.types import ModelInput
from tests.command import ended
from tests.models.official.reranker.tiny_folder import reranker_folder
from tests.models.official.states import tiny
from tests.models.vision_folders import vision_folder
from tests.runs import OVERRIDES, TINY, recipe_values

GOLDEN = Path(__file__).with_name("qwen3_vl_reranker.npz")


def shown(*sizes):
    return tuple(tiny.image(*size, shift=17 * index) for index, size in enumerate(sizes))


PAIRS = {
    "texts": (ModelInput("total revenue 2019"), ModelInput("the cat sat on the mat")),
    "page": (ModelInput("total revenue 2019"), ModelInput(None, shown((128, 96)))),
    "asked": (
        ModelInput("total revenue 2019", instruction="Find the page."),
        ModelInput("a caption", shown((128, 96), (64, 160))),
    ),
    "composed": (ModelInput("the same in blue", shown((128, 96))), ModelInput(None, shown((64, 160)))),
    "nothing": (ModelInput("why"), ModelInput()),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return reranker_folder(tmp_path_factory.mktemp("reranker") / "model")


@pytest.fixture(scope="module")
def reranker(folder: Path) -> Reranker:
    return load_reranker(str(folder), device="cpu")


def test_prompts_and_scores_are_the_official_ones(reranker):
    with np.load(GOLDEN) as known:
        assert {name.split(".")[0] for name in known.files} == set(PAIRS)
        for name, (query, document) in PAIRS.items():
            features = reranker.family.pairs(query, [document])
            assert features["input_ids"][0].tolist() == known[f"{name}.ids"].tolist(), name
            assert reranker.scores(query, [document]) == pytest.approx(known[f"{name}.score"].tolist(), abs=1e-6), name


def test_a_batch_is_its_pairs_one_by_one(reranker):
    query, documents = PAIRS["asked"][0], [document for _, document in PAIRS.values()]
    alone = [reranker.scores(query, [document])[0] for document in documents]
    assert reranker.scores(query, documents, batch_size=3) == pytest.approx(alone, abs=1e-6)


def test_long_text_is_cut_from_the_document(reranker, monkeypatch):
    query, long = ModelInput("why"), ModelInput("total revenue " * 400)
    monkeypatch.setattr(type(reranker.family), "default_max_length", 160)
    features = reranker.family.pairs(query, [long, ModelInput("short")])
    assert features["attention_mask"].shape[1] <= 160
    cut = reranker.family.tokenizer.decode(features["input_ids"][0])
    assert cut.rstrip("\n").endswith("<|im_start|>assistant") and "<Document>:total revenue" in cut
    with pytest.raises(ModelError, match="tokens together, of which 0 are the document's text; the reranker reads 160"):
        reranker.family.pairs(ModelInput("total revenue " * 400), [ModelInput(None, shown((128, 96)))])


def test_what_is_not_a_reranker_is_refused(folder, tmp_path):
    other = vision_folder(tmp_path / "qwen2_vl", "qwen2_vl")
    with pytest.raises(ModelError, match="model_type 'qwen2_vl'; a reranker is read as Qwen3-VL-Reranker, which is"):
        load_reranker(str(other), device="cpu")
    plain = vision_folder(tmp_path / "plain", "qwen3_vl")
    with pytest.raises(ModelError, match="its tokenizer has no single token 'yes', by which Qwen3-VL-Reranker answers"):
        load_reranker(str(plain), device="cpu")


def test_an_embedder_is_not_taken_for_one(tmp_path):
    """Its head gives "yes" and "no" numbers too, which mean nothing."""
    SmartModel.from_config(TINY, init_std=0.05).save_pretrained(tmp_path / "embedder")
    with pytest.raises(
        ModelError, match=r"an embedder of smart_train \(qwen3_vl_embedding\), .*mine with it as the model"
    ):
        load_reranker(str(tmp_path / "embedder"), device="cpu")


def test_scores_that_are_not_numbers_are_refused(folder):
    """They would be found when the mined rows are read, hours later."""
    broken = load_reranker(str(folder), device="cpu")
    broken.direction[3] = float("nan")
    with pytest.raises(NonFiniteError, match="the reranker gives scores that are NaN: its weights are damaged"):
        broken.scores(ModelInput("why"), [ModelInput("total revenue")])


def test_mined_rows_hold_its_scores(folder, reranker, tiny_data, tmp_path, monkeypatch, capsys):
    searcher, recipe = tmp_path / "searcher", tmp_path / "recipe.yaml"
    SmartModel.from_config(TINY, init_std=0.05, overrides=OVERRIDES).save_pretrained(searcher)
    few = {"data": {"train": {"path": str(tiny_data / "train.jsonl"), "max_samples": 6}}}
    recipe.write_text(json.dumps(recipe_values(tiny_data, tmp_path / "run", **few)))  # JSON is YAML
    mined = tmp_path / "mined"
    options = ("--negatives", 2, "--last-rank", 3, "--margin", 0)
    call = ("mine", recipe, "--model", searcher, "--output", mined, *options)
    assert ended(monkeypatch, capsys, *call).status == 0
    own = [example.scores for example in load_examples(SourceConfig(mined))]
    status, _, err = ended(monkeypatch, capsys, *call, "--teacher", folder)
    assert status == 0, err
    examples = list(load_examples(SourceConfig(mined)))
    for example, before in zip(examples, own, strict=True):
        assert example.scores == pytest.approx(reranker.scores(example.query, example.documents), abs=1e-5)
        assert len(example.scores) == 3 and example.scores != pytest.approx(before, abs=1e-3)
    # What it scored is kept: a call that was killed after it does not score again.
    monkeypatch.setattr(Reranker, "scores", lambda *_: pytest.fail("scored again"))
    assert ended(monkeypatch, capsys, *call, "--teacher", folder).status == 0
    assert [example.scores for example in load_examples(SourceConfig(mined))] == [row.scores for row in examples]
    kept = mined / "work" / "teacher" / "00000.json"
    kept.write_text("{")
    status, _, err = ended(monkeypatch, capsys, *call, "--teacher", folder)
    assert status == 2 and f"{kept}: cannot be read" in err and "delete it, and it is made again" in err


def test_a_wrong_teacher_is_told_before_anything_is_encoded(tiny_data, tmp_path, monkeypatch, capsys):
    searcher, recipe = tmp_path / "searcher", tmp_path / "recipe.yaml"
    SmartModel.from_config(TINY, init_std=0.05, overrides=OVERRIDES).save_pretrained(searcher)
    recipe.write_text(json.dumps(recipe_values(tiny_data, tmp_path / "run")))
    call = ("mine", recipe, "--model", searcher, "--output", tmp_path / "mined", "--teacher", tmp_path / "nowhere")
    status, _, err = ended(monkeypatch, capsys, *call)
    assert status == 2 and "nowhere" in err and not (tmp_path / "mined" / "work").exists()
