"""What a recipe means: defaults, resolution, round trip, fingerprint."""

from __future__ import annotations

import os
from dataclasses import fields
from pathlib import Path

import pytest

from smart_train.data import SourceConfig
from smart_train.errors import RecipeError
from smart_train.losses import OBJECTIVES
from smart_train.recipe import Recipe, load_recipe, parse_recipe
from smart_train.recipe.identity import of_the_run
from smart_train.recipe.sections import ObjectiveSection, SourceSection
from smart_train.recipe.training_section import default_workers
from smart_train.scoring import ScoringConfig

MINIMAL = {"model": {"name_or_path": "base"}, "data": {"train": {"path": "rows.jsonl"}}}
HELD_OUT = {**MINIMAL, "data": {"train": {"path": "rows.jsonl"}, "evaluation": {"path": "held_out.jsonl"}}}


def write(folder: Path, text: str, name: str = "recipe.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_lora_joint_is_the_default_with_the_papers_figures() -> None:
    recipe = parse_recipe(MINIMAL)
    assert recipe.mode == "lora"
    assert (recipe.lora.r, recipe.lora.alpha, recipe.lora.dropout) == (128, 256, 0.05)
    assert recipe.objective.name == "joint"
    assert recipe.objective.pooled_temperature == recipe.objective.late_temperature == 0.05
    assert recipe.training["learning_rate"] == 1e-4
    assert recipe.training["lr_scheduler_type"] == "cosine"
    assert recipe.training["warmup_steps"] == 0.03
    assert recipe.scoring == dict.fromkeys(ScoringConfig().to_dict())  # nothing said: folder or family decides


def test_projection_takes_the_papers_projection_figures() -> None:
    recipe = parse_recipe({**MINIMAL, "projection": {"dim": 64}})
    assert recipe.mode == "projection" and recipe.lora is None
    assert (recipe.objective.name, recipe.objective.temperature) == ("late", 0.03)
    assert recipe.objective.pooled_weight is None
    training = recipe.training
    assert (training["learning_rate"], training["weight_decay"], training["num_train_epochs"]) == (1e-3, 0.01, 2)


def test_what_the_author_wrote_wins_over_mode_defaults() -> None:
    recipe = parse_recipe(
        {
            **MINIMAL,
            "full": {},
            "objective": {"name": "hybrid", "temperature": 0.1},
            "training": {"learning_rate": 3e-6, "lr_scheduler_type": "linear", "output_dir": "elsewhere"},
        }
    )
    assert recipe.mode == "full" and recipe.full.freeze_vision
    assert recipe.objective.temperature == 0.1
    assert recipe.training["learning_rate"] == 3e-6
    assert recipe.training["lr_scheduler_type"] == "linear"
    assert recipe.training["output_dir"] == "elsewhere"


def test_every_training_argument_is_accepted_under_its_own_name() -> None:
    given = {"adam_beta2": 0.98, "optim": "adamw_torch", "gradient_checkpointing": True, "torch_compile": False}
    assert given.items() <= parse_recipe({**MINIMAL, "training": given}).training.items()


def test_training_values_are_what_training_arguments_takes(tmp_path: Path) -> None:
    from transformers import TrainingArguments

    recipe = parse_recipe({**HELD_OUT, "training": {"output_dir": str(tmp_path), "use_cpu": True}})
    arguments = TrainingArguments(**recipe.training)
    assert arguments.metric_for_best_model == "hybrid_ndcg@5" and arguments.load_best_model_at_end


def test_evaluation_follows_the_held_out_rows() -> None:
    without, with_rows = parse_recipe(MINIMAL), parse_recipe(HELD_OUT)
    assert (without.evaluation.before, without.evaluation.during, without.evaluation.after) == (False, False, False)
    assert without.training["eval_strategy"] == "no"
    assert (with_rows.evaluation.before, with_rows.evaluation.during, with_rows.evaluation.after) == (True, True, True)
    assert with_rows.training["eval_strategy"] == with_rows.training["save_strategy"] == "epoch"
    assert with_rows.training["load_best_model_at_end"] and with_rows.training["greater_is_better"]


def test_evaluating_every_n_steps_saves_every_n_steps() -> None:
    training = parse_recipe({**HELD_OUT, "training": {"eval_strategy": "steps", "eval_steps": 20}}).training
    assert (training["save_strategy"], training["save_steps"]) == ("steps", 20)


def test_eval_strategy_no_turns_evaluation_during_training_off() -> None:
    recipe = parse_recipe({**HELD_OUT, "training": {"eval_strategy": "no"}})
    assert not recipe.evaluation.during and recipe.evaluation.after
    assert "load_best_model_at_end" not in recipe.training


def test_output_dir_defaults_to_the_name_of_the_recipe(tmp_path: Path) -> None:
    path = write(tmp_path, "model: {name_or_path: base}\ndata: {train: {path: rows}}\n", "mine.yaml")
    assert load_recipe(path).training["output_dir"] == "runs/mine"


@pytest.mark.parametrize("section", [{}, {"projection": {"dim": 8}}, {"full": {}}])
@pytest.mark.parametrize("base", [MINIMAL, HELD_OUT])
def test_the_resolved_yaml_reads_back_equal(tmp_path: Path, base: dict, section: dict) -> None:
    training = {"run_name": "1e-3", "eval_strategy": "no", "learning_rate": 1e-4}
    recipe = parse_recipe({**base, **section, "training": training})
    again = load_recipe(write(tmp_path, recipe.to_yaml()))
    assert again == recipe
    assert again.fingerprint == recipe.fingerprint
    assert again.to_yaml() == recipe.to_yaml()


def test_the_schema_names_what_other_rooms_name() -> None:
    assert {name: field.default for name, field in SourceSection.model_fields.items() if name != "path"} == {
        item.name: item.default for item in fields(SourceConfig) if item.name != "path"
    }
    assert set(ObjectiveSection.model_fields["name"].annotation.__args__[0].__args__) == set(OBJECTIVES)


def fingerprint(**training: object) -> str:
    return parse_recipe({**HELD_OUT, "training": training}).fingerprint


@pytest.mark.parametrize(
    "change",
    [
        {"output_dir": "elsewhere"},
        {"logging_steps": 1},
        {"report_to": "tensorboard"},
        {"save_total_limit": 7},
        {"dataloader_num_workers": 0},
        {"disable_tqdm": True},
        {"per_device_eval_batch_size": 3},
        {"per_device_train_batch_size": 3},  # counted over all processes, in the run's folder
        {"gradient_checkpointing": True},
        {"activation_checkpointing": True},
    ],
)
def test_fingerprint_ignores_where_and_how_a_run_is_recorded(change: dict) -> None:
    assert fingerprint(**change) == fingerprint()


@pytest.mark.parametrize(
    "change", [{"learning_rate": 2e-4}, {"seed": 1}, {"max_steps": 5}, {"dataloader_drop_last": False}]
)
def test_fingerprint_sees_what_changes_the_training(change: dict) -> None:
    assert fingerprint(**change) != fingerprint()


def test_fingerprint_ignores_export_and_sees_model_and_loss() -> None:
    same = parse_recipe(HELD_OUT).fingerprint
    assert parse_recipe({**HELD_OUT, "export": {"dtype": "bfloat16"}}).fingerprint == same
    assert parse_recipe({**HELD_OUT, "evaluation": {"batch_size": 1}}).fingerprint == same
    cached = {"data": {**HELD_OUT["data"], "cache_dir": "pages"}}
    assert parse_recipe({**HELD_OUT, **cached}).fingerprint == same
    assert parse_recipe({**HELD_OUT, "model": {"name_or_path": "other"}}).fingerprint != same
    assert parse_recipe({**HELD_OUT, "objective": {"name": "late"}}).fingerprint != same


def test_products_of_the_loss_are_another_run_and_the_default_is_that_of_0_1_0() -> None:
    same = parse_recipe(HELD_OUT).fingerprint
    assert parse_recipe({**HELD_OUT, "objective": {"products": "exact"}}).fingerprint == same
    narrow = parse_recipe({**HELD_OUT, "objective": {"products": "float16"}})
    assert narrow.fingerprint != same and "products" not in of_the_run(parse_recipe(HELD_OUT).to_dict())["objective"]


def test_a_part_that_came_later_is_not_in_the_fingerprint_of_runs_without_it() -> None:
    taught = {**HELD_OUT, "data": {**HELD_OUT["data"], "negatives_per_query": 1}}
    without, with_part = (
        parse_recipe({**taught, "objective": {"distillation": part}}) for part in ({}, {"margin_weight": 0.1})
    )
    assert "margin_weight" not in of_the_run(without.to_dict())["objective"]["distillation"]
    assert of_the_run(with_part.to_dict())["objective"]["distillation"]["margin_weight"] == 0.1
    assert of_the_run(parse_recipe(HELD_OUT).to_dict())["objective"]["distillation"] is None
    assert "hardness" not in of_the_run(parse_recipe({**HELD_OUT, "objective": {"hardness": 0}}).to_dict())["objective"]
    assert of_the_run(parse_recipe({**HELD_OUT, "objective": {"hardness": 1}}).to_dict())["objective"]["hardness"] == 1


def test_an_average_of_weights_is_another_run_and_none_is_that_of_0_1_0() -> None:
    without, averaged = (parse_recipe({**HELD_OUT, "averaging": part}) for part in (None, {"decay": 0.9}))
    assert "averaging" not in of_the_run(without.to_dict())
    assert of_the_run(averaged.to_dict())["averaging"] == {"decay": 0.9}
    assert averaged.fingerprint not in (without.fingerprint, parse_recipe({**HELD_OUT, "averaging": {}}).fingerprint)


def test_fingerprint_ignores_how_much_is_encoded_at_a_time() -> None:
    same = parse_recipe(HELD_OUT).fingerprint
    for bounds in ({"mini_batch_size": 8}, {"mini_batch_tokens": 4096}):
        assert parse_recipe({**HELD_OUT, "gradient_caching": bounds}).fingerprint == same


def test_extends_merges_deep_and_replaces_lists(tmp_path: Path) -> None:
    (tmp_path / "bases").mkdir()
    write(
        tmp_path / "bases",
        "model: {name_or_path: base, max_pixels: 1000}\n"
        "data: {train: {path: rows}}\n"
        "lora: {r: 4, target_modules: [a, b]}\n",
        "parent.yaml",
    )
    child = write(
        tmp_path, "extends: bases/parent.yaml\nmodel: {max_pixels: 2000}\nlora: {target_modules: [c]}\n", "child.yaml"
    )
    recipe = load_recipe(child)
    assert (recipe.model.name_or_path, recipe.model.max_pixels) == ("base", 2000)
    assert (recipe.lora.r, recipe.lora.target_modules) == (4, ["c"])


def test_a_child_leaves_its_parents_way_of_training_with_null(tmp_path: Path) -> None:
    write(tmp_path, "model: {name_or_path: base}\ndata: {train: {path: rows}}\nlora: {r: 4}\n", "parent.yaml")
    child = write(tmp_path, "extends: parent.yaml\nlora: null\nprojection: {dim: 8}\n", "child.yaml")
    assert load_recipe(child).mode == "projection"


def test_overrides_are_yaml_and_come_last(tmp_path: Path) -> None:
    path = write(tmp_path, "model: {name_or_path: base}\ndata: {train: {path: rows}}\n")
    recipe = load_recipe(
        path,
        [
            "training.learning_rate=1e-5",
            "lora.target_modules=[q_proj, v_proj]",
            "model.max_pixels=5",
            "model.max_pixels=6",
            "data.train.split=train[:10]",
            "model.query_instruction=a = b",
        ],
    )
    assert recipe.training["learning_rate"] == 1e-5
    assert recipe.lora.target_modules == ["q_proj", "v_proj"]
    assert recipe.model.max_pixels == 6
    assert recipe.data.train.split == "train[:10]"
    assert recipe.model.query_instruction == "a = b"


def test_an_override_does_not_leak_through_a_yaml_alias(tmp_path: Path) -> None:
    text = "model: {name_or_path: base}\ndata: {train: &rows {path: rows}, evaluation: *rows}\n"
    recipe = load_recipe(write(tmp_path, text), ["data.evaluation.path=held_out"])
    assert (recipe.data.train.path, recipe.data.evaluation.path) == ("rows", "held_out")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1e-4", 1e-4), ("3", 3.0), (".5", 0.5), ("2E+1", 20.0), ("'0.25'", 0.25)],
)
def test_numbers_are_read_as_people_write_them(tmp_path: Path, text: str, expected: float) -> None:
    path = write(
        tmp_path, f"model: {{name_or_path: b}}\ndata: {{train: {{path: r}}}}\ntraining: {{learning_rate: {text}}}\n"
    )
    assert load_recipe(path).training["learning_rate"] == expected


