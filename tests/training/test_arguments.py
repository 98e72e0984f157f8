"""Training arguments that would fail only in the middle of a run: found before it, and what makes sense works."""

from __future__ import annotations

import math
import re

import pytest
import torch
from torch import nn
from transformers import Trainer
from transformers.optimization import TYPE_TO_SCHEDULER_FUNCTION

from smart_train.errors import RecipeError
from smart_train.recipe.training_section import argument_defaults
from smart_train.run.plan import make_plan
from smart_train.training import arguments
from smart_train.training.learning_rate import phase_problems, scheduler_arguments, scheduler_problems
from tests.runs import MODES, logged, tiny_recipe


def problems(model: nn.Module | None = None, **values: object) -> str:
    found = arguments.argument_problems({**argument_defaults(), **values}, model, processes=1, on_cpu=True)
    return "\n".join(found)


def refused(tiny_data, tmp_path, **training: object) -> str:
    """What a recipe with these arguments is told, the heading left out."""
    with pytest.raises(RecipeError) as caught:
        tiny_recipe(tiny_data, tmp_path / "run", training=training)
    return "\n".join(line.strip() for line in str(caught.value).splitlines()[1:])


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ({"report_to": "wanbd"}, "training.report_to: 'wanbd'; .*did you mean wandb"),
        ({"report_to": ["none", "tensorbord"]}, "did you mean tensorboard"),
        ({"use_liger_kernel": True}, "use_liger_kernel: true; must stay false: its kernels go into transformers' own"),
        ({"lr_scheduler_type": "cosine_with_min_lr"}, "cannot be made .*; set min_lr_rate, a share"),
        ({"lr_scheduler_type": "cosine_warmup_with_min_lr"}, "cannot be made .*; set min_lr_rate, a share"),
        ({"lr_scheduler_kwargs": {"cycles": 2}}, "cosine takes only num_cycles"),
        ({"lr_scheduler_kwargs": {"num_cycles": "two"}}, "cosine cannot be made"),
        ({"lr_scheduler_kwargs": "num_cycles=2"}, "must be a mapping"),
        ({"lr_scheduler_type": "constant", "lr_scheduler_kwargs": {"num_cycles": 2}}, "constant takes none"),
        (
            {"lr_scheduler_type": "reduce_lr_on_plateau", "lr_scheduler_kwargs": {"mode": "up"}},
            "plateau cannot be made",
        ),
        ({"lr_scheduler_type": "warmup_stable_decay", "lr_scheduler_kwargs": {"decay_type": "x"}}, "cannot be made"),
        ({"train_sampling_strategy": "group_by_length"}, "random or sequential: .*data.group_by_length"),
        ({"train_sampling_strategy": "batch_rebalance"}, "must be random or sequential"),
        ({"optim_args": "momentum"}, "must read KEY=VALUE"),
        ({"accelerator_config": {"split_batch": True}}, "has no key 'split_batch'; its keys are split_batches"),
        ({"accelerator_config": {"split_batches": True}}, "per_device_train_batch_size would no longer be"),
        ({"accelerator_config": {"dispatch_batches": True}}, "dispatch_batches: batches of pages are not tensors"),
        ({"accelerator_config": {"gradient_accumulation_kwargs": {"num_steps": 2}}}, "gradient_accumulation_steps"),
        ({"accelerator_config": "nowhere.json"}, "names no file of JSON"),
        ({"torch_compile_mode": "fast"}, "must be one of default, reduce-overhead"),
        ({"torch_compile_backend": "indctor"}, "did you mean inductor"),
        ({"parallelism_config": {"tp_size": 2}}, "parallelism_config"),
        ({"debug": "tpu_metrics_debug"}, "must be left out: its hooks"),
        ({"debug": "underflow_overflow"}, "a run stops by itself at the first NaN"),
        ({"neftune_noise_alpha": 0}, "must be greater than 0"),
        ({"dataloader_persistent_workers": True}, "needs dataloader_num_workers of at least 1"),
        ({"activation_checkpointing_kwargs": {"reentrant": True}}, "has no key 'reentrant'"),
        ({"learning_rate": math.nan}, "must be a finite number"),
        ({"learning_rate": math.inf}, "must be a finite number"),
        ({"seed": -1}, "must be from 0 to 4294967295"),
        ({"adam_beta1": 1.0}, "must be from 0 to below 1"),
        ({"logging_steps": 1.5}, "must be a whole number, or a share"),
    ],
)
def test_a_value_that_would_fail_later_is_refused_now(training, message, tiny_data, tmp_path) -> None:
    found = refused(tiny_data, tmp_path, **training)
    assert len(found.splitlines()) == 1 and re.search(message, found), found


