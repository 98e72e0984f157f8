"""`lora.trained_tokens` and `lora.modules_to_save`: through a run, its export, its resume, and a run that trains on."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoTokenizer

import smart_train.run.stages
from smart_train import SmartModel
from smart_train.errors import RecipeError
from smart_train.recipe import Recipe, parse_recipe
from smart_train.recipe.reader import merge
from smart_train.recipe.sections import LoraSection
from smart_train.run import train
from smart_train.run.plan import make_plan
from smart_train.training.training_log import ConsoleLogger
from tests.command import call
from tests.models.conftest import make_model
from tests.runs import GENTLE_LORA, WIDTH, logged, recipe_values

NEW, KNOWN, NORM = "<page>", "red", "language_model.norm"
PARTS = {"r": 2, "alpha": 4, "dropout": 0.0, "modules_to_save": [NORM], "trained_tokens": [NEW, KNOWN]}
QUIET = {"before": False, "after": False, "during": False}


@pytest.fixture(scope="module", autouse=True)
def no_plots() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(smart_train.run.stages, "plot_run", lambda *_, **__: None)
        yield


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base") / "base"
    overrides = recipe_values(folder, folder)["model"]["from_config"]["overrides"]
    make_model(overrides=overrides).save_pretrained(folder)
    return folder


def recipe(base: Path, rows: Path, output: Path, /, **sections: Any) -> Recipe:
    """Three steps of four rows, whose documents begin with a token that the base does not have."""
    values = recipe_values(rows, output, **merge(GENTLE_LORA, {"evaluation": QUIET}))
    values["model"] = {"name_or_path": str(base), "document_instruction": f"{NEW} Represent the page."}
    values["lora"] = PARTS
    del values["full"]
    values["export"] = {"enabled": False}
    values["training"] |= {"max_steps": 3, "eval_strategy": "no", "save_strategy": "steps", "save_steps": 1}
    return parse_recipe(merge(values, sections))


@pytest.fixture(scope="module")
def ended(base: Path, tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(recipe(base, tiny_data, tmp_path_factory.mktemp("runs") / "ended", export={"enabled": True}))


def weights(run: Path) -> dict[str, Tensor]:
    return load_file(run / "final" / "adapter_model.safetensors")


def assert_same(run: Path, other: Path) -> None:
    own, expected = weights(run), weights(other)
    assert own.keys() == expected.keys() and all(torch.equal(own[name], expected[name]) for name in own)


def test_a_run_trains_them_and_its_export_has_them(
    base: Path, ended: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    start, saved = SmartModel.from_pretrained(base), weights(ended)
    rows = start.backbone.get_input_embeddings().weight.detach()
    (key,) = [name for name in saved if name.endswith("trainable_tokens_delta")]
    new, known = saved[key]
    assert (new - rows.mean(0)).abs().max() > 1e-6, "no row of the documents' prompt was trained"
    old = rows[start.family.tokenizer.convert_tokens_to_ids(KNOWN)]
    assert (known - old).abs().max() > 1e-6
    norm = start.backbone.get_submodule(NORM).weight
    assert (saved[f"base_model.model.{NORM}.weight"] - norm).abs().max() > 1e-6
    exported = SmartModel.from_pretrained(ended / "export")
    merged = exported.backbone.get_input_embeddings().weight
    assert torch.equal(merged[len(rows)], new) and merged.shape == (len(rows) + 1, WIDTH)
    tokenizer = AutoTokenizer.from_pretrained(ended / "export")
    assert tokenizer.tokenize(f"{NEW} a").count(NEW) == 1
    trained = SmartModel.from_pretrained(ended / "final").encode_document(["red green"])
    torch.testing.assert_close(exported.encode_document(["red green"]).packed, trained.packed, atol=1e-5, rtol=0)
    assert re.search(
        r"alpha 4; all of language.*norm; the embeddings of .*page", (ended / "export/README.md").read_text()
    )
    for folder in (ended, ended / "final"):
        assert call(monkeypatch, "inspect", folder) == 0
        told = " ".join(capsys.readouterr().out.split())
        assert f"trained whole {NORM}" in told and f"trained tokens '{NEW}' ({len(rows)}), " in told


def test_what_is_trained_is_counted_before_the_run(base: Path, tiny_data: Path, tmp_path: Path) -> None:
    counts = []
    for parts in ({}, {"trained_tokens": [NEW, KNOWN]}, {"modules_to_save": [NORM]}):
        made = recipe(
            base, tiny_data, tmp_path / "run", lora={"modules_to_save": None, "trained_tokens": None, **parts}
        )
        found = make_plan(made).lines["parameters"]
        counts.append(int(found.split(", of which ")[1].split(" ")[0].replace(",", "")))
    assert [count - counts[0] for count in counts] == [0, 2 * WIDTH, WIDTH]
    wrong = make_plan(recipe(base, tiny_data, tmp_path / "run", lora={"modules_to_save": ["embed_tokns"]}))
    assert any("lora.modules_to_save 'embed_tokns': no module" in problem for problem in wrong.problems)


class Cut(BaseException):
    """Not an Exception: nothing on the way may catch it."""


def test_a_resumed_run_is_the_unbroken_one(
    base: Path, ended: Path, tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(callback: Any, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == 2:
            raise Cut

    with monkeypatch.context() as patch:
        patch.setattr(ConsoleLogger, "on_step_end", stop)
        with pytest.raises(Cut):
            train(recipe(base, tiny_data, tmp_path / "run"))
    assert json.loads((tmp_path / "run" / "run.json").read_text())["state"] == "training"
    run = train(recipe(base, tiny_data, tmp_path / "run"))
    assert_same(run, ended)
    assert logged(run) == logged(ended)


def test_with_gradient_caching_it_is_the_same_run(base: Path, ended: Path, tiny_data: Path, tmp_path: Path) -> None:
    cached = train(recipe(base, tiny_data, tmp_path / "run", gradient_caching={"mini_batch_size": 1}))
    assert logged(cached) == pytest.approx(logged(ended), abs=5e-6)
    own, expected = weights(cached), weights(ended)
    for name, value in expected.items():
        torch.testing.assert_close(own[name], value, atol=2e-6, rtol=0)


def test_another_run_trains_on_from_them(base: Path, ended: Path, tiny_data: Path, tmp_path: Path) -> None:
    """With a learning rate of 0 the result is what it began with, bit for bit."""
    given = recipe(base, tiny_data, tmp_path / "run", training={"max_steps": 1})
    section = LoraSection(init_from=str(ended), dropout=0.0)
    still = given.model_copy(update={"lora": section, "training": {**given.training, "learning_rate": 0.0}})
    run = train(still)
    assert_same(run, ended)
    assert yaml.safe_load((run / "recipe.yaml").read_text())["lora"]["modules_to_save"] == [NORM]
    assert NEW in AutoTokenizer.from_pretrained(run / "final").get_vocab()
    wrong = still.model_copy(update={"lora": LoraSection(init_from=str(ended), modules_to_save=["norm"])})
    with pytest.raises(
        RecipeError, match=r"lora.modules_to_save \['norm'\]: the adapter .* has \['language_model.norm'\]"
    ):
        train(wrong)