def test_a_section_whose_lines_are_all_commented_out_is_a_section_not_given(tmp_path: Path) -> None:
    text = "model: {name_or_path: b}\ndata: {train: {path: r}}\n"
    empty = "objective:\n  # name: late\nscoring:\ntraining:\nevaluation:\nexport:\nhub:\ndistributed:\n"
    plain = load_recipe(write(tmp_path, text))
    assert load_recipe(write(tmp_path, text + empty)) == plain


def test_words_stay_words(tmp_path: Path) -> None:
    text = "model: {name_or_path: on, revision: 'no'}\ndata: {train: {path: off, split: no}}\ntraining: {bf16: yes}\n"
    recipe = load_recipe(write(tmp_path, text))
    assert (recipe.model.name_or_path, recipe.data.train.path, recipe.data.train.split) == ("on", "off", "no")
    assert recipe.training["bf16"] is True


def test_a_recipe_does_not_change_once_read() -> None:
    recipe = parse_recipe(MINIMAL)
    with pytest.raises(ValueError, match="frozen"):
        recipe.lora.r = 1
    assert isinstance(recipe, Recipe) and not isinstance(recipe, RecipeError)


def test_workers_of_the_loader_leave_the_model_its_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    for cores, workers in ((1, 1), (2, 1), (4, 2), (6, 3), (64, 4)):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _, cores=cores: set(range(cores)), raising=False)
        assert default_workers() == workers


def test_a_leading_tilde_is_the_home_folder_in_every_path_and_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """transformers reads it so in output_dir: a run would write its record into a folder called ~, and its checkpoints
    into the home folder."""
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path, "data: {train: [{path: ~/rows.jsonl}, {path: other, image_root: ~/pages}]}", "parent.yaml")
    child = write(tmp_path, "extends: ~/parent.yaml\nmodel: {name_or_path: ~/base, query_instruction: ~/ is a tilde}")
    changes = ["training.output_dir=~/runs", "training.run_name=~/name", "export.output=~"]
    recipe = load_recipe(child, changes[:2])
    assert [recipe.model.name_or_path, recipe.data.train[0].path] == [f"{tmp_path}/base", f"{tmp_path}/rows.jsonl"]
    assert recipe.data.train[1].image_root == f"{tmp_path}/pages"
    assert recipe.training["output_dir"] == f"{tmp_path}/runs"
    assert recipe.model.query_instruction == "~/ is a tilde" and recipe.training["run_name"] == "~/name"
    assert load_recipe(child, changes).export.output is None, "YAML's null"
    assert parse_recipe({**MINIMAL, "training": {"output_dir": "~/runs"}}).training["output_dir"] == f"{tmp_path}/runs"
