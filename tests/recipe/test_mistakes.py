"""Every mistake in a recipe has a message: dotted key, value, rule, nearest name; all of them at once."""

from __future__ import annotations

import copy
import re
from pathlib import Path

import pytest

from smart_train.errors import RecipeError
from smart_train.recipe import load_recipe, parse_recipe
from smart_train.recipe.reader import merge

MINIMAL = {"model": {"name_or_path": "base"}, "data": {"train": {"path": "rows"}}}
HELD_OUT = merge(MINIMAL, {"data": {"evaluation": {"path": "held_out"}}})


def mistakes(extra: dict, base: dict = MINIMAL) -> list[str]:
    """The lines of the error for `base` with `extra` laid on it, without the heading."""
    with pytest.raises(RecipeError) as caught:
        parse_recipe(merge(base, extra))
    return [line.strip() for line in str(caught.value).splitlines()[1:]]


@pytest.mark.parametrize(
    ("extra", "line"),
    [
        ({"training": {"learning_rat": 1}}, "training.learning_rat: unknown key, did you mean learning_rate?"),
        ({"training": {"warmup_ratio": 0.1}}, "training.warmup_ratio: unknown key; set warmup_steps, where less than"),
        (
            {"training": {"batch_sampler": "no_duplicates"}},
            "unknown key; remove it; a document that is known to answer",
        ),
        ({"training": {"save_safetensors": True}}, "unknown key; remove it; weights are always saved as safetensors"),
        ({"training": {"no_cuda": True}}, "training.no_cuda: unknown key; set use_cpu: true"),
        ({"training": {"group_by_length": True}}, "unknown key; set data.group_by_length"),
        (
            {"training": {"remine_steps": 100}},
            "training.remine_steps: unknown key; run smart-train mine between two runs, and train the recipe that it",
        ),
        (
            {"training": {"ema_decay": 0.9}},
            "training.ema_decay: unknown key; set averaging.decay, for an average of the",
        ),
        ({"training": {"swa_start": 0.9}}, "training.swa_start: unknown key; set averaging.decay"),
        (
            {"training": {"average_checkpoints": 3}},
            "or mix saved LoRA adapters: smart-train export --adapter RUN/checkpoint-STEP=WEIGHT ...",
        ),
        ({"ema": {"decay": 0.9}}, "ema: unknown key; set averaging.decay"),
        ({"averaging": {"decay": 1}}, "averaging.decay: 1; must be less than 1"),
        ({"averaging": {"decay": 0}}, "averaging.decay: 0; must be greater than 0"),
        ({"averaging": {"decay": "slow"}}, "averaging.decay: 'slow'; must be a number"),
        ({"averaging": {"factor": 0.9}}, "averaging.factor: unknown key, known: decay"),
        ({"averaging": 0.9}, "averaging: 0.9; must be a section (keys and values)"),
        (
            {"averaging": {}, "distributed": {"strategy": "zero3"}},
            "averaging.decay: 0.95; cannot be combined with distributed.strategy zero3, under which no process has the",
        ),
        ({"averaging": {}, "distributed": {"strategy": "fsdp2"}}, "use zero2 or ddp, or remove it"),
        (
            {"objective": {"cross_batch_memory": 4}},
            "objective.cross_batch_memory: unknown key; documents of earlier batches lost in every score wherever they",
        ),
        ({"training": {"dropout_rate": 1}}, "training.dropout_rate: unknown key, it is not one of the"),
        ({"modle": {}}, "modle: unknown key, did you mean model?"),
        ({"learning_rate": 1e-4}, "learning_rate: unknown key, did you mean training.learning_rate?"),
        ({"model": {"familly": "x"}}, "model.familly: unknown key, did you mean family?"),
        ({"data": {"train": {"splitt": "x"}}}, "data.train.splitt: unknown key, did you mean split?"),
        ({"data": {"prepare": {"script": "a", "output": "b", "arg": []}}}, "unknown key, did you mean args?"),
        (
            {"lora": {"zzz": 1}},
            "lora.zzz: unknown key, known: alpha, dropout, init_from, modules_to_save, r, target_modules, "
            "trained_tokens, use_dora, use_rslora",
        ),
        ({"lora": {"trainable_token_indices": [5]}}, "unknown key, did you mean trained_tokens?"),
        ({"lora": {"modules_to_save": ["norm", "norm"]}}, "lora.modules_to_save: ['norm', 'norm']; names 'norm' twice"),
        ({"lora": {"trained_tokens": [""]}}, "lora.trained_tokens"),
        (
            {"lora": {"trained_tokens": ["<a>"], "init_from": "x"}},
            "lora.trained_tokens: ['<a>']; lora.init_from trains on the tokens that its adapter has, and no others",
        ),
        ({"scoring": {"late_wieght": 1}}, "scoring.late_wieght: unknown key, did you mean late_weight?"),
        (
            {"model": {"dtype": "bf16"}},
            "model.dtype: 'bf16'; must be one of auto, float32, bfloat16; did you mean bfloat16?",
        ),
        (
            {"objective": {"name": "hybird"}},
            "objective.name: 'hybird'; must be one of joint, hybrid, late, pooled; did you mean",
        ),
        ({"training": {"lr_scheduler_type": "cosin"}}, "; did you mean cosine?"),
        (
            {"training": {"save_strategy": "always"}},
            "training.save_strategy: 'always'; must be one of no, steps, epoch, best",
        ),
        ({"training": {"bf16": "maybe"}}, "training.bf16: 'maybe'; must be true or false"),
        ({"training": {"max_steps": 0}}, "training.max_steps: 0; must be at least 1; leave it out to train for"),
        ({"training": {"max_steps": -2}}, "training.max_steps: -2; must be at least 1"),
        ({"training": {"max_steps": "many"}}, "training.max_steps: 'many'; must be a whole number"),
        ({"training": {"learning_rate": 0}}, "training.learning_rate: 0; must be greater than 0"),
        ({"training": {"weight_decay": -1}}, "training.weight_decay: -1; must be at least 0"),
        ({"training": {"report_to": 5}}, "training.report_to: 5; must be null or text or a list"),
        ({"training": {"greater_is_better": False}}, "training.greater_is_better: false; must stay true: every metric"),
        ({"training": {"ignore_data_skip": True}}, "training.ignore_data_skip: true; must stay false: a run that goes"),
        ({"training": {"auto_find_batch_size": True}}, "training.auto_find_batch_size: true; must stay false: "),
        (
            {"training": {"push_to_hub": True}},
            "training.push_to_hub: true; must stay false: nothing is published unverified: use hub.repo_id",
        ),
        (
            {"training": {"enable_jit_checkpoint": True}},
            "training.enable_jit_checkpoint: true; must stay false: a run saves by itself",
        ),
        (
            {"training": {"deepspeed": "zero.json"}},
            "training.deepspeed: 'zero.json'; must stay null: distributed.strategy",
        ),
        ({"lora": {"r": 0}}, "lora.r: 0; must be greater than 0"),
        ({"lora": {"r": 1.5}}, "lora.r: 1.5; must be a whole number"),
        ({"lora": {"dropout": 1}}, "lora.dropout: 1; must be less than 1"),
        ({"lora": {"target_modules": 5}}, "lora.target_modules: 5; must be text or a list"),
        ({"model": {"revision": 1234567}}, "model.revision: 1234567; must be text; put it into quotes"),
        ({"model": {"query_instruction": {"query": None}}}, "{'query': None}; must be text; put it into quotes"),
        ({"data": {"negatives_per_query": -1}}, "data.negatives_per_query: -1; must be at least 0"),
        ({"data": {"train": {"path": ""}}}, "data.train.path: ''; must not be empty"),
        ({"data": {"train": "rows"}}, "must be a section (keys and values), as in train: {path: rows}"),
        ({"model": "base"}, "model: 'base'; must be a section (keys and values), as in model: {name_or_path: base}"),
        ({"training": {"output_dir": None}}, "training.output_dir: null; must name a folder"),
        ({"model": {"from_config": 3}}, "model.from_config: 3; must be a section (keys and values)"),
        ({"training": [1]}, "training: [1]; must be a section (keys and values)"),
        ({"scoring": 3}, "scoring: 3; must be a section (keys and values)"),
        ({"objective": {"temperature": 0}}, "objective.temperature: 0; must be at least 0.01"),
        ({"scoring": {"query_tokens": "words"}}, "scoring.query_tokens is 'words'; choose one of content"),
        ({"scoring": {"pooled_weight": 0, "late_weight": 0}}, "are both 0; at least one term must count"),
        ({"model": {"family": "qwen9"}}, "model.family: 'qwen9'; must be one of "),
        (
            {"data": {"train": {"columns": {"postive": "image"}}}},
            "columns.postive: unknown key, did you mean positive?",
        ),
        ({"data": {"train": {"columns": {"query": ["a"]}}}}, "columns.query: ['a']; must be the name of one column"),
        ({"hub": {"repo_id": "alone"}}, "hub.repo_id: 'alone'; must read OWNER/NAME"),
        ({"model": {"min_pixels": 9, "max_pixels": 4}}, "model.min_pixels: 9; must be at most max_pixels (4)"),
        ({"gradient_caching": {"batch_size": 8}}, "gradient_caching.batch_size: unknown key, did you mean mini_batch"),
        ({"mini_batch_size": 8}, "mini_batch_size: unknown key, did you mean gradient_caching.mini_batch_size?"),
        ({"gradient_caching": {"mini_batch_size": 0}}, "gradient_caching.mini_batch_size: 0; must be greater than 0"),
        (
            {"gradient_caching": {"mini_batch_tokens": 2.5}},
            "gradient_caching.mini_batch_tokens: 2.5; must be a whole number",
        ),
        ({"gradient_caching": True}, "gradient_caching: true; must be a section (keys and values)"),
        ({"gradient_caching": {}}, "gradient_caching: sets no bound; give mini_batch_size or mini_batch_tokens"),
        ({"gradient_caching": {"mini_batch_size": None}}, "gradient_caching: sets no bound; give mini_batch_size"),
    ],
)
def test_a_mistake_is_named_with_its_rule(extra: dict, line: str) -> None:
    found = mistakes(extra)
    assert len(found) == 1, found
    assert line in found[0]


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"data": MINIMAL["data"]}, "model: missing; name the model to start from"),
        ({"model": {}, "data": MINIMAL["data"]}, "model.name_or_path: missing; name a folder or Hub id"),
        ({"model": MINIMAL["model"]}, "data: missing; name the training rows"),
        ({"model": MINIMAL["model"], "data": {}}, "data.train: missing; name the training rows"),
    ],
)
def test_what_has_no_default_is_asked_for(values: dict, line: str) -> None:
    with pytest.raises(RecipeError, match=line.replace(".", r"\.")):
        parse_recipe(values)


