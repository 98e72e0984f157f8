"""What the trainer trains: the model and the objective's own parameters, under one module.

Wrapping both lets DistributedDataParallel and the optimiser see a learned temperature, and gives the wrappers one
forward per step: two separate calls of a wrapped model would each arm its gradient reduction.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import nn

from smart_train.losses import ContrastiveObjective
from smart_train.models import SmartModel
from smart_train.models.family import Features
from smart_train.models.storage import load_weights, save_model
from smart_train.types import Embeddings

OBJECTIVE_NAME = "objective.safetensors"


class TrainingModule(nn.Module):
    """`model` and `objective`; forward encodes both sides of a batch."""

    def __init__(self, model: SmartModel, objective: ContrastiveObjective) -> None:
        super().__init__()
        self.model = model
        self.objective = objective

    def forward(self, query: Features, document: Features) -> tuple[Embeddings, Embeddings]:
        """Features of the queries and of the documents -> their Embeddings, with a graph."""
        return self.model(query), self.model(document)

    @property
    def config(self) -> Any:
        """The backbone's configuration; DeepSpeed's "auto" values are read from it."""
        return self.model.config

    def activation_checkpointing_enable(self, activation_checkpointing_kwargs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        """Recompute the backbone's activations in the backward pass. Non-reentrant: a frozen embedding layer gives the
        reentrant form no input that requires a gradient, and it would train nothing."""
        chosen = {"use_reentrant": False, **(activation_checkpointing_kwargs or {})}
        self.model.backbone.activation_checkpointing_enable(activation_checkpointing_kwargs=chosen, **kwargs)

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
