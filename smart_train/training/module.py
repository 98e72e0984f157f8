"""What the trainer trains: the model and the objective's own parameters, under one module.

Its forward is the whole way from a batch to its loss. DistributedDataParallel looks for the parameters that a step uses
by following the graph back from what forward returns: tensors in plain containers, and no parameter used elsewhere.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, cast, overload

from safetensors.torch import load_file, save_file
from torch import nn

from smart_train.losses import Objective
from smart_train.models import SmartModel
from smart_train.models.family import Features
from smart_train.models.loading import load_weights
from smart_train.models.readout import ForwardOutput, on_device
from smart_train.models.saving import save_model
from smart_train.scoring.embeddings import Embeddings
from smart_train.training.grad_cache import GradientCaching, HostFeatures, encode_cached
from smart_train.training.step import Batch, contrastive_loss
from smart_train.types import LossOutput

OBJECTIVE_NAME = "objective.safetensors"


class TrainingModule(nn.Module):
    """`model` and `objective`; forward is the loss of a batch.

    Args:
        caching: encode each side in chunks and replay them in the backward pass; None keeps the whole batch's graph.
    """

    def __init__(self, model: SmartModel, objective: Objective, *, caching: GradientCaching | None = None) -> None:
        super().__init__()
        self.model = model
        self.objective = objective
        self.caching = caching

    @overload
    def forward(self, batch: Batch, *, encode: Literal[False] = False) -> LossOutput: ...

    @overload
    def forward(self, batch: Features, *, encode: Literal[True]) -> ForwardOutput: ...

    def forward(self, batch: Batch | Features, *, encode: bool = False) -> LossOutput | ForwardOutput:
        """What `PairCollator` returned -> the loss of its queries, with a graph. Raises as `contrastive_loss`.

        A side of the batch may be Embeddings already. With `encode`: features -> what `SmartModel.forward` makes of
        them, for engines that must see every forward at the module they wrapped.
        """
        if encode:
            return self.model(batch)
        sides: Batch = batch
        return contrastive_loss(self.objective, self._encode(sides["query"]), self._encode(sides["document"]), batch)

    def at(self, progress: float) -> None:
        """Tells an objective that changes while it trains which share of the steps is done."""
        if hasattr(self.objective, "progress"):
            self.objective.progress = progress

    def _encode(self, side: Features | HostFeatures | Embeddings) -> Embeddings:
        if isinstance(side, Embeddings):
            return side
        if self.caching is not None:
            return encode_cached(self.model, side, self.caching)
        features = side.features if isinstance(side, HostFeatures) else side
        return self.model.embed(on_device(features, self.model.device))

    @property
    def config(self) -> Any:
        """The backbone's configuration; DeepSpeed's "auto" values are read from it."""
        return self.model.config

    @property
    def _no_split_modules(self) -> list[str]:
        """Classes that FSDP2 shards as one: the backbone's layers, and the whole model, which is also called alone, to
        encode. transformers' own name for it, read by accelerate."""
        return sorted({*cast(Any, self.model.backbone)._no_split_modules, SmartModel.__name__})

    def activation_checkpointing_enable(
        self, activation_checkpointing_kwargs: dict[str, Any] | None = None, **kwargs: Any
    ) -> None:
        """Recompute the backbone's activations in the backward pass. Non-reentrant: a frozen embedding layer gives the
        reentrant form no input that requires a gradient, and it would train nothing."""
        options = {"use_reentrant": False, **(activation_checkpointing_kwargs or {})}
        cast(Any, self.model.backbone).activation_checkpointing_enable(
            activation_checkpointing_kwargs=options, **kwargs
        )

    def save(self, folder: Path) -> None:
        """Everything that training changes, in the folder layout of `SmartModel.save_pretrained`."""
        save_model(self.model, folder)
        if any(parameter.requires_grad for parameter in self.objective.parameters()):
            save_file(self.objective.state_dict(), folder / OBJECTIVE_NAME)

    def load(self, folder: Path) -> None:
        """The inverse of `save`, in place. Raises ModelError when the folder holds another model."""
        load_weights(self.model, folder)
        if (folder / OBJECTIVE_NAME).is_file():
            self.objective.load_state_dict(load_file(folder / OBJECTIVE_NAME))
