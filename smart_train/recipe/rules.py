"""What one key of a recipe says about another: combinations with which no run is possible."""

from __future__ import annotations

import re
from typing import Any

from smart_train.data.columns import KNOWN_NAMES
from smart_train.errors import DataError
from smart_train.evaluation.metrics import metric_names
from smart_train.evaluation.tuning_grid import check_metric, read_weights
from smart_train.recipe.recipe import Recipe
from smart_train.recipe.sections import SourceSection, source_keys
from smart_train.recipe.training_section import training_conflicts
from smart_train.recipe.wording import bad_value, one_of, unknown_key
from smart_train.scoring.hybrid import POOLED_TOKEN_CHOICES, TOKEN_FILTERS
from smart_train.utils.terms import EXACT, LEARNED_TEMPERATURES, NUMBER_FORMATS, OBJECTIVES, SCORES

_ONLY_JOINT = ("pooled_temperature", "late_temperature", "pooled_weight", "late_weight")


def caching_problems(values: dict[str, Any]) -> list[str]:
    """A `gradient_caching` section without a bound, read from the raw mapping; a wrong bound is another mistake."""
    section = values.get("gradient_caching")
    # Any other key may be a bound that is spelt wrong, which is said already.
    if not isinstance(section, dict) or any(
        value is not None for key, value in section.items() if key != "keep_vision"
    ):
        return []
    return ["gradient_caching: sets no bound; give mini_batch_size or mini_batch_tokens, or null to turn it off"]


def cross_problems(given: Recipe, filled: Recipe) -> list[str]:
    """A line for every combination that makes no run. `given` is the recipe before, `filled` after the defaults."""
    return [
        *_model_problems(filled),
        *_column_problems(filled),
        *_mixture_problems(filled),
        *_lora_problems(filled),
        *_projection_problems(filled),
        *_objective_problems(given, filled),
        *_evaluation_problems(given, filled),
        *_tune_problems(filled),
        *training_conflicts(filled.training),
        *_scale_problems(filled),
        *_noise_problems(filled),
        *_averaging_problems(filled),
        *_hub_problems(filled),
    ]


def _lora_problems(recipe: Recipe) -> list[str]:
    section, problems = recipe.lora, []
    if section is None:
        return []
    for key in ("modules_to_save", "trained_tokens"):
        names = getattr(section, key) or []
        twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
        if twice is not None:
            problems.append(bad_value(f"lora.{key}", names, f"names {twice!r} twice"))
    if section.init_from is not None and section.trained_tokens is not None:
        rule = "lora.init_from trains on the tokens that its adapter has, and no others; leave this out"
        problems.append(bad_value("lora.trained_tokens", section.trained_tokens, rule))
    return problems


def _noise_problems(recipe: Recipe) -> list[str]:
    if recipe.distributed.strategy != "fsdp2" or recipe.training.get("neftune_noise_alpha") is None:
        return []
    return [
        "training.neftune_noise_alpha: cannot be used with distributed.strategy fsdp2, which shards the embeddings "
        "with the rest of the model; use zero3, or remove it"
    ]


def _averaging_problems(recipe: Recipe) -> list[str]:
    strategy = recipe.distributed.strategy
    if recipe.averaging is None or strategy not in ("zero3", "fsdp2"):
        return []
    rule = f"cannot be combined with distributed.strategy {strategy}, under which no process has the whole weights; use"
    return [bad_value("averaging.decay", recipe.averaging.decay, f"{rule} zero2 or ddp, or remove it")]


def _model_problems(recipe: Recipe) -> list[str]:
    from smart_train.models.families.registry import FAMILIES

    model, problems = recipe.model, []
    if model.family is not None and model.family not in FAMILIES:
        problems.append(bad_value("model.family", model.family, one_of(model.family, sorted(FAMILIES))))
    if model.quantization and recipe.mode == "full":
        problems.append(
            bad_value(
                "model.quantization",
                model.quantization,
                "needs lora or projection, because quantised weights are frozen",
            )
        )
    if model.quantization_upcast and not model.quantization:
        rule = "nothing is quantised; set model.quantization, or leave this out"
        problems.append(bad_value("model.quantization_upcast", model.quantization_upcast, rule))
    if model.from_config is not None and recipe.lora is not None and recipe.lora.init_from is not None:
        rule = "belongs to the weights that it was trained on, and model.from_config draws new ones; remove one of them"
        problems.append(bad_value("lora.init_from", recipe.lora.init_from, rule))
    strategy = recipe.distributed.strategy
    if model.quantization and strategy in ("zero3", "fsdp2"):
        rule = (
            f"cannot be combined with distributed.strategy {strategy}: packed weights cannot be sharded; use zero2 or "
            "ddp"
        )
        problems.append(bad_value("model.quantization", model.quantization, rule))
    if model.min_pixels and model.max_pixels and model.min_pixels > model.max_pixels:
        problems.append(
            bad_value("model.min_pixels", model.min_pixels, f"must be at most max_pixels ({model.max_pixels})")
        )
    return problems


