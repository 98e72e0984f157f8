"""The table from a recipe's names to live objects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from smart_train import ScoringConfig
from smart_train.errors import DataError, ModelError, RecipeError, ScoreError, Unreachable
from smart_train.losses import Distillation, PositiveAware, SelfDistillation
from smart_train.models import PromptConfig, SmartModel
from smart_train.models.prompt_length import LengthCheck
from smart_train.recipe.reader import merge
from smart_train.recipe.sections import ModelSection
from smart_train.run import build
from smart_train.run.plan import make_plan
from smart_train.run.stages import train
from tests.models.vision_folders import vision_folder
from tests.runs import HELD_OUT_ROWS, MODES, OVERRIDES, TINY, WIDTH, tiny_recipe


@pytest.fixture
def recipe(tiny_data: Path, tmp_path: Path) -> Any:
    return lambda **sections: tiny_recipe(tiny_data, tmp_path / "run", **sections)


def test_prompts_are_given_only_where_the_recipe_says_something(recipe: Any) -> None:
    assert build.prompts(recipe()) == {}
    made = build.prompts(recipe(model={"query_instruction": "Find it.", "max_length": 300}))
    assert made == {"query_instruction": "Find it.", "max_length": 300}


def test_prompts_left_out_are_those_that_the_folder_was_saved_with(recipe: Any, tmp_path: Path) -> None:
    saved = recipe(model={"query_instruction": "query: ", "max_pixels": 8192})
    build.base_model(saved).save_pretrained(tmp_path / "saved")
    goes_on = recipe(model={"name_or_path": str(tmp_path / "saved"), "from_config": None, "max_pixels": 4096})
    expected = PromptConfig(query_instruction="query: ", max_pixels=4096)
    assert build.base_model(goes_on).family.prompts == expected
    assert build.skeleton(goes_on, tmp_path / "saved").family.prompts == expected
    with pytest.raises(ModelError, match="prompts: unknown key 'max_pixel', did you mean max_pixels"):
        SmartModel.from_pretrained(tmp_path / "saved", prompts={"max_pixel": 1})


def test_a_drawn_model_is_the_recipes(recipe: Any) -> None:
    made = recipe(model={"max_pixels": 8192, "document_instruction": "A page."}, scoring={"layer": 1, "late_weight": 2})
    model = build.base_model(made)
    assert model.hidden_size == WIDTH and model.device.type == "cpu"
    assert model.scoring == ScoringConfig(layer=1, late_weight=2.0)
    assert model.family.prompts == PromptConfig(document_instruction="A page.", max_pixels=8192)
    same, other = build.base_model(made), build.base_model(recipe(model={"from_config": {"seed": 1}}))
    name, weight = next(iter(model.named_parameters()))
    assert torch.equal(weight, same.get_parameter(name)) and not torch.equal(weight, other.get_parameter(name))


def test_scoring_keys_left_out_are_the_folders_else_the_familys(recipe: Any, tmp_path: Path) -> None:
    def written(scoring: dict[str, Any], **model: Any) -> Any:
        return recipe(scoring=scoring).model_copy(update={"model": ModelSection(**model)})

    folder = str(vision_folder(tmp_path / "gme", "qwen2_vl"))
    start = {"name_or_path": folder, "family": "gme", "from_config": {}, "min_pixels": 4 * 28 * 28}
    assert build.base_model(written({}, **start)).scoring == ScoringConfig(query_tokens="text")
    made = written({"query_tokens": "content", "late_weight": 2, "layer": None}, **start)
    model = build.base_model(made)
    assert model.scoring == ScoringConfig(query_tokens="content", late_weight=2.0)
    assert build.objective(made, model.scoring).scoring == model.scoring
    model.save_pretrained(tmp_path / "saved")
    loaded = build.base_model(written({"layer": 1}, name_or_path=str(tmp_path / "saved")), device="cpu")
    assert loaded.scoring == ScoringConfig(query_tokens="content", late_weight=2.0, layer=1)


def test_a_saved_model_loads_in_the_recipes_dtype(recipe: Any, tmp_path: Path) -> None:
    SmartModel.from_config(TINY, overrides=OVERRIDES).save_pretrained(tmp_path / "base")
    start = {"name_or_path": str(tmp_path / "base"), "from_config": None}
    assert build.base_model(recipe(model=start), device="cpu").backbone.dtype == torch.float32
    half = recipe(model={**start, "dtype": "bfloat16"})
    assert build.base_model(half, device="cpu").backbone.dtype == torch.bfloat16
    # What a resumed run loads is what the trained one was.
    model = build.prepare_for_training(build.base_model(half, device="cpu"), half)
    model.save_pretrained(tmp_path / "final")
    assert build.base_model(half, str(tmp_path / "final"), device="cpu").backbone.dtype == torch.bfloat16


def test_an_optimiser_in_8_bits_needs_its_library(recipe: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smart_train.models.quantization.is_installed", lambda: False)
    with pytest.raises(RecipeError, match=r"training\.optim: 'paged_adamw_8bit'; needs bitsandbytes: pip install"):
        build.training_arguments(recipe(training={"optim": "paged_adamw_8bit"}))


@pytest.mark.parametrize(("mode", "expected"), [("full", "float32"), ("lora", None), ("projection", None)])
def test_weights_that_all_train_are_loaded_in_full(
    recipe: Any, mode: str, expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None would be bfloat16 for most checkpoints on a GPU."""
    asked = []
    monkeypatch.setattr(SmartModel, "from_pretrained", lambda *_, dtype, **__: asked.append(dtype))
    start = {"name_or_path": str(TINY), "from_config": None}
    build.base_model(recipe(**MODES[mode], model=start), str(TINY))
    build.base_model(recipe(**MODES[mode], model={**start, "dtype": "bfloat16"}), str(TINY))
    assert asked == [expected, "bfloat16"]