@pytest.mark.parametrize(
    ("extra", "line"),
    [
        ({"lora": {}, "projection": {}}, "lora, projection: choose exactly one of lora, projection, full"),
        ({"projection": None}, "projection: empty; write `projection: {}` to take its defaults"),
        (
            {"model": {"quantization": "4bit"}, "distributed": {"strategy": "zero3"}},
            "model.quantization: '4bit'; cannot be combined with distributed.strategy zero3",
        ),
        ({"full": {}, "model": {"quantization": "4bit"}}, "model.quantization: '4bit'; needs lora or projection"),
        ({"model": {"quantization_upcast": "all"}}, "model.quantization_upcast: 'all'; nothing is quantised"),
        ({"projection": {}, "objective": {"name": "pooled"}}, "would train nothing; use late or hybrid"),
        ({"projection": {}, "objective": {"name": "joint"}}, "would train nothing; use late or hybrid"),
        ({"projection": {"layers": [-1, 4, 4]}}, "projection.layers: [-1, 4, 4]; names a layer twice"),
        ({"projection": {"layers": [4, 8]}, "scoring": {"layer": 4}}, "scoring.layer: 4; the projection reads its own"),
        ({"projection": {"layers": []}}, "projection.layers: "),
        ({"projection": {"hidden_dim": 0}}, "projection.hidden_dim: 0; "),
        (
            {"objective": {"name": "late", "late_temperature": 0.1}},
            "objective.late_temperature: 0.1; only objective.name joint",
        ),
        ({"objective": {"name": "hybrid", "late_weight": 2}}, "it weighs its terms by scoring.late_weight"),
        ({"objective": {"name": "hybrid"}, "scoring": {"late_weight": 0}}, "one of its two terms the weight 0"),
        ({"training": {"per_device_train_batch_size": 1}}, "a batch of one holds only the answer"),
        ({"training": {"fp16": True, "bf16": True}}, "training.fp16, training.bf16: both true; choose one"),
        ({"training": {"dataloader_num_workers": 0, "dataloader_prefetch_factor": 2}}, "it needs workers"),
        ({"distributed": {"strategy": "none", "num_processes": 2}}, "must be 1 with strategy none"),
        ({"distributed": {"strategy": "ddp", "num_processes": 1}}, "must be at least 2 with strategy ddp"),
        ({"distributed": {"strategy": "zero9"}}, "must be one of auto, none, ddp"),
        (
            {"evaluation": {"before": True}},
            "evaluation.before: true; needs held-out rows: set data.evaluation or data.test",
        ),
        (
            {"data": {"train": {"path": "a"}, "test": {"path": "b"}}, "evaluation": {"during": True}},
            "evaluation.during: true; needs rows to choose a checkpoint by: set data.evaluation",
        ),
        (
            {"data": {"train": {"path": "a"}, "evaluation": {"path": "b"}, "test": {"path": "b", "max_samples": 9}}},
            "data.test.path: 'b'; names the rows of data.evaluation, which choose the checkpoint; name other rows",
        ),
        ({"hub": {"repo_id": "me/it", "what": "adapter"}, "full": {}}, "makes no adapter; use merged"),
        ({"hub": {"checkpoints": True}}, "needs hub.repo_id, the repository to publish to"),
        (
            {"hub": {"repo_id": "me/it", "checkpoints": True}, "full": {}},
            "published only once, after they are verified",
        ),
        ({"hub": {"repo_id": "me/it"}, "export": {"enabled": False}}, "needs export.enabled: true"),
    ],
)
def test_keys_that_contradict_each_other(extra: dict, line: str) -> None:
    found = mistakes(extra)
    assert len(found) == 1, found
    assert line in found[0]