def _column_problems(recipe: Recipe) -> list[str]:
    problems = []
    training = recipe.data.training
    named: list[tuple[str, SourceSection]] = list(zip(source_keys("train", training), training, strict=True))
    for key, source in [*named, *((f"data.{name}", source) for name, source in recipe.data.held_out.items())]:
        if not isinstance(source.columns, dict):
            continue
        for ours, theirs in source.columns.items():
            dotted = f"{key}.columns.{ours}"
            if ours not in KNOWN_NAMES:
                problems.append(unknown_key(dotted, KNOWN_NAMES))
            elif ours != "negatives" and not isinstance(theirs, str):
                problems.append(bad_value(dotted, theirs, "must be the name of one column"))
    return problems


def _projection_problems(recipe: Recipe) -> list[str]:
    layers, problems = recipe.projection.layers if recipe.projection else None, []
    if layers is not None:
        scored = recipe.scoring["layer"]
        if len(set(layers)) < len(layers):
            problems.append(bad_value("projection.layers", layers, "names a layer twice"))
        if scored not in (None, -1) and layers != [scored]:
            rule = f"the projection reads its own layers (projection.layers {layers}); leave this out"
            problems.append(bad_value("scoring.layer", scored, rule))
    return [*problems, *_state_cache_problems(recipe)]


def _state_cache_problems(recipe: Recipe) -> list[str]:
    section, problems = recipe.projection, []
    if section is None:
        return []
    if section.state_cache == "off" and section.state_dtype != "auto":
        rule = "projection.state_cache is off, so no states are kept; remove one of the two"
        problems.append(bad_value("projection.state_dtype", section.state_dtype, rule))
    if recipe.training.get("neftune_noise_alpha") is not None:
        rule = "a projection's backbone is frozen and runs without dropout and noise; remove it"
        problems.append(bad_value("training.neftune_noise_alpha", recipe.training["neftune_noise_alpha"], rule))
    return problems


def _mixture_problems(recipe: Recipe) -> list[str]:
    weights = [source.weight for source in recipe.data.training]
    if len(weights) == 1 and weights[0] is not None:
        return [bad_value("data.train.weight", weights[0], "a single source needs no weight; remove it")]
    return [
        bad_value(f"data.train.{place}.weight", None, "other sources have a weight; give all of them one, or none")
        for place, weight in enumerate(weights)
        if weight is None and any(other is not None for other in weights)
    ]


def _objective_problems(given: Recipe, filled: Recipe) -> list[str]:
    objective, problems = filled.objective, []
    if objective.name != "joint":
        for key in _ONLY_JOINT:
            value = getattr(given.objective, key)
            if value is not None:
                rule = f"only objective.name joint has a value of its own for each term; this is {objective.name}"
                if objective.name == "hybrid" and key.endswith("weight"):
                    rule += f" (it weighs its terms by scoring.{key})"
                problems.append(bad_value(f"objective.{key}", value, rule))
    if filled.mode == "projection" and objective.name in ("pooled", "joint"):
        rule = "a projection does not touch the pooled vector, so a pooled term would train nothing; use late or hybrid"
        problems.append(bad_value("objective.name", objective.name, rule))
    if objective.name == "hybrid" and 0 in (filled.scoring["pooled_weight"], filled.scoring["late_weight"]):
        rule = "scoring gives one of its two terms the weight 0; use pooled or late"
        problems.append(bad_value("objective.name", objective.name, rule))
    taught = () if objective.distillation is None else OBJECTIVES[objective.distillation.score or "hybrid"]
    if objective.products != EXACT and "late" not in (*OBJECTIVES[objective.name or "joint"], *taught):
        rule = "the pooled score needs no products of tokens; leave this out"
        problems.append(bad_value("objective.products", objective.products, rule))
    return [
        *problems,
        *_teacher_problems(filled),
        *_both_score_problems(filled),
        *_learned_start_problems(given, filled),
    ]


