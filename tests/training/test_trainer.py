"""What `SmartTrainer` adds to the Trainer, seen on its own."""

from __future__ import annotations

import json
import os
import resource
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from smart_train.data import PairCollator
from smart_train.errors import Interrupted, NonFiniteError, RunError
from smart_train.training import GradientCaching, SmartTrainer, find_checkpoint
from smart_train.training.checkpoint_search import drop_superseded, has_ended
from smart_train.training.interruption import SIGNALS
from smart_train.training.resources import optimiser_knobs, training_knobs
from smart_train.training.training_log import LOG_NAME, read_log
from tests.training.batches import SMALL_RUN, example, tiny, training_module


def trainer(folder: Path, *, learn: bool = False, **options: Any) -> SmartTrainer:
    args = TrainingArguments(
        output_dir=str(folder),
        logging_steps=2,
        **{**SMALL_RUN, "save_strategy": "no", "max_steps": 2, **options},
    )
    module = training_module(tiny("lora"), "joint", learn_temperature=learn)
    rows = [example(index) for index in range(6)]
    return SmartTrainer(module, args, examples=rows, collator=PairCollator(module.model.family))


def test_weight_decay_leaves_a_learned_temperature_alone(tmp_path: Path) -> None:
    made = trainer(tmp_path, learn=True, weight_decay=0.1)
    made.create_optimizer()
    decayed, kept = ([id(weight) for weight in group["params"]] for group in made.optimizer.param_groups)
    assert [group["weight_decay"] for group in made.optimizer.param_groups] == [0.1, 0.0]
    scales = {id(scale) for scale in made.module.objective.parameters()}
    assert scales and scales <= set(kept) and not scales & set(decayed) and decayed


def test_a_rank_without_padding_to_tell_leaves_it_to_the_others(tmp_path: Path, monkeypatch: Any) -> None:
    """Its batches came as states from the disk. It tells the same loss here, ten times as large."""
    made, logged = trainer(tmp_path), []

    def two_ranks(own: dict[str, float]) -> list[dict[str, float]]:
        return [{name: 10 * value for name, value in own.items() if not name.startswith("padding_")}, own]

    monkeypatch.setattr("smart_train.training.trainer.gather_objects", two_ranks)
    monkeypatch.setattr("transformers.Trainer.log", lambda self, logs, start_time=None: logged.append(logs))
    made._sums["loss_late"] += 3.0
    made._counted = 2
    made._padding._tokens["document"], made._padding._positions["document"] = 6, 8
    made.log({"loss": 1.0})
    assert logged == [{"loss": 1.0, "loss_late": 8.25, "padding_document": 0.25}]


def test_logged_parts_are_means_over_the_steps_since_the_last_log(tmp_path: Path) -> None:
    made = trainer(tmp_path)
    seen: list[float] = []
    count = made._count

    def spy(output: Any) -> None:
        seen.append(output.parts["late"].item())
        count(output)

    made._count = spy
    made.train()
    (record,) = [record for record in read_log(tmp_path / LOG_NAME) if "loss" in record]
    assert len(seen) == 2 and record["loss_late"] == pytest.approx(sum(seen) / 2)
    assert record["loss"] == pytest.approx(record["loss_late"] + record["loss_pooled"], abs=1e-5)


@pytest.mark.parametrize("equal", ["document_ids", "documents"])
def test_a_run_whose_documents_all_count_as_one_stops_at_its_first_step(tmp_path: Path, equal: str) -> None:
    """By their ids, or by their content under different ids."""
    made = trainer(tmp_path)
    first = example(0)
    made.train_dataset = [replace(example(index), **{equal: getattr(first, equal)}) for index in range(6)]
    with pytest.raises(RunError, match="step 1: no query of this batch has a negative, because its documents all"):
        made.train()
    assert read_log(tmp_path / LOG_NAME) == []


