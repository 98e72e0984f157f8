"""`SmartTrainer`: a `transformers.Trainer` whose loss is a contrastive objective over SMART scores.

Arguments, accelerate, DeepSpeed, callbacks and reporting are the Trainer's own. What differs is the loss, the
evaluation (retrieval metrics over a held-out corpus), and checkpoints (`checkpoint_trainer.py`).
"""

from __future__ import annotations

import contextlib
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader, Dataset
from transformers import EarlyStoppingCallback, PrinterCallback, TrainingArguments
from transformers.trainer import DEFAULT_PROGRESS_CALLBACK
from transformers.trainer_utils import TrainOutput, seed_worker

from smart_train.data import GroupedBatches
from smart_train.distributed import gather_objects
from smart_train.errors import NonFiniteError, Notice, RunError, ScoreError
from smart_train.evaluation import EvaluationResult, RetrievalEvaluator
from smart_train.models.pixels import CompactCollator
from smart_train.training import state_geometry
from smart_train.training.averaging import WeightAverage, check_averaging
from smart_train.training.checkpoint_search import output_folder
from smart_train.training.checkpoint_trainer import CheckpointingTrainer
from smart_train.training.engine_caching import cached_backward
from smart_train.training.engines import (
    SHARDED,
    ZERO_STAGES,
    active_strategy,
    drop_stale_gradients,
    forget_engine,
    offloads,
)
from smart_train.training.grad_cache import HostCollator, average_gradients
from smart_train.training.interruption import OutliveTerminate, StopOnTerminate
from smart_train.training.kept_vision import trains_vision
from smart_train.training.learning_rate import scheduler_arguments
from smart_train.training.measured import save_measured, way_of_measuring
from smart_train.training.module import TrainingModule
from smart_train.training.nonfinite import NonFiniteGuard, diverged
from smart_train.training.padding import Padding
from smart_train.training.resources import evaluation_knobs, memory_advice, optimiser_knobs, training_knobs
from smart_train.training.training_log import ConsoleLogger, FlushAtCheckpoints, JsonlLogger
from smart_train.types import Example, LossOutput


class _EpochLoader(DataLoader):
    """Hands the epoch's number, which the Trainer tells its loader, on to the batches."""

    def set_epoch(self, epoch: int) -> None:
        cast(GroupedBatches, self.batch_sampler).set_epoch(epoch)


