"""A `transformers.Trainer` whose checkpoints hold only what training changes, and count only when they are whole."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, cast

import torch
from accelerate.utils import save_fsdp_optimizer
from torch.utils.data import DataLoader
from transformers import Trainer
from transformers.trainer import SCHEDULER_NAME
from transformers.trainer_callback import TrainerState
from transformers.trainer_utils import TrainOutput, rotate_checkpoints

from smart_train.distributed import barrier
from smart_train.errors import Interrupted, RunError
from smart_train.losses import ContrastiveObjective
from smart_train.training.averaging import WeightAverage
from smart_train.training.checkpoint_search import (
    STATE_NAME,
    best_of,
    has_ended,
    left_by_signal,
    naming_damage,
    output_folder,
)
from smart_train.training.engines import ZERO_STAGES, check_engine, forget_engine, naming_contradictions, whole
from smart_train.training.interruption import StopOnTerminate
from smart_train.training.module import TrainingModule
from smart_train.training.resources import saving
from smart_train.training.training_log import LOG_NAME
from smart_train.training.unpickling import without_code
from smart_train.training.zero_resharding import load_resharded, saved_processes
from smart_train.utils.atomic import sync
from smart_train.utils.manifest import write_manifest


class CheckpointingTrainer(Trainer):
    """Saves, resumes and ends a run of a `TrainingModule`, under every engine.

    Attributes:
        strategy: the engine that spreads the run; who inherits sets it before the Trainer is made.
    """

    strategy: str
    deepspeed: Any  # the Trainer puts DeepSpeed's engine here
    _termination: StopOnTerminate  # who inherits makes it, among the callbacks
    _save_limit: int | None = None  # training.save_total_limit, while `train` hides it
    average: WeightAverage | None = None  # of the weights; who inherits makes it, among the callbacks
    _longer: bool = False  # whether `train` goes on past the end of a shorter schedule

    @property
    def module(self) -> TrainingModule:
        return self.accelerator.unwrap_model(self.model)

    @contextmanager
    def whole(self, *, write_back: bool = False) -> Iterator[None]:
        """Within, what training changes lies whole on the main rank (with `write_back`: on every rank, and changes go
        back into the shards). Every rank must enter."""
        with whole(self.module, frozen=self.module.model.owns_backbone, write_back=write_back):
            yield

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """Within, the module has the average of its weights, where one is kept. Every rank must enter."""
        with self.average.in_place() if self.average is not None else nullcontext():
            yield

    def _take_weights(self) -> None:
        """Gives the model the weights of the two scores that the objective has learned, so that it is measured and
        saved with them. Every rank must call it."""
        objective = self.module.objective
        if isinstance(objective, ContrastiveObjective) and objective.learn_weights:
            with whole(objective, frozen=False, write_back=True):
                self.module.model.family.scoring = objective.learned_scoring

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """What training changes, or its average, in the folder layout of `SmartModel.save_pretrained`. Every rank must
        call it."""
        with self._averaged():
            self._take_weights()
            with self.whole():
                if self.args.should_save:
                    self.module.save(Path(output_dir or output_folder(self.args)))

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        """As the Trainer's, less weights that do not change, which it only leaves out of a bare PeftModel; with what an
        average goes on from."""
        if self.average is not None and self.args.should_save:
            self.average.save(Path(output_dir))
        if self.strategy in ZERO_STAGES:
            self.deepspeed.save_checkpoint(output_dir, exclude_frozen_parameters=True)
        elif self.strategy == "fsdp2":
            save_fsdp_optimizer(
                self.accelerator.state.fsdp_plugin, self.accelerator, self.optimizer, self.model, output_dir
            )
        else:
            super()._save_optimizer_and_scheduler(output_dir)
            return
        if self.args.should_save:
            torch.save(cast(Any, self.lr_scheduler).state_dict(), Path(output_dir, SCHEDULER_NAME))

    def _prepare_for_training(
        self, max_steps: int, train_dataloader: DataLoader, resume_from_checkpoint: str | None
    ) -> tuple[torch.nn.Module, DataLoader]:
        """As the Trainer's, then a look at whether the engine asked for has the model. ZeRO's own state is loaded here:
        the Trainer would miss the frozen weights in it."""
        by_zero = self.strategy in ZERO_STAGES
        with naming_contradictions():
            prepared = super()._prepare_for_training(
                max_steps, train_dataloader, None if by_zero else resume_from_checkpoint
            )
        forget_engine(self.args)
        check_engine(self.accelerator, self.model_wrapped, self.strategy)
        if by_zero and resume_from_checkpoint is not None:
            self._load_state_of_zero(Path(resume_from_checkpoint))
            self._load_optimizer_and_scheduler(resume_from_checkpoint)
        return prepared

    def _load_state_of_zero(self, checkpoint: Path) -> None:
        processes = saved_processes(checkpoint)
        if processes == 0:
            raise RunError(f"{checkpoint}: it does not hold a state of DeepSpeed")
        with naming_damage(str(checkpoint)), without_code(self.strategy):
            if processes == self.args.world_size:
                self.deepspeed.load_checkpoint(str(checkpoint), load_module_strict=False)
            else:
                load_resharded(self.deepspeed, checkpoint)

    def _save_checkpoint(self, model: torch.nn.Module, trial: Any) -> None:
        """As the Trainer's, then a manifest, and only then the rotation: an older checkpoint is never deleted before
        the newer one is whole."""
        run = output_folder(self.args)
        with saving(run / f"checkpoint-{self.state.global_step}", run), self._termination.unnoticed(self.control):
            super()._save_checkpoint(model, trial)
        barrier()
        if self.args.should_save:
            with saving(run / f"checkpoint-{self.state.global_step}", run):
                self._keep_measured(run / f"checkpoint-{self.state.global_step}")
                sync(run / LOG_NAME)  # what a checkpoint continues, its log included, is on the disk before it counts
                write_manifest(run / f"checkpoint-{self.state.global_step}")
            rotate_checkpoints(
                output_dir=str(self.args.output_dir),
                save_total_limit=self._save_limit,
                best_model_checkpoint=self.state.best_model_checkpoint,
                use_mtime=False,
            )
        barrier()

    def _keep_measured(self, checkpoint: Path) -> None:
        """Puts into `checkpoint` what the evaluation of its weights said; who inherits and evaluates does so."""

    @contextmanager
    def _deleting_none(self) -> Iterator[None]:
        """Within, the Trainer knows no limit on checkpoints. It would delete one before the next is whole, and, with a
        limit of 1, all but the best where it ends: also the one that a signal asked for, from which the run goes on."""
        self._save_limit, self.args.save_total_limit = self.args.save_total_limit, None
        try:
            yield
        finally:
            self.args.save_total_limit = self._save_limit

    def train(  # type: ignore[override]  # which checkpoint is whole is not left to the Trainer to guess from a bool
        self, resume_from_checkpoint: str | None = None, *, longer: bool = False, **kwargs: Any
    ) -> TrainOutput:
        """As the Trainer's, but a checkpoint written after the last step is only loaded (the best one's weights, where
        the best is kept): the Trainer would take one step more from it.

        Args:
            longer: the run has become longer since that checkpoint was written after its last step, and goes on from
                it, at the learning rate that the longer schedule has there.

        Raises:
            Interrupted: SIGTERM or Ctrl-C came; the step under way was finished and saved.
        """
        self._longer = longer
        if longer or resume_from_checkpoint is None or not has_ended(Path(resume_from_checkpoint)):
            try:
                with self._deleting_none():
                    output = super().train(resume_from_checkpoint, **kwargs)
            finally:
                self._termination.restore()
            if self.average is not None:
                has_best = self.args.load_best_model_at_end and self.state.best_model_checkpoint is not None
                self.average.end(keep=not has_best)
            self._take_weights()
            stopped = self._termination.stopped
            if stopped is not None and stopped < self.state.max_steps:
                heard = self._termination.signal
                raise Interrupted(
                    f"stopped by {heard.name} after step {stopped} of {self.state.max_steps}; "
                    f"{left_by_signal(output_folder(self.args), stopped)}",
                    status=128 + heard,
                )
            return output
        self.state = TrainerState.load_from_json(str(Path(resume_from_checkpoint, STATE_NAME)))
        best = best_of(Path(resume_from_checkpoint)) if self.args.load_best_model_at_end else None
        with naming_damage(str(best or resume_from_checkpoint)):
            self.module.load(best or Path(resume_from_checkpoint))
        self._take_weights()
        return TrainOutput(self.state.global_step, float("nan"), {})

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: torch.nn.Module | None = None) -> None:
        with naming_damage(resume_from_checkpoint), self.whole(write_back=True):
            self.module.load(Path(resume_from_checkpoint))

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        with naming_damage(checkpoint), without_code(self.strategy):
            super()._load_optimizer_and_scheduler(checkpoint)
            if checkpoint is not None and self.average is not None:
                self.average.load(Path(checkpoint))
        if self._longer:
            self._follow_schedule()

    def _follow_schedule(self) -> None:
        """Gives the optimiser the learning rate of this run's schedule where it stands. What was loaded is the rate at
        which a shorter schedule ended, and the next step would be taken at that."""
        wrapped = cast(Any, self.lr_scheduler)
        scheduler = getattr(wrapped, "scheduler", wrapped)  # accelerate and DeepSpeed wrap it
        factors = getattr(scheduler, "lr_lambdas", None)
        if factors is None:  # it follows the evaluations
            return
        rates = [rate * factor(scheduler.last_epoch) for rate, factor in zip(scheduler.base_lrs, factors, strict=True)]
        for group, rate in zip(scheduler.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
        scheduler._last_lr = rates  # what the log says of the step

    def _load_rng_state(self, checkpoint: str | None) -> None:
        with naming_damage(checkpoint):
            super()._load_rng_state(checkpoint)

    def _load_best_model(self) -> None:
        best = self.state.best_model_checkpoint
        assert best is not None, "the Trainer asks only where there is one"
        self._load_from_checkpoint(best)