def _learned_start_problems(given: Recipe, filled: Recipe) -> list[str]:
    """A temperature that is learned with bounds must begin between them: the loss would use the bound instead."""
    objective = filled.objective
    if not objective.learn_weights:
        return []
    terms = ("pooled_temperature", "late_temperature") if objective.name == "joint" else ("temperature",)
    # One that serves both terms is named once.
    keys = dict.fromkeys(key if getattr(given.objective, key) is not None else "temperature" for key in terms)
    values = {key: getattr(objective, key) for key in keys}
    least, most = LEARNED_TEMPERATURES
    rule = f"objective.learn_weights keeps every temperature between {least} and {most}; start from one between them"
    return [
        bad_value(f"objective.{key}", value, rule)
        for key, value in values.items()
        if value is not None and not least <= value <= most
    ]


def _both_score_problems(recipe: Recipe) -> list[str]:
    """What teaches or weighs the two scores by each other needs both of them."""
    objective, problems = recipe.objective, []
    section = objective.self_distillation
    asking = {
        **({} if section is None else {"objective.self_distillation.weight": section.weight}),
        **({"objective.learn_weights": True} if objective.learn_weights else {}),
    }
    if objective.name not in ("joint", "hybrid"):
        rule = f"needs both scores, so objective.name must be joint or hybrid; this is {objective.name}"
        problems += [bad_value(key, value, rule) for key, value in asking.items()]
    for key in ("pooled_weight", "late_weight"):
        weight = recipe.scoring[key]
        if objective.learn_weights and weight is not None:
            rule = "objective.learn_weights finds the weights; remove one of the two"
            problems.append(bad_value(f"scoring.{key}", weight, rule))
        elif section is not None and weight == 0 and objective.name != "hybrid":
            rule = "the combined score is then one term alone and has nothing to teach it; remove self_distillation"
            problems.append(bad_value(f"scoring.{key}", weight, rule))
    if objective.learn_weights and objective.learn_temperature:
        rule = "objective.learn_weights trains the temperature of each score; remove one of the two"
        problems.append(bad_value("objective.learn_temperature", True, rule))
    if section is not None and section.score == "pooled" and recipe.mode == "projection":
        rule = "a projection does not touch the pooled vector, so this would train nothing; use late"
        problems.append(bad_value("objective.self_distillation.score", section.score, rule))
    return problems


def _teacher_problems(recipe: Recipe) -> list[str]:
    objective, problems = recipe.objective, []
    distillation, masked = objective.distillation, objective.positive_aware
    counts = [section.negatives_per_query for section in recipe.data.training]
    if not any(recipe.data.negatives_per_query if count is None else count for count in counts):
        rule = "a teacher judges a row's explicit negatives: set data.negatives_per_query to at least 1"
        if distillation is not None:
            problems.append(bad_value("objective.distillation.weight", distillation.weight, rule))
        if masked is not None and masked.by == "teacher":
            problems.append(bad_value("objective.positive_aware.by", masked.by, rule))
    if distillation is not None and distillation.score == "pooled" and recipe.mode == "projection":
        rule = "a projection does not touch the pooled vector, so this would train nothing; use late or hybrid"
        problems.append(bad_value("objective.distillation.score", distillation.score, rule))
    return problems