@pytest.mark.parametrize("freeze", [True, False])
def test_full_fine_tuning_trains_the_vision_tower_when_told_to(recipe: Any, freeze: bool) -> None:
    made = recipe(full={"freeze_vision": freeze})
    model = build.prepare_for_training(build.base_model(made), made)
    frozen = {name for name, parameter in model.backbone.named_parameters() if not parameter.requires_grad}
    vision = {name for name, _ in model.backbone.named_parameters() if name.startswith("visual.")}
    assert vision and frozen == (vision if freeze else set())


def test_lora_and_projection_train_nothing_else(recipe: Any) -> None:
    for mode, part in (("lora", "lora_"), ("projection", "projection.")):
        made = recipe(**MODES[mode])
        model = build.prepare_for_training(build.base_model(made), made)
        trained = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
        assert trained and all(part in name and "visual" not in name for name in trained)


def test_a_projection_is_drawn_from_the_seed(recipe: Any) -> None:
    def drawn(seed: int) -> torch.Tensor:
        made = recipe(**MODES["projection"], training={"seed": seed})
        return build.prepare_for_training(build.base_model(made), made).projection.linear.weight

    assert torch.equal(drawn(1), drawn(1)) and not torch.equal(drawn(1), drawn(2))


def test_a_projection_reads_the_layers_of_the_recipe_else_the_scored_one(recipe: Any) -> None:
    def prepared(**sections: Any) -> Any:
        made = recipe(**merge(MODES["projection"], sections))
        return build.prepare_for_training(build.base_model(made), made).projection

    assert prepared().layers == (-1,) and prepared().hidden_dim is None
    assert prepared(scoring={"layer": 1}).layers == (1,)
    mixed = prepared(projection={"layers": [-1, 0], "hidden_dim": 24})
    assert (mixed.layers, mixed.hidden_dim, mixed.dim) == ((-1, 0), 24, 16)


@pytest.mark.parametrize("mode", ["full", "projection"])
def test_a_projected_model_is_no_start_for_another_projection(recipe: Any, tmp_path: Path, mode: str) -> None:
    SmartModel.from_config(TINY, overrides=OVERRIDES).save_pretrained(tmp_path / "base")
    start = {"name_or_path": str(tmp_path / "base"), "from_config": None}
    made = recipe(**MODES["projection"], model=start)
    build.prepare_for_training(build.base_model(made, device="cpu"), made).save_pretrained(tmp_path / "projected")
    again = recipe(**MODES[mode], model={**start, "name_or_path": str(tmp_path / "projected")})
    if mode == "full":
        assert build.base_model(again, device="cpu").projection.dim == 16
        return
    with pytest.raises(ModelError, match="is a model with a token projection, and projection cannot start from it"):
        build.base_model(again, device="cpu")