def test_all_are_told_at_once(tiny_data, tmp_path) -> None:
    wrong = {"report_to": "wanbd", "torch_compile_mode": "fast", "debug": "x", "lr_scheduler_kwargs": {"cycles": 2}}
    assert len(refused(tiny_data, tmp_path, **wrong).splitlines()) == 4


def test_what_needs_evaluations_is_refused_without(tiny_data, tmp_path) -> None:
    with pytest.raises(RecipeError) as caught:
        tiny_recipe(
            tiny_data,
            tmp_path,
            data={"evaluation": None},
            training={
                "eval_strategy": "no",
                "lr_scheduler_type": "reduce_lr_on_plateau",
                "eval_on_start": True,
                "save_strategy": "best",
            },
        )
    for words in ("changes the rate after evaluations", "eval_on_start: true; needs", "save_strategy: 'best'; needs"):
        assert words in str(caught.value)


def test_optimisers_are_made_on_a_stand_in_before_the_run(monkeypatch) -> None:
    assert problems() == problems(optim="sgd", optim_args="momentum=0.9") == ""
    assert "training.optim: 'adamw_torch_xla'; the optimiser cannot be made" in problems(optim="adamw_torch_xla")
    assert "training.optim_args: 'momentum=big'; the opt" in problems(optim="sgd", optim_args="momentum=big")
    assert "sgd does not read 'moment'" in problems(optim="sgd", optim_args="momentum=0.9,moment=0.8")
    assert "adamw_torch does not read 'momentum'" in problems(optim="adamw_torch", optim_args="momentum=0.9")

    class Unfit(torch.optim.SGD):
        def step(self, closure=None):
            raise RuntimeError("needs a GPU\nand more")

    monkeypatch.setattr(Trainer, "get_optimizer_cls_and_kwargs", lambda args, model: (Unfit, {"lr": 1.0}))
    assert problems() == (
        "training.optim: 'adamw_torch_fused'; the optimiser cannot be made (needs a GPU); install what it names, or "
        "change it"
    )


def test_trackers_and_embeddings_are_looked_for(monkeypatch) -> None:
    def missing() -> None:
        raise RuntimeError("CodeCarbonCallback requires codecarbon to be installed. Run `pip install codecarbon`.")

    monkeypatch.setitem(arguments.INTEGRATION_TO_CALLBACK, "codecarbon", missing)
    assert "training.report_to: 'codecarbon'; it cannot be used here (CodeCarbonCallback requires" in problems(
        report_to=["none", "codecarbon"]
    )
    assert "does not show its embeddings" in problems(nn.Linear(2, 2), neftune_noise_alpha=5.0)
    monkeypatch.setattr(arguments.shutil, "which", lambda name: None)
    assert "needs a C++ compiler" in problems(torch_compile_mode="default")


def test_a_plan_names_them_beside_other_mistakes(tiny_data, tmp_path) -> None:
    recipe = tiny_recipe(tiny_data, tmp_path / "run", training={"optim": "adamw_torch_xla", "max_steps": 4})
    recipe.training["per_device_train_batch_size"] = 1000
    found = "\n".join(make_plan(recipe).problems)
    assert "training.optim: 'adamw_torch_xla'" in found and "1000 x 1 process(es)" in found