def test_evaluation_without_held_out_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"training\.eval_strategy asks for evaluation, but the recipe has no data\."):
        trainer(tmp_path).evaluate()


def test_a_checkpoint_holds_what_is_trained_and_its_manifest(tmp_path: Path) -> None:
    made = trainer(tmp_path, learn=True, save_strategy="steps", save_steps=1, save_total_limit=1)
    made.train()
    (folder,) = tmp_path.glob("checkpoint-*")
    names = {path.name for path in folder.iterdir()}
    assert folder.name == "checkpoint-2" and "model.safetensors" not in names
    assert names >= {"adapter_model.safetensors", "objective.safetensors", "optimizer.pt", "manifest.json"}
    other = trainer(tmp_path, learn=True)
    other.module.load(folder)
    for name, parameter in made.module.named_parameters():
        if parameter.requires_grad:
            torch.testing.assert_close(other.module.get_parameter(name), parameter, rtol=0, atol=0)


def test_scores_that_are_lost_name_the_step_and_the_remedy(tmp_path: Path) -> None:
    made = trainer(tmp_path)
    with torch.no_grad():
        next(p for p in made.module.parameters() if p.requires_grad).fill_(float("nan"))
    with pytest.raises(RunError, match=r"step 1: .* is NaN or infinite\. The rows .*Lower training\.learning_rate"):
        made.train()
    (batch,) = json.loads((tmp_path / "bad_batch" / "rank-0.json").read_text())["batches"]
    assert batch["step"] == 1 and batch["loss"] == "nan" and len(batch["rows"]) == 3


def test_memory_that_runs_out_names_the_keys_that_lower_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = trainer(tmp_path)

    def refuse(*_: Any) -> None:
        torch.empty(1 << 60)  # what a batch too large meets, from torch itself

    monkeypatch.setattr(made.module, "forward", refuse)
    with pytest.raises(RunError, match=r"step 1: out of memory \(.*DefaultCPUAllocator") as caught:
        made.train()
    for knob in ("gradient_caching.mini_batch_size=1", "training.per_device_train_batch_size=1 (is 3)"):
        assert f"\n  - {knob}" in str(caught.value)


class Refuse(TrainerCallback):
    """Memory runs out where the optimiser takes its step."""

    def on_pre_optimizer_step(self, *_: Any, **__: Any) -> None:
        torch.empty(1 << 60)


def test_memory_that_runs_out_in_the_optimisers_step_names_what_lowers_that(tmp_path: Path) -> None:
    made = trainer(tmp_path)
    made.add_callback(Refuse())
    told = (
        r"training, around the steps: out of memory \(.*DefaultCPUAllocator.*\n  - gradient_caching\.mini_batch_size=1"
    )
    with pytest.raises(RunError, match=told):
        made.train()


@pytest.mark.parametrize(
    ("mode", "optimiser", "ranks", "expected"),
    [
        ("full", "adamw_torch", 2, ("training.optim=adamw_bnb_8bit (is adamw_torch)", "zero2", "lora instead")),
        ("lora", "adamw_torch_fused", 1, ("training.optim=adamw_bnb_8bit",)),
        ("projection", "adamw_bnb_8bit", 1, ()),
        ("lora", "sgd", 1, ()),
    ],
)
def test_keys_that_lower_the_optimisers_memory(mode: str, optimiser: str, ranks: int, expected: tuple) -> None:
    args: Any = SimpleNamespace(
        optim=optimiser, world_size=ranks, device=torch.device("cuda"), deepspeed=None, fsdp=None
    )
    args.per_device_train_batch_size, args.activation_checkpointing = 8, False
    module = training_module(tiny(mode), "late")
    of_step = training_knobs(args, module)
    said = optimiser_knobs(args, module)
    assert said[len(said) - len(of_step) :] == of_step
    first = said[: len(said) - len(of_step)]
    assert len(first) == len(expected) and all(part in line for part, line in zip(expected, first, strict=True))