def test_each_term_has_its_temperature_and_weight(recipe: Any) -> None:
    section = {"temperature": 0.1, "late_temperature": 0.2, "pooled_weight": 3}
    made = build.objective(recipe(objective=section), ScoringConfig())
    assert {name: round(1 / scale.exp().item(), 6) for name, scale in made.log_scales.items()} == {
        "pooled": 0.1,
        "late": 0.2,
    }
    assert made.weights == {"pooled": 3.0, "late": 1.0}
    assert not any(parameter.requires_grad for parameter in made.parameters())
    section = {"name": "hybrid", "temperature": 0.1, "learn_temperature": True}
    learned = build.objective(recipe(objective=section), ScoringConfig())
    assert list(learned.log_scales) == ["hybrid"] and learned.log_scales["hybrid"].requires_grad


def test_a_teacher_is_asked_of_the_rows_where_the_objective_has_one(recipe: Any, tiny_data: Path) -> None:
    taught = recipe(
        data={"negatives_per_query": 1},
        objective={
            "name": "late",
            "distillation": {"score": "hybrid", "teacher_temperature": 0.5, "margin_weight": 0.1},
            "positive_aware": {},
        },
    )
    made = build.objective(taught, ScoringConfig())
    assert made.distillation == Distillation("hybrid", temperature=0.05, teacher_temperature=0.5, margin_weight=0.1)
    assert made.positive_aware == PositiveAware(0.95, "student")
    with pytest.raises(DataError, match="data.train: 24 of 24 rows.*\n.*row 0: has no score for its positive"):
        build.usable_rows(taught, "train")
    assert build.usable_rows(taught, "evaluation")[1].problems == []


def test_the_objective_learns_from_itself_as_the_recipe_says(recipe: Any) -> None:
    made = recipe(objective={"name": "joint", "self_distillation": {"score": "pooled", "warmup": 0.2}})
    learned = build.objective(made, ScoringConfig()).self_distillation
    assert learned == SelfDistillation(0.05, weight=1.0, warmup=0.2, learners=("pooled",))
    both = build.objective(recipe(objective={"name": "joint", "self_distillation": {}}), ScoringConfig())
    assert both.self_distillation.learners == ("pooled", "late") and not both.learn_weights
    assert build.objective(recipe(objective={"learn_weights": True}), ScoringConfig()).learn_weights


def test_the_loss_multiplies_as_the_recipe_says(recipe: Any) -> None:
    assert build.objective(recipe(), ScoringConfig()).products == "exact"
    assert build.objective(recipe(objective={"products": "float16"}), ScoringConfig()).products == "float16"


def test_scales_that_a_checkpoint_was_saved_with_are_refused_before_a_run_where_learning_cannot_begin(
    recipe: Any, tmp_path: Path
) -> None:
    saved = SmartModel.from_config(TINY, overrides=OVERRIDES, scoring={"late_weight": 24.5})
    saved.save_pretrained(tmp_path / "base")
    start = {"name_or_path": str(tmp_path / "base"), "from_config": None}
    section = {"name": "hybrid", "learn_weights": True, "temperature": 0.05}
    with pytest.raises(ScoreError, match=r"late_weight is 24\.5, .* set objective\.temperature between 0\.1225 and 1"):
        build.skeleton(recipe(model=start, objective=section), tmp_path / "base")
    build.skeleton(recipe(model=start, objective={**section, "temperature": 0.1225}), tmp_path / "base")


def test_rows_name_their_section_when_they_cannot_be_read(recipe: Any) -> None:
    made = recipe()
    rows, report = build.usable_rows(made, "evaluation")
    assert len(rows) == report.kept == HELD_OUT_ROWS
    assert list(build.sources(made)) == ["train", "evaluation"]
    assert list(build.sources(recipe(data={"evaluation": None}))) == ["train"]

    gone = {"path": "owner/name", "split": "train"}  # the tests have no Hub
    said = "data.train: owner/name: no such file or folder here, and the Hub is out of reach .*"
    with pytest.raises(Unreachable, match=f"^{said}$"):
        build.usable_rows(recipe(data={"train": gone}), "train")
    # A mistake beside it is a mistake, wherever it stands.
    for sources in ([{"path": "absent.jsonl"}, gone], [gone, {"path": "absent.jsonl"}]):
        with pytest.raises(DataError, match="absent.jsonl: no such file") as caught:
            build.usable_rows(recipe(data={"train": sources}), "train")
        assert not isinstance(caught.value, Unreachable) and "out of reach" in str(caught.value)