def test_the_stable_phase_is_what_warm_up_and_decay_leave() -> None:
    assert scheduler_arguments("warmup_stable_decay", None, 200) == {"num_decay_steps": 20}
    assert scheduler_arguments("warmup_stable_decay", {"num_decay_steps": 5}, 200) == {"num_decay_steps": 5}
    assert scheduler_arguments("cosine", None, 200) is None
    training = {"lr_scheduler_type": "warmup_stable_decay", "warmup_steps": 0.5}
    assert phase_problems(training, 200) == phase_problems({"lr_scheduler_type": "cosine"}, 200) == []
    assert (
        "are not the 200 steps" in phase_problems({**training, "lr_scheduler_kwargs": {"num_decay_steps": 0.6}}, 200)[0]
    )
    stable = {**training, "lr_scheduler_kwargs": {"num_decay_steps": 50, "num_stable_steps": 60}}
    assert "100 steps of warm-up, 60 stable ones and 50 of decay" in phase_problems(stable, 200)[0]


@pytest.mark.parametrize(
    ("kind", "arguments", "told"),
    [
        ("warmup_stable_decay", {"num_decay_steps": -0.1}, "num_decay_steps must be a number of at least 0"),
        ("warmup_stable_decay", {"num_decay_steps": True}, "num_decay_steps must be a number of at least 0"),
        ("warmup_stable_decay", {"num_decay_steps": None}, "num_decay_steps must be a number of at least 0"),
        ("warmup_stable_decay", {"num_stable_steps": -5}, "num_stable_steps must be a number of at least 0"),
        ("warmup_stable_decay", {"min_lr_ratio": 2}, r"it gives 2 times training\.learning_rate, and may give from 0"),
        ("warmup_stable_decay", {"min_lr_ratio": -0.5}, r"it gives -0\.5 times training\.learning_rate"),
        ("cosine_with_min_lr", {"min_lr_rate": 1.5}, r"it gives 1\.5 times training\.learning_rate"),
        ("cosine_with_min_lr", {"min_lr": 1.0}, r"it gives 10000 times training\.learning_rate"),
    ],
)
def test_schedules_that_lead_below_nothing_or_above_the_learning_rate(kind: str, arguments: dict, told: str) -> None:
    training = {"lr_scheduler_type": kind, "lr_scheduler_kwargs": arguments, "learning_rate": 1e-4}
    (problem,) = scheduler_problems(training)
    assert problem.startswith("training.lr_scheduler_kwargs: {") and re.search(told, problem)


def test_every_schedule_stays_within_the_learning_rate_by_its_defaults() -> None:
    for kind in TYPE_TO_SCHEDULER_FUNCTION:
        training = {"lr_scheduler_type": kind.value, "learning_rate": 1e-4, "warmup_steps": 0.1}
        needs = kind.value.endswith("min_lr")
        assert scheduler_problems({**training, "lr_scheduler_kwargs": {"min_lr_rate": 0.1} if needs else None}) == []


def test_a_run_takes_warmup_stable_decay_and_noise_on_its_embeddings(tiny_data, tmp_path) -> None:
    from smart_train.run import train

    rates, losses = {}, {}
    for noise in (None, 10.0):
        recipe = tiny_recipe(
            tiny_data,
            tmp_path / f"run-{noise}",
            **MODES["lora"],
            evaluation={"before": False, "after": False},
            export={"enabled": False},
            training={
                "lr_scheduler_type": "warmup_stable_decay",
                "lr_scheduler_kwargs": {"num_decay_steps": 0.5, "decay_type": "linear"},
                "warmup_steps": 0,
                "neftune_noise_alpha": noise,
            },
        )
        run = train(recipe)
        rates, losses[noise] = logged(run, "learning_rate"), logged(run)
    assert [rates[step] for step in (1, 2, 3)] == pytest.approx([1e-3] * 3)
    assert rates[4] > rates[5] > rates[6] >= 0
    assert losses[None] != losses[10.0]


def test_a_plateau_is_one_of_the_metric(tiny_data, tmp_path) -> None:
    recipe = tiny_recipe(tiny_data, tmp_path, training={"lr_scheduler_type": "reduce_lr_on_plateau"})
    assert recipe.training["lr_scheduler_kwargs"] == {"mode": "max"}, "its own default takes the metric for a loss"
    given = {"lr_scheduler_type": "warmup_stable_decay", "lr_scheduler_kwargs": {"num_decay_steps": 3}}
    assert tiny_recipe(tiny_data, tmp_path, training=given).training["lr_scheduler_kwargs"] == {"num_decay_steps": 3}