def test_a_checkpoint_that_cannot_be_written_ends_the_run_by_name(tmp_path: Path) -> None:
    """A limit on the size of files is what can be had of a full disk without being root."""
    made = trainer(tmp_path, save_strategy="steps", save_steps=1)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2048, limits[1]))
    try:
        with pytest.raises(RunError, match=r"checkpoint-1 could not be written: .*\. Free space there"):
            made.train()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    found = find_checkpoint(tmp_path)
    assert found.newest is None and [path.name for path in found.broken] == ["checkpoint-1"]


class Kill(TrainerCallback):
    def __init__(self, number: signal.Signals, times: int = 1, at: int = 1) -> None:
        self.number, self.times, self.at = number, times, at

    def on_step_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        for _time in range(self.times if state.global_step + 1 == self.at else 0):
            os.kill(os.getpid(), self.number)


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """SIGINT as programs on a terminal have it; below a shell's background job it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_training_with_the_step_saved(
    tmp_path: Path, number: signal.Signals, status: int, capfd: pytest.CaptureFixture[str]
) -> None:
    made = trainer(tmp_path, save_strategy="no")
    before = [signal.getsignal(each) for each in SIGNALS]
    made.add_callback(Kill(number))
    told = rf"stopped by {number.name} after step 1 of 2; checkpoint-1 in .* is complete"
    with pytest.raises(Interrupted, match=told) as stopped:
        made.train()
    assert stopped.value.status == status
    assert find_checkpoint(tmp_path).newest == tmp_path / "checkpoint-1"
    assert [signal.getsignal(each) for each in SIGNALS] == before
    assert ("Ctrl-C again stops at once" in capfd.readouterr().err) is (number == signal.SIGINT)


@pytest.mark.parametrize("at", [1, 2, 3, 4])
@pytest.mark.parametrize("saved", ["epoch", "steps", "no"])
def test_a_run_that_a_signal_stopped_has_not_ended(tmp_path: Path, saved: str, at: int) -> None:
    """Within an epoch and at its end, where the Trainer saves once more: two steps make one."""
    options: dict[str, Any] = {"save_strategy": saved, "save_steps": 1, "max_steps": 6}
    made = trainer(tmp_path, **options)
    made.add_callback(Kill(signal.SIGTERM, at=at))
    with pytest.raises(Interrupted, match=f"after step {at} of 6"):
        made.train()
    newest = find_checkpoint(tmp_path).newest
    assert newest == tmp_path / f"checkpoint-{at}" and not has_ended(newest)
    again = trainer(tmp_path, **options)
    again.train(str(newest))
    assert again.state.global_step == 6


class Best(TrainerCallback):
    """What the Trainer notes after an evaluation; these modules have none."""

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if state.global_step == 1:
            state.best_model_checkpoint = str(Path(str(args.output_dir), "checkpoint-1"))


def test_the_step_saved_for_a_signal_outlives_the_end_of_training(tmp_path: Path) -> None:
    """With a limit of 1, transformers deletes all but the best where its training ends, and a signal ends it."""
    made = trainer(tmp_path, save_strategy="steps", save_steps=1, save_total_limit=1, max_steps=5)
    made.add_callback(Best())
    made.add_callback(Kill(signal.SIGTERM, at=3))
    with pytest.raises(Interrupted, match=r"after step 3 of 5; checkpoint-3 in .* is complete"):
        made.train()
    assert find_checkpoint(tmp_path).newest == tmp_path / "checkpoint-3"
    assert sorted(path.name for path in tmp_path.glob("checkpoint-*")) == ["checkpoint-1", "checkpoint-3"]
    assert made.args.save_total_limit == 1


def test_what_is_said_after_a_signal_is_what_lies_in_the_folder(tmp_path: Path) -> None:
    made = trainer(tmp_path, save_strategy="steps", save_steps=1, max_steps=5)
    made.add_callback(Kill(signal.SIGTERM, at=2))

    class Spoil(TrainerCallback):
        def on_train_end(self, *_: Any, **__: Any) -> None:
            (tmp_path / "checkpoint-2" / "optimizer.pt").unlink()

    made.add_callback(Spoil())
    told = r"checkpoint-2 in .* cannot be used \(optimizer.pt is missing\), and .* continues from checkpoint-1"
    with pytest.raises(Interrupted, match=told):
        made.train()


def test_an_ordinary_end_keeps_the_last_checkpoint_until_the_trained_model_is_whole(tmp_path: Path) -> None:
    made = trainer(tmp_path, save_strategy="steps", save_steps=1, save_total_limit=1, max_steps=3)
    made.add_callback(Best())
    made.train()
    assert sorted(path.name for path in tmp_path.glob("checkpoint-*")) == ["checkpoint-1", "checkpoint-3"]
    drop_superseded(tmp_path, made.state.best_model_checkpoint, 2)
    assert len(list(tmp_path.glob("checkpoint-*"))) == 2
    drop_superseded(tmp_path, made.state.best_model_checkpoint, made.args.save_total_limit)
    assert [path.name for path in tmp_path.glob("checkpoint-*")] == ["checkpoint-1"]


@pytest.mark.usefixtures("ctrl_c")
def test_a_second_ctrl_c_stops_at_once(tmp_path: Path) -> None:
    made = trainer(tmp_path, save_strategy="no")
    before = signal.getsignal(signal.SIGINT)
    made.add_callback(Kill(signal.SIGINT, times=2))
    with pytest.raises(KeyboardInterrupt):
        made.train()
    assert signal.getsignal(signal.SIGINT) is before and find_checkpoint(tmp_path).newest is None


def test_a_signal_that_is_ignored_stays_so(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # what a shell does for its background jobs
    try:
        made = trainer(tmp_path, save_strategy="no")
        made.add_callback(Kill(signal.SIGINT))
        assert made.train().global_step == 2 and signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(
    ("mode", "options", "absent"),
    [
        ("lora", {}, ()),
        ("full", {}, ("model.quantization",)),
        ("lora", {"activation_checkpointing": True}, ("training.gradient_checkpointing",)),
        ("projection", {}, ("training.gradient_checkpointing",)),
    ],
)
def test_only_keys_that_the_run_can_turn_are_named(mode: str, options: dict, absent: tuple, tmp_path: Path) -> None:
    args = TrainingArguments(output_dir=str(tmp_path), use_cpu=True, report_to="none", **options)
    said = "\n".join(training_knobs(args, training_module(tiny(mode), "late")))
    for key in ("gradient_caching.mini_batch_size", "training.gradient_checkpointing", "model.quantization"):
        assert (key in said) == (key not in absent)
    for keep in ("auto", 0.5, "off"):
        caching = GradientCaching(8, keep_vision=keep)
        said = "\n".join(training_knobs(args, training_module(tiny(mode), "late", caching=caching)))
        assert "gradient_caching.mini_batch_size=4 (is 8)" in said
        assert ("gradient_caching.keep_vision=off: the same loss" in said) == (keep != "off")


def test_vectors_that_training_made_nan_are_not_laid_to_the_models_files(tmp_path: Path) -> None:
    made = trainer(tmp_path)

    def nan(model: Any) -> Any:
        raise NonFiniteError("the model from X gives vectors that hold NaN: its weights are damaged; fetch it again")

    nan.batch_size = 4
    made.evaluator = nan
    with pytest.raises(NonFiniteError, match="fetch it again"):
        made.evaluate()
    made.state.global_step = 3
    told = "^step 3: the vectors of the evaluation hold NaN or infinity. Lower training.learning_rate or raise the"
    with pytest.raises(RunError, match=told) as caught:
        made.evaluate()
    assert "fetch" not in str(caught.value) and not caught.value.from_main