@pytest.mark.parametrize(
    ("extra", "line"),
    [
        ({"evaluation": {"metric": "ndcg@5"}}, "did you mean hybrid_ndcg@5, late_ndcg@5 or pooled_ndcg@5?"),
        ({"training": {"metric_for_best_model": "loss"}}, "must equal evaluation.metric (hybrid_ndcg@5)"),
        (
            {"evaluation": {"during": False}, "training": {"eval_strategy": "epoch"}},
            "contradicts training.eval_strategy",
        ),
        ({"evaluation": {"during": False, "early_stopping_patience": 2}}, "needs evaluation.during: true"),
        ({"training": {"eval_strategy": "no", "load_best_model_at_end": True}}, "needs evaluation.during: true"),
        ({"training": {"eval_strategy": "steps", "save_strategy": "epoch"}}, "must equal eval_strategy ('steps')"),
        (
            {"training": {"eval_strategy": "steps", "eval_steps": 20, "save_steps": 30}},
            "must be a multiple of eval_steps",
        ),
    ],
)
def test_evaluation_and_checkpoints_agree(extra: dict, line: str) -> None:
    found = mistakes(extra, HELD_OUT)
    assert any(line in item for item in found), found


def test_a_batch_of_one_is_fine_with_negatives_or_more_processes() -> None:
    one = merge(MINIMAL, {"training": {"per_device_train_batch_size": 1}})
    parse_recipe(merge(one, {"data": {"negatives_per_query": 1}}))
    parse_recipe(merge(one, {"distributed": {"num_processes": 2}}))