def test_a_corpus_adds_pages_that_answer_nothing(recipe: Any, tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    for shade in (10, 20, 30):
        Image.new("RGB", (64, 64), (shade, shade, shade)).save(tmp_path / "corpus" / f"{shade}.png")
    made = recipe(data={"evaluation": {"corpus": str(tmp_path / "corpus")}})
    held_out, _ = build.usable_rows(made, "evaluation")
    measured = build.evaluator(made, "evaluation", held_out).evaluation_set
    assert (len(measured.queries), len(measured.documents)) == (HELD_OUT_ROWS, HELD_OUT_ROWS + 3)


def test_documents_of_a_corpus_are_looked_at_as_those_of_rows(recipe: Any, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    Image.new("RGB", (64, 64)).save(corpus / "fine.png")
    (corpus / "torn.png").write_bytes((corpus / "fine.png").read_bytes()[:40])
    Image.new("RGB", (2048, 2048)).save(corpus / "large.png")
    made = recipe(data={"evaluation": {"corpus": str(corpus)}}, model={"max_length": 600})
    model = build.skeleton(made, Path(made.model.name_or_path))
    with pytest.raises(DataError) as caught:
        build.check_more_documents(made, "evaluation", reads=("text", "image"), fits=LengthCheck(model.family))
    first, *others = str(caught.value).splitlines()
    assert first == "2 of 3 documents that no row names, but are searched, cannot be used:"
    assert len(others) == 2 and "the model cannot take the document: an input needs" in others[0]
    assert others[0].startswith("  'large.png'") and "torn.png" in others[1]
    assert others[1].endswith("put the right file there, or remove the document")
    # A run, and the look at its recipe, ask before the model is loaded.
    assert [line for line in make_plan(made).problems if "2 of 3 documents" in line][0].startswith(
        "data.evaluation: 2 of 3"
    )
    with pytest.raises(DataError, match=r"data.evaluation: 2 of 3 documents"):
        train(made)
    build.check_more_documents(made, "train")
    (corpus / "torn.png").unlink()
    build.check_more_documents(made, "evaluation")  # of no model: every length is taken


def test_the_evaluator_shows_bars_where_the_trainer_does(recipe: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    held_out, _ = build.usable_rows(recipe(), "evaluation")
    assert build.evaluator(recipe(evaluation={"batch_size": 3}), "evaluation", held_out).batch_size == 3
    assert build.evaluator(recipe(), "evaluation", held_out).show_progress_bar is False, "the output is captured"
    monkeypatch.setattr(build, "bars", lambda: None)
    assert build.evaluator(recipe(), "evaluation", held_out).show_progress_bar is None
    assert build.evaluator(recipe(training={"disable_tqdm": True}), "evaluation", held_out).show_progress_bar is False
    monkeypatch.setattr(build, "is_main", lambda: False)
    assert build.evaluator(recipe(), "evaluation", held_out).show_progress_bar is False


def test_training_arguments_keep_the_rows_and_the_patience(recipe: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    args = build.training_arguments(recipe(training={"weight_decay": 0.5}))
    assert args.weight_decay == 0.5 and args.per_device_train_batch_size == 4
    assert not args.remove_unused_columns and args.restore_callback_states_from_checkpoint

    def refuse(**_: Any) -> None:
        raise ValueError("this machine has no bf16")

    monkeypatch.setattr(build.engines, "TrainingArguments", refuse)
    with pytest.raises(RecipeError, match="^training: this machine has no bf16$"):
        build.training_arguments(recipe())


def test_losses_are_not_read_at_every_step_unless_a_recipe_asks_for_it(recipe: Any) -> None:
    assert build.training_arguments(recipe()).logging_nan_inf_filter is False
    assert build.training_arguments(recipe(training={"logging_nan_inf_filter": True})).logging_nan_inf_filter is True


def test_no_memory_is_pinned_where_there_is_nothing_to_copy_to(recipe: Any) -> None:
    found = build.training_arguments(recipe(training={"use_cpu": False}))
    assert found.dataloader_pin_memory is (found.device.type != "cpu")
    asked = recipe(training={"use_cpu": False, "dataloader_pin_memory": True})
    pinned = build.training_arguments(asked)
    assert pinned.dataloader_pin_memory and pinned.accelerator_config.non_blocking