class SmartTrainer(CheckpointingTrainer):
    """Trains a `TrainingModule` on examples.

    Args:
        module: model and objective.
        args: `transformers.TrainingArguments`; `remove_unused_columns` must be False (examples have no columns).
        examples: the training rows.
        collator: examples -> batch, a `smart_train.data.PairCollator`.
        evaluator: measured whenever the Trainer evaluates; its metrics are logged as `eval_{score}_{metric}`. None:
            no evaluation.
        batches: which rows make a batch; None: the Trainer's own, rows of all kinds in random order.
        early_stopping_patience: evaluations without a better `metric_for_best_model` after which training stops.
        first_log: what the first line of the log says beside the loss.
        average_decay: an average of the weights is evaluated, saved and left in `module`, where a step counts so many
            times as much as the one after it. None: the weights as they are trained.
    """

    def __init__(
        self,
        module: TrainingModule,
        args: TrainingArguments,
        *,
        examples: Sequence[Example],
        collator: Callable[[Sequence[Example]], dict[str, Any]],
        evaluator: RetrievalEvaluator | None = None,
        batches: GroupedBatches | None = None,
        early_stopping_patience: int | None = None,
        first_log: Mapping[str, float] | None = None,
        average_decay: float | None = None,
    ) -> None:
        self.strategy = active_strategy(args)
        module.model.in_step = self.strategy in SHARDED
        module.model.in_shards = "weights" in SHARDED.get(self.strategy, ())
        self._termination, self._guard = StopOnTerminate(), NonFiniteGuard()
        # In this order: whether to save decides whether to log.
        callbacks = [self._termination, FlushAtCheckpoints(), ConsoleLogger(), JsonlLogger(output_folder(args))]
        callbacks.append(self._guard)
        if average_decay is not None:
            check_averaging(self.strategy)
            self.average = WeightAverage(module, average_decay)
            callbacks.append(self.average)
        if early_stopping_patience is not None:
            callbacks.append(EarlyStoppingCallback(early_stopping_patience))
        if args.dataloader_num_workers or args.device.type != "cpu":  # else nothing is sent anywhere
            collator = CompactCollator(collator, module.model.family.compact)
        super().__init__(
            model=module,
            args=args,
            data_collator=HostCollator(collator),
            train_dataset=examples,
            # The Trainer asks for a data set whenever it is to evaluate; ours lives in the evaluator.
            eval_dataset=evaluator.evaluation_set.queries if evaluator is not None else None,
            callbacks=callbacks,
        )
        forget_engine(args)
        # DeepSpeed copies to main memory the gradients that a step's last backward has reached. Of weights that it has
        # not, it would lose those of the step's earlier batches, and take those of the step before once more.
        offloaded = self.strategy in ZERO_STAGES and offloads(self.accelerator)
        module.model.always_sees = offloaded and trains_vision(module.model)
        if args.neftune_noise_alpha is not None:
            self._show_embeddings()
        self.remove_callback(PrinterCallback if args.disable_tqdm else DEFAULT_PROGRESS_CALLBACK)
        if module.caching is not None:
            self._check_caching()
        self.evaluator = evaluator
        self.batches = batches
        self.last_result: EvaluationResult | None = None
        self._evaluated_step: int | None = None  # of `last_result`
        self._sums: dict[str, Tensor] = defaultdict(lambda: torch.zeros((), device=args.device))
        self._counted = 0
        self._padding = Padding(module.caching)
        self._accumulating = False
        self._has_negatives = False
        self._first_log = dict(first_log or {})
        self._measured: dict[str, float] | None = None  # by `state_geometry`, at the last evaluation
        self._warned = False  # of a near collapse

    def get_train_dataloader(self) -> DataLoader:
        """The Trainer's, or one over `batches`, which know their rank; accelerate would share them out once more.

        Its workers outlive a SIGTERM or Ctrl-C to the whole job, for the step under way.
        """
        if self.batches is None:
            loader = super().get_train_dataloader()
            inner = getattr(loader, "base_dataloader", loader)  # accelerate's wrapper starts no workers of its own
            inner.worker_init_fn = OutliveTerminate(inner.worker_init_fn)
            return loader
        args = self.args
        seed = partial(seed_worker, num_workers=args.dataloader_num_workers, rank=args.process_index)
        return _EpochLoader(
            cast("Dataset[Example]", self.train_dataset),
            batch_sampler=self.batches,
            collate_fn=self.data_collator,
            num_workers=args.dataloader_num_workers,
            pin_memory=args.dataloader_pin_memory,
            persistent_workers=args.dataloader_persistent_workers,
            prefetch_factor=args.dataloader_prefetch_factor,
            worker_init_fn=OutliveTerminate(seed),
        )

    def train(  # type: ignore[override]  # as the one that it calls
        self, resume_from_checkpoint: str | None = None, *, longer: bool = False, **kwargs: Any
    ) -> TrainOutput:
        """As `CheckpointingTrainer.train`.

        Raises:
            RunError: memory ran out outside of a step's forward and backward, as where the optimiser makes its state.
        """
        knobs = partial(optimiser_knobs, self.args, self.module, averages=self.average is not None)
        with memory_advice("training, around the steps", knobs):
            return super().train(resume_from_checkpoint, longer=longer, **kwargs)

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Tensor | tuple[Tensor, LossOutput]:
        """Encode both sides, score across ranks, apply the objective."""
        step, run = self.state.global_step + 1, output_folder(self.args)
        # A replayed chunk would reach DDP's gradient reduction many times a step: see `training_step`.
        past_the_wrapper = self.module.caching is not None and self.strategy not in SHARDED
        try:
            output = (self.module if past_the_wrapper else model)(inputs)
        except ScoreError as error:
            if "NaN" not in str(error):
                raise RunError(f"step {step}: {error}") from error
            self._guard.note(step, torch.tensor(float("nan")), inputs["rows"])
            found = self._guard.stop(run, step, str(error))
            found.everywhere = False  # a query is scored by its own rank alone
            raise found from error
        self._guard.note(step, output.total.detach(), inputs["rows"])
        if not self._has_negatives:
            self._check_negatives(step, output)
        self._count(output)
        return (output.total, output) if return_outputs else output.total

    def training_step(
        self, model: torch.nn.Module, inputs: dict[str, Any], num_items_in_batch: Tensor | int | None = None
    ) -> Tensor:
        """As the Trainer's; with gradient caching, ranks average their gradients once, after the last micro-batch,
        unless an engine does it at every backward.

        Raises:
            RunError: memory ran out (with the recipe's keys that lower it), or the batch cannot be scored.
        """
        if self.strategy == "zero3" and not self._accumulating:
            drop_stale_gradients(self.deepspeed)
        self._accumulating = not self.accelerator.sync_gradients
        self.module.at(self.state.global_step / max(1, self.state.max_steps))
        self._padding.count(inputs)
        knobs = partial(training_knobs, self.args, self.module)
        with memory_advice(f"step {self.state.global_step + 1}", knobs):
            if self.module.caching is not None and self.strategy in SHARDED:
                return self._cached_step(model, inputs)
            loss = super().training_step(model, inputs, num_items_in_batch)
        if self.module.caching is not None and self.accelerator.sync_gradients:
            average_gradients(self.module.parameters())
        return loss

    def _prepare_input(self, data: Any) -> Any:
        """As the Trainer's, without waiting for what is sent from pinned memory."""
        return (
            data.to(self.args.device, non_blocking=True) if isinstance(data, Tensor) else super()._prepare_input(data)
        )

    def _cached_step(self, model: torch.nn.Module, inputs: dict[str, Any]) -> Tensor:
        model.train()
        return cached_backward(
            model,
            self.module,
            self._prepare_inputs(inputs),
            lambda batch: cast(LossOutput, self.compute_loss(model, batch, return_outputs=True)[1]),
            self._backward,
            precision=self.compute_loss_context_manager,
            share=1 / self.current_gradient_accumulation_steps,
        )

    def _backward(self, value: Tensor, last: bool) -> None:
        """Hands `value` to the engine; DeepSpeed takes its step with the last backward of the last micro-batch."""
        if self.strategy not in ZERO_STAGES:
            self.accelerator.backward(value)
        elif last:
            self.accelerator.backward(value, scale_wrt_gas=False)
        else:
            self.deepspeed.set_gradient_accumulation_boundary(is_boundary=False)
            self.deepspeed.backward(value, scale_wrt_gas=False)

    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: Any = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        """Retrieval metrics of the current weights, or of their average where one is kept, logged as
        `{prefix}_{score}_{metric}`, with what `state_geometry` measures, as `watch_{name}`.

        Raises:
            RunError: there is nothing to evaluate on, or training has diverged or collapsed.
        """
        if self.evaluator is None:
            raise RunError("training.eval_strategy asks for evaluation, but the recipe has no data.evaluation")
        with (
            self._averaged(),
            memory_advice("evaluation", partial(evaluation_knobs, self.evaluator.batch_size)),
            self._naming_divergence(),
        ):
            self._take_weights()
            self.last_result, self._evaluated_step = self.evaluator(self.module.model), self.state.global_step
            measured = state_geometry.measure(
                self.module.model, self.evaluator.evaluation_set, self.evaluator.batch_size
            )
        measured = gather_objects(measured)[0]  # one rank's, so that all judge the same number
        metrics = self.last_result.flat(f"{metric_key_prefix}_")
        self.log({**metrics, **{f"watch_{name}": value for name, value in measured.items()}})
        if self.state.global_step:
            needs, rate = self.module.objective.needs, self.args.learning_rate
            state_geometry.check(self._measured, measured, needs, self.state.global_step, rate)
            told = state_geometry.near_collapse(
                self._measured, measured, needs, self.evaluator.evaluation_set, self.state.global_step, rate
            )
            if told is not None and not self._warned and self.is_world_process_zero():
                warnings.warn(told, Notice, stacklevel=2)
            self._warned = self._warned or told is not None  # once: it may be so at every evaluation from now on
            self._measured = measured
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    @contextlib.contextmanager
    def _naming_divergence(self) -> Iterator[None]:
        """Within, vectors that are not finite are told as what training made of the weights, once it has begun: their
        files are not to blame."""
        try:
            yield
        except NonFiniteError as error:
            step = self.state.global_step
            if step == 0:
                raise
            told = diverged(output_folder(self.args), step, "the vectors of the evaluation hold NaN or infinity")
            told.from_main, told.told_by = error.from_main, error.told_by
            raise told from error

    def _keep_measured(self, checkpoint: Path) -> None:
        """`last_result`, where it is that of this step's weights."""
        result = self.last_result if self._evaluated_step == self.state.global_step else None
        if self.evaluator is not None and result is not None:
            save_measured(checkpoint, result, way_of_measuring(self.evaluator, self.module.model))

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Adds the means of the loss parts, the metrics and the shares of padding since the last log, over all
        ranks."""
        if "loss" in logs and self._counted:
            means = {name: (value / self._counted).item() for name, value in sorted(self._sums.items())}
            # A rank whose batches all came as states from the disk has no padding to tell.
            ranks = gather_objects(means | self._padding.take())
            by_name = {name: [rank[name] for rank in ranks if name in rank] for rank in ranks for name in rank}
            logs = {**logs, **{name: sum(values) / len(values) for name, values in by_name.items()}}
            logs |= self._first_log
            self._first_log = {}
            self._sums.clear()
            self._counted = 0
        super().log(logs, start_time)

    def _show_embeddings(self) -> None:
        """Gives the module what NEFTune adds its noise by. Not every module has it: under FSDP2 accelerate asks a model
        for its embeddings, and would shard them a second time."""
        if self.strategy == "fsdp2":
            raise RunError(
                "training.neftune_noise_alpha cannot be used under FSDP2, which shards the embeddings with the rest of "
                "the model; use zero3, or remove it"
            )
        self.module.__dict__["get_input_embeddings"] = cast(Any, self.module.model.backbone).get_input_embeddings

    def _check_caching(self) -> None:
        """Raises RunError where chunks that each run a backward would be misread."""
        if self.strategy in SHARDED and self.args.fp16:
            raise RunError(
                f"gradient_caching under {self.strategy} cannot take training.fp16: its loss scaling would multiply "
                "the gradients once for the loss and once more for every chunk; use training.bf16"
            )
        if self.strategy in ZERO_STAGES and offloads(self.accelerator):
            raise RunError(
                f"gradient_caching under {self.strategy} cannot take an optimiser offloaded to main memory: DeepSpeed "
                "keeps only the gradients of the last chunk's weights there; set offload_optimizer_device: none"
            )
        if self.args.torch_compile:
            raise RunError(
                "gradient_caching cannot take training.torch_compile: a chunk is encoded once without a graph and once "
                "with one, which compile to two programs, and those need not draw the same dropout; remove one of the "
                "two"
            )
        optimiser = str(getattr(self.args.optim, "value", self.args.optim))
        if "layerwise" in optimiser or "lomo" in optimiser:
            raise RunError(
                f"training.optim {optimiser} updates weights during the backward pass, while gradient_caching has "
                "chunks left to replay with the old ones; choose another optimiser"
            )

    def _check_negatives(self, step: int, output: LossOutput) -> None:
        """Raises RunError, on every rank, where no query of the first batch has a negative. Asked once: a later batch
        may be unlucky, and reading a number back at every step would wait for the device."""
        candidates = output.metrics.get("candidates")
        if candidates is not None and max(gather_objects(float(candidates))) <= 1:
            raise RunError(
                f"step {step}: no query of this batch has a negative, because its documents all count as one (the same "
                "id or the same content) or answer the same query; the loss is 0 and nothing is learned. Check the "
                "documents and their ids (smart-train validate counts the different ones); if rows differ and only "
                "this batch is unlucky, raise training.per_device_train_batch_size or set training.seed"
            )
        self._has_negatives = True

    def _count(self, output: LossOutput) -> None:
        for name, part in output.parts.items():
            self._sums[f"loss_{name}"] += part.detach()
        for name, value in output.metrics.items():
            self._sums[name] += value
        self._counted += 1

    def get_decay_parameter_names(self, model: torch.nn.Module) -> list[str]:
        """As the Trainer's, less learned temperatures: weight decay would pull them towards 1."""
        return [name for name in super().get_decay_parameter_names(model) if not name.startswith("objective.")]

    def create_scheduler(self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None) -> LRScheduler:
        """As the Trainer's, for the recipe's own forms of `lr_scheduler_kwargs`."""
        given, kind = self.args.lr_scheduler_kwargs, str(getattr(self.args.lr_scheduler_type, "value", ""))
        self.args.lr_scheduler_kwargs = scheduler_arguments(kind, cast(Any, given), num_training_steps)
        try:
            return super().create_scheduler(num_training_steps, optimizer)
        finally:
            self.args.lr_scheduler_kwargs = given
