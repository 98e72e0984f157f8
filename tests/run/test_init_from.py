"""`lora.init_from`: a run that trains on from an adapter."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from smart_train import SmartModel, run
from smart_train.errors import ModelError, RecipeError
from smart_train.recipe import load_recipe, parse_recipe
from smart_train.run.plan import make_plan
from tests.models.conftest import make_model
from tests.runs import recipe_values

pytestmark = pytest.mark.usefixtures("no_plots", "without_peers")

LORA = {"r": 2, "alpha": 6, "dropout": 0.0}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    folder = tmp_path_factory.mktemp("base") / "base"
    make_model().save_pretrained(folder)
    return folder


def recipe(base, rows, output, *, lora, **sections):
    values = recipe_values(rows, output, model={"name_or_path": str(base), "from_config": None}, **sections)
    values = {key: value for key, value in values.items() if key not in ("full", "lora")} | {"lora": lora}
    values["training"] = values["training"] | {"max_steps": 2, "save_strategy": "no", "eval_strategy": "no"}
    values["evaluation"] = {**values.get("evaluation", {}), "during": False}
    return parse_recipe(values)


@pytest.fixture(scope="module")
def first(base, tiny_data, tmp_path_factory):
    """A run that trained an adapter, scored with weights of its own."""
    output = tmp_path_factory.mktemp("runs") / "first"
    return run.train(recipe(base, tiny_data, output, lora=LORA, scoring={"pooled_weight": 0.25}))


def weights(folder):
    return load_file(folder / "adapter_model.safetensors")


def test_a_run_begins_with_the_adapter_and_ends_with_one_on_the_same_base(base, first, tiny_data, tmp_path):
    second = run.train(recipe(base, tiny_data, tmp_path / "second", lora={"init_from": str(first)}))
    before, after = (json.loads((second / f"evaluation.{when}.json").read_text()) for when in ("before", "after"))
    assert before["metrics"] == json.loads((first / "evaluation.after.json").read_text())["metrics"]
    assert after["metrics"].keys() == before["metrics"].keys()
    ours, theirs = weights(second / "final"), weights(first / "final")
    assert ours.keys() == theirs.keys()
    assert {name: value.shape for name, value in ours.items()} == {name: value.shape for name, value in theirs.items()}
    assert any(not torch.equal(ours[name], theirs[name]) for name in ours), "nothing was trained"
    model = SmartModel.from_pretrained(second / "final")
    assert Path(model.base) == base and model.scoring.pooled_weight == 0.25
    kept = load_recipe(second / "recipe.yaml")
    assert (kept.lora.r, kept.lora.alpha, kept.scoring["pooled_weight"]) == (2, 6.0, 0.25)
    assert "rank 2, alpha 6, trained on from" in (second / "export" / "README.md").read_text()


def test_no_step_leaves_the_adapter_as_it_was(base, first, tiny_data, tmp_path):
    """With a learning rate of 0 the result is what it began with, bit for bit."""
    still = recipe(base, tiny_data, tmp_path / "still", lora={"init_from": str(first / "final")})
    still = still.model_copy(update={"training": {**still.training, "learning_rate": 0.0}})
    ours, theirs = weights(run.train(still) / "final"), weights(first / "final")
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_its_run_resumes_from_its_own_recipe(base, first, tiny_data, tmp_path, capsys):
    done = run.train(recipe(base, tiny_data, tmp_path / "again", lora={"init_from": str(first), "dropout": 0.25}))
    capsys.readouterr()
    run.train(load_recipe(done / "recipe.yaml"))
    assert "is already finished" in capsys.readouterr().out
    assert json.loads((done / "final" / "adapter_config.json").read_text())["lora_dropout"] == 0.25


def test_another_rank_than_the_adapter_has_is_refused(base, first, tiny_data, tmp_path):
    wrong = recipe(base, tiny_data, tmp_path / "wrong", lora={"init_from": str(first), "r": 4, "use_dora": True})
    with pytest.raises(RecipeError) as caught:
        run.train(wrong)
    message = str(caught.value)
    assert f"lora.r 4: the adapter of lora.init_from {first} has 2, which training on does not change" in message
    assert "lora.use_dora True" in message
    assert not (tmp_path / "wrong").exists()
    assert any("leave lora.r out" in problem for problem in make_plan(wrong).problems)


def test_a_folder_without_an_adapter_is_refused(base, tiny_data, tmp_path):
    with pytest.raises(ModelError, match=r"lora\.init_from .*holds no adapter \(no adapter_config\.json"):
        run.train(recipe(base, tiny_data, tmp_path / "wrong", lora={"init_from": str(base)}))
    with pytest.raises(ModelError, match=r"lora\.init_from: .*nowhere"):
        run.train(recipe(base, tiny_data, tmp_path / "wrong", lora={"init_from": str(tmp_path / "nowhere")}))


def test_an_adapter_of_other_weights_is_refused(first, tiny_data, tmp_path):
    other = make_model()
    with torch.no_grad():
        next(other.backbone.parameters()).add_(1.0)
    other.save_pretrained(tmp_path / "other")
    with pytest.raises(ModelError, match="was trained from other weights .* than those of model.name_or_path"):
        run.train(recipe(tmp_path / "other", tiny_data, tmp_path / "wrong", lora={"init_from": str(first)}))


def test_random_weights_have_no_adapter(base, tiny_data, tmp_path):
    with pytest.raises(RecipeError, match="lora.init_from.*model.from_config draws new ones"):
        parse_recipe(
            {
                **recipe_values(tiny_data, tmp_path / "wrong"),
                "full": None,
                "lora": {"init_from": str(base)},
            },
        )


def test_an_adapter_as_the_model_to_start_from_names_init_from(first, tiny_data, tmp_path):
    with pytest.raises(
        ModelError, match="to train the adapter on, name its base here and the adapter as lora.init_from"
    ):
        run.train(recipe(first / "final", tiny_data, tmp_path / "wrong", lora={}))