def test_all_mistakes_come_at_once_rules_between_keys_included() -> None:
    found = mistakes(
        {
            "modle": 1,
            "data": {"train": {"splitt": 1}},
            "lora": {"r": -1},
            "scoring": {"layer": "last", "query_tokens": "words"},
            "training": {"learning_rat": 1, "bf16": True, "fp16": True},
            "hub": {"repo_id": "alone"},
        }
    )
    keys = ["modle", "data.train.splitt", "lora.r", "scoring.layer", "scoring.query_tokens", "training.learning_rat"]
    for key in [*keys, "training.fp16", "hub.repo_id"]:
        assert any(line.startswith(key) for line in found), (key, found)
    assert len(found) == len(keys) + 2


def test_the_heading_names_the_file_and_counts(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("model: {name_or_path: b}\ndata: {train: {path: r}}\nlora: {r: 0}\n")
    with pytest.raises(RecipeError, match=r"mine\.yaml: 1 mistake\n  lora\.r: 0; must be greater than 0$"):
        load_recipe(path)


def test_parsing_leaves_the_mapping_as_it_was() -> None:
    values = merge(MINIMAL, {"lora": {"r": 0}})
    before = copy.deepcopy(values)
    with pytest.raises(RecipeError):
        parse_recipe(values)
    assert values == before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r": is empty; a recipe needs at least model\.name_or_path and data\.train"),
        ("# nothing\n", ": is empty"),
        ("- a\n- b\n", ": holds a list; a recipe is a mapping"),
        ("just words\n", ": holds a str; a recipe is a mapping"),
        ("model:\n\tname_or_path: x\n", ", line 2, column 1: a tab; indent with spaces"),
        (
            "model:\n  query_instruction: query: \n",
            ", line 2, column 27: a second colon with a blank after it; put the text into quotes",
        ),
        ("model: {name_or_path: a}\nmodel: {name_or_path: b}\n", ", line 2, column 1: duplicate key 'model'"),
        ("data:\n  train: {path: a, path: b}\n", ", line 2, column 20: duplicate key 'path'"),
        ("1: x\n", ", line 1, column 1: key 1 is not text"),
        ("model: [unclosed\n", ", line 2, column 1: "),
        ("model: !!python/object:os.system {}\n", "could not determine a constructor"),
        ("extends: [a, b]\n", r": extends: \['a', 'b'\]; must be the path of one recipe"),
        ("extends: absent.yaml\n", r"absent\.yaml: no such recipe file \(extended by .*recipe\.yaml\)"),
        ("extends: recipe.yaml\n", "extends forms a cycle: recipe.yaml -> recipe.yaml"),
    ],
)
def test_a_file_that_is_no_recipe(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(RecipeError, match=message):
        load_recipe(path)


def test_a_circle_names_its_members(tmp_path: Path) -> None:
    for name, parent in (("a", "b"), ("b", "c"), ("c", "b")):
        (tmp_path / f"{name}.yaml").write_text(f"extends: {parent}.yaml\n")
    with pytest.raises(RecipeError, match=r"forms a cycle: b\.yaml -> c\.yaml -> b\.yaml"):
        load_recipe(tmp_path / "a.yaml")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"absent\.yaml: no such recipe file$"):
        load_recipe(tmp_path / "absent.yaml")
    with pytest.raises(RecipeError, match="is a folder; a recipe is one YAML file"):
        load_recipe(tmp_path)
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RecipeError, match="is not UTF-8 text"):
        load_recipe(tmp_path / "bytes.yaml")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.max_steps", r"override 'training\.max_steps': must read key\.sub=value"),
        ("=5", "must read key.sub=value"),
        ("training..x=5", "must read key.sub=value"),
        ("model.name_or_path.x=5", "model.name_or_path is 'base', which has no keys"),
        ("lora.r=[1", "the value is not YAML"),
        ("extends=other.yaml", "extends belongs in a file"),
        ("training.max_stepz=5", "training.max_stepz: unknown key, did you mean max_steps?"),
    ],
)
def test_overrides_that_cannot_be_applied(tmp_path: Path, override: str, message: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("model: {name_or_path: base}\ndata: {train: {path: rows}}\n")
    with pytest.raises(RecipeError) as caught:
        load_recipe(path, [override])
    assert message.replace("\\", "") in str(caught.value)


def test_all_bad_overrides_come_at_once(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("model: {name_or_path: base}\ndata: {train: {path: rows}}\n")
    with pytest.raises(RecipeError) as caught:
        load_recipe(path, ["a", "b"])
    assert "override 'a'" in str(caught.value) and "override 'b'" in str(caught.value)


TAUGHT = {"data": {"negatives_per_query": 2}, "objective": {"distillation": {}}}


@pytest.mark.parametrize(
    ("extra", "line"),
    [
        (
            {"objective": {"distillation": {"weight": 2}}},
            "objective.distillation.weight: 2.0; a teacher judges a row's explicit negatives: set "
            "data.negatives_per_query to at least 1",
        ),
        (
            {"objective": {"positive_aware": {"by": "teacher"}}},
            "objective.positive_aware.by: 'teacher'; a teacher judges a row's explicit negatives: set "
            "data.negatives_per_query to at least 1",
        ),
        (
            merge(TAUGHT, {"projection": {}, "objective": {"distillation": {"score": "pooled"}}}),
            "objective.distillation.score: 'pooled'; a projection does not touch the pooled vector, so this would "
            "train nothing; use late or hybrid",
        ),
        (merge(TAUGHT, {"objective": {"distillation": {"wieght": 1}}}), "unknown key, did you mean weight?"),
        (merge(TAUGHT, {"objective": {"distillation": {"temperature": 0.001}}}), "objective.distillation.temperature"),
        (
            merge(TAUGHT, {"objective": {"distillation": {"teacher_temperature": 1e-50}}}),
            "objective.distillation.teacher_temperature: 1e-50; must be at least 1e-06",
        ),
        (
            merge(TAUGHT, {"objective": {"distillation": {"weight": 1e39}}}),
            "objective.distillation.weight: 1e+39; must be at most 1000000.0",
        ),
        (
            merge(TAUGHT, {"objective": {"distillation": {"margin_weight": 0}}}),
            "objective.distillation.margin_weight: 0; must be greater than 0",
        ),
        (
            merge(TAUGHT, {"objective": {"distillation": {"margin_weight": 1e39}}}),
            "objective.distillation.margin_weight: 1e+39; must be at most 1000000.0",
        ),
        ({"objective": {"positive_aware": {"margin": 0}}}, "objective.positive_aware.margin"),
        ({"objective": {"positive_aware": {"by": "both"}}}, "objective.positive_aware.by"),
    ],
)
def test_a_teacher_needs_something_to_judge(extra: dict, line: str) -> None:
    found = mistakes(extra)
    assert len(found) == 1 and line in found[0]


def test_distillation_follows_the_objective() -> None:
    for name, score in (("joint", "hybrid"), ("late", "late")):
        recipe = parse_recipe(merge(MINIMAL, merge(TAUGHT, {"objective": {"name": name, "temperature": 0.07}})))
        filled = recipe.objective.distillation
        assert (filled.score, filled.temperature, filled.teacher_temperature, filled.weight) == (score, 0.07, 0.07, 1.0)


@pytest.mark.parametrize(
    ("extra", "line"),
    [
        (
            {"objective": {"name": "late", "self_distillation": {"weight": 2}}},
            "objective.self_distillation.weight: 2.0; needs both scores, so objective.name must be joint or hybrid; "
            "this is late",
        ),
        (
            {"projection": {}, "objective": {"learn_weights": True}},
            "objective.learn_weights: true; needs both scores, so objective.name must be joint or hybrid; this is late",
        ),
        (
            {"objective": {"learn_weights": True}, "scoring": {"late_weight": 2}},
            "scoring.late_weight: 2.0; objective.learn_weights finds the weights; remove one of the two",
        ),
        (
            {"objective": {"learn_weights": True, "learn_temperature": True}},
            "objective.learn_temperature: true; objective.learn_weights trains the temperature of each score; remove "
            "one of the two",
        ),
        ({"objective": {"learn_weights": "often"}}, "objective.learn_weights: 'often'; must be true or false"),
        (
            {"objective": {"self_distillation": {}}, "scoring": {"late_weight": 0}},
            "scoring.late_weight: 0.0; the combined score is then one term alone and has nothing to teach it; remove "
            "self_distillation",
        ),
        (
            {"projection": {}, "objective": {"name": "hybrid", "self_distillation": {"score": "pooled"}}},
            "objective.self_distillation.score: 'pooled'; a projection does not touch the pooled vector, so this would "
            "train nothing; use late",
        ),
        (
            {"objective": {"self_distillation": {}}, "training": {"per_device_train_batch_size": 1}},
            "training.per_device_train_batch_size: 1; a batch of one holds only the answer",
        ),
        ({"objective": {"self_distillation": {"weight": 0}}}, "self_distillation.weight: 0; must be greater than 0"),
        ({"objective": {"self_distillation": {"temperature": 0.001}}}, "temperature: 0.001; must be at least 0.01"),
        ({"objective": {"self_distillation": {"temperature": 1e300}}}, "temperature: 1e+300; must be at most 1000.0"),
        ({"objective": {"self_distillation": {"weight": 1e39}}}, "weight: 1e+39; must be at most 1000000.0"),
        ({"objective": {"self_distillation": {"warmup": 1}}}, "self_distillation.warmup: 1; must be less than 1"),
        ({"objective": {"self_distillation": {"warmup": -1}}}, "self_distillation.warmup: -1; must be at least 0"),
    ],
)
def test_what_weighs_or_teaches_by_both_scores_needs_them_and_candidates(extra: dict, line: str) -> None:
    found = mistakes(extra)
    assert len(found) == 1 and line in found[0]


@pytest.mark.parametrize(
    ("objective", "lines"),
    [
        ({"products": "tf32"}, ["objective.products: 'tf32'; must be one of exact, bfloat16, float16"]),
        (
            {"name": "pooled", "products": "float16"},
            ["objective.products: 'float16'; the pooled score needs no products of tokens; leave this out"],
        ),
    ],
)
def test_products_are_of_tokens(objective: dict, lines: list[str]) -> None:
    assert mistakes({"objective": objective}) == lines


@pytest.mark.parametrize(
    ("objective", "line"),
    [
        ({"temperature": 1e9}, "objective.temperature: 1000000000.0; must be at most 1000.0"),
        ({"late_temperature": 0}, "objective.late_temperature: 0; must be at least 0.01"),
        ({"late_weight": 1e39}, "objective.late_weight: 1e+39; must be at most 1000000.0"),
        ({"pooled_weight": -1}, "objective.pooled_weight: -1; must be greater than 0"),
        ({"temperature": True}, "objective.temperature: true; must be a number"),
        ({"hardness": -1}, "objective.hardness: -1; must be at least 0"),
        ({"hardness": 11}, "objective.hardness: 11; must be at most 10.0"),
        (
            {"learn_weights": True, "late_temperature": 5},
            "objective.late_temperature: 5.0; objective.learn_weights keeps every temperature between 0.005 and 1.0; "
            "start from one between them",
        ),
        (
            {"learn_weights": True, "temperature": 2},
            "objective.temperature: 2.0; objective.learn_weights keeps every temperature between 0.005 and 1.0",
        ),
        (
            {"name": "hybrid", "learn_weights": True, "temperature": 2},
            "objective.temperature: 2.0; objective.learn_weights keeps every temperature between 0.005 and 1.0",
        ),
    ],
)
def test_weights_and_temperatures_out_of_range_are_named(objective: dict, line: str) -> None:
    found = mistakes({"objective": objective})
    assert len(found) == 1 and line in found[0]


def test_a_temperature_that_no_term_starts_from_may_be_out_of_the_learned_range() -> None:
    taken = {"learn_weights": True, "temperature": 2, "pooled_temperature": 0.05, "late_temperature": 0.02}
    assert parse_recipe(merge(MINIMAL, {"objective": taken})).objective.learn_weights


def test_true_is_not_a_number() -> None:
    for section, key, rule in (("lora", "r", "a whole number"), ("lora", "dropout", "a number")):
        assert mistakes({section: {key: True}}) == [f"{section}.{key}: true; must be {rule}"]
    assert mistakes({"projection": {"layers": [1, True]}}) == ["projection.layers: [1, True]; must be a whole number"]


def test_self_distillation_follows_the_objective() -> None:
    made = parse_recipe(merge(MINIMAL, {"objective": {"temperature": 0.07, "self_distillation": {}}}))
    assert made.objective.self_distillation.model_dump() == {
        "weight": 1.0,
        "score": None,
        "temperature": 0.07,
        "warmup": 0.1,
    }
    projected = {"projection": {}, "objective": {"name": "hybrid", "self_distillation": {}}}
    assert parse_recipe(merge(MINIMAL, projected)).objective.self_distillation.score == "late"


def test_every_advice_names_keys_that_exist() -> None:
    from smart_train.recipe.parse import _all_keys
    from smart_train.recipe.renamed import INSTEAD
    from smart_train.recipe.training_section import known_names

    dotted = set(_all_keys())
    assert not set(INSTEAD) & set(known_names())
    for name, advice in INSTEAD.items():
        match = re.match(r"set ([\w.]+)(?::| |,|$)", advice)
        if match is not None and match[1] not in ("the", "weight"):
            assert match[1] in dotted | set(known_names()), name


def test_noise_on_embeddings_is_refused_where_they_are_sharded_with_the_rest() -> None:
    noise = {"training": {"neftune_noise_alpha": 5.0}}
    (line,) = mistakes(merge(noise, {"distributed": {"strategy": "fsdp2"}}))
    assert line.startswith("training.neftune_noise_alpha: cannot be used with distributed.strategy fsdp2")
    parse_recipe(merge(MINIMAL, merge(noise, {"distributed": {"strategy": "zero3"}})))