def _evaluation_problems(given: Recipe, filled: Recipe) -> list[str]:
    evaluation, training, problems = filled.evaluation, filled.training, []
    metrics = [f"{score}_{metric}" for score in SCORES for metric in metric_names((1, 5, 10))]
    if evaluation.metric not in metrics:
        problems.append(bad_value("evaluation.metric", evaluation.metric, one_of(evaluation.metric, metrics)))
    elif training.get("metric_for_best_model", evaluation.metric) != evaluation.metric:
        rule = f"must equal evaluation.metric ({evaluation.metric}); set only that one"
        problems.append(bad_value("training.metric_for_best_model", training["metric_for_best_model"], rule))
    data = filled.data
    if data.reported is None:
        rule = "needs held-out rows: set data.evaluation or data.test"
        problems += [
            bad_value(f"evaluation.{when}", True, rule) for when in ("before", "after") if getattr(evaluation, when)
        ]
    if data.evaluation is None:
        if evaluation.during:
            problems.append(
                bad_value("evaluation.during", True, "needs rows to choose a checkpoint by: set data.evaluation")
            )
    elif evaluation.during != (training["eval_strategy"] != "no"):
        rule = f"contradicts training.eval_strategy ({training['eval_strategy']!r}); remove one of them"
        problems.append(bad_value("evaluation.during", evaluation.during, rule))
    if not evaluation.during:
        if evaluation.early_stopping_patience:
            rule = "needs evaluation.during: true"
            problems.append(bad_value("evaluation.early_stopping_patience", evaluation.early_stopping_patience, rule))
        if given.training.get("load_best_model_at_end"):
            problems.append(bad_value("training.load_best_model_at_end", True, "needs evaluation.during: true"))
    if data.evaluation is not None and data.test is not None and _names(data.test) == _names(data.evaluation):
        rule = "names the rows of data.evaluation, which choose the checkpoint; name other rows, or leave data.test out"
        problems.append(bad_value("data.test.path", data.test.path, rule))
    return problems


def _tune_problems(recipe: Recipe) -> list[str]:
    section, problems = recipe.tune, []
    if section is None:
        return []
    if recipe.data.reported is None:
        problems.append("tune: needs rows to choose by: set data.evaluation, or remove the section")
    try:
        check_metric(section.metric)
        read_weights(section.weights or ())
    except DataError as error:
        problems.append(f"tune: {error}")
    for key, choices in (
        ("query_tokens", TOKEN_FILTERS),
        ("document_tokens", TOKEN_FILTERS),
        ("pooled_token", POOLED_TOKEN_CHOICES),
        ("stored_as", NUMBER_FORMATS),
    ):
        wrong = [value for value in getattr(section, key) or () if value not in choices]
        problems += [bad_value(f"tune.{key}", value, one_of(value, choices)) for value in wrong]
    if recipe.projection is not None and section.layers is not None:
        rule = "a token projection reads the layers it is trained on; leave this out"
        problems.append(bad_value("tune.layers", section.layers, rule))
    return problems


def _names(source: SourceSection) -> tuple[str | None, ...]:
    """What of a section says which rows are meant."""
    return source.path, source.subset, source.split


def _scale_problems(recipe: Recipe) -> list[str]:
    strategy, processes = recipe.distributed.strategy, recipe.distributed.num_processes
    problems = []
    if strategy == "none" and processes not in (None, 1):
        problems.append(
            bad_value("distributed.num_processes", processes, "must be 1 with strategy none; use auto or ddp")
        )
    if strategy not in ("auto", "none") and processes == 1:
        rule = f"must be at least 2 with strategy {strategy}"
        problems.append(bad_value("distributed.num_processes", processes, rule))
    batch = recipe.training["per_device_train_batch_size"] * (processes or 1)
    if batch == 1 and recipe.data.negatives_per_query == 0:
        rule = (
            "a batch of one holds only the answer, so there is nothing to learn from; raise it, set "
            "data.negatives_per_query, or name the number of processes in distributed.num_processes"
        )
        problems.append(bad_value("training.per_device_train_batch_size", 1, rule))
    return problems


def _hub_problems(recipe: Recipe) -> list[str]:
    hub, problems = recipe.hub, []
    if hub.repo_id is None:
        if hub.checkpoints:
            problems.append(bad_value("hub.checkpoints", True, "needs hub.repo_id, the repository to publish to"))
        return problems
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", hub.repo_id):
        problems.append(bad_value("hub.repo_id", hub.repo_id, "must read OWNER/NAME"))
    if hub.what == "adapter" and recipe.mode == "full":
        problems.append(bad_value("hub.what", hub.what, "full fine-tuning makes no adapter; use merged"))
    if hub.checkpoints and recipe.mode == "full":
        problems.append(
            bad_value(
                "hub.checkpoints", True, "whole weights are published only once, after they are verified; use lora"
            )
        )
    if hub.what == "merged" and not recipe.export.enabled:
        problems.append(bad_value("hub.what", hub.what, "needs export.enabled: true"))
    return problems
