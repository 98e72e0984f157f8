"""Many inputs through a model without a graph: pages are decoded by workers while the model runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import torch
from torch.utils.data import DataLoader, Dataset
from tqdm.auto import tqdm

from smart_train.errors import DataError, ModelError, NonFiniteError, SmartTrainError, shown
from smart_train.inputs.model_input import as_model_input
from smart_train.models.family import Family, Features, Role
from smart_train.models.readout import on_device
from smart_train.models.stored_states import StateSource
from smart_train.scoring.collecting import Collector
from smart_train.scoring.embeddings import Embeddings
from smart_train.types import ModelInput
from smart_train.utils.cpu import local_processes, usable_cores
from smart_train.utils.lost_workers import naming_lost_workers

if TYPE_CHECKING:
    from smart_train.models.smart_model import SmartModel

_PLURAL = {"query": "queries", "document": "documents"}
_FEWER_WORKERS = (
    "use fewer of them (num_workers, --workers; in a recipe evaluation.num_workers and "
    "training.dataloader_num_workers; 0 loads in the main process)"
)
_MOST_WORKERS = 8  # by computation, one H100 encodes what four to six cores decode


def suitable_workers(items: Sequence[ModelInput], batches: int, device: torch.device) -> int:
    """How many processes should decode `items` ahead of a model on `device`: none where the model itself needs the
    cores, where there is nothing to decode, or where there is a single batch."""
    if device.type == "cpu" or batches < 2 or not any(item.images or item.video is not None for item in items):
        return 0
    return max(0, min(_MOST_WORKERS, batches, usable_cores() // local_processes() - 1))


def _model_inputs(inputs: Any, role: Role) -> list[ModelInput]:
    items = [as_model_input(item) for item in (inputs if isinstance(inputs, (list, tuple)) else [inputs])]
    if not items:
        raise ModelError(f"encode_{role}: nothing to encode")
    return items


def encoded(
    model: SmartModel,
    inputs: Any,
    role: Role,
    batch_size: int,
    show_progress_bar: bool | None,
    num_workers: int | None,
) -> Embeddings:
    """All of `inputs` at once; arguments and errors as of `encoded_parts`."""
    (embeddings,) = encoded_parts(
        model,
        inputs,
        role,
        size=None,
        batch_size=batch_size,
        show_progress_bar=show_progress_bar,
        num_workers=num_workers,
    )
    return embeddings


@torch.no_grad()
def encoded_parts(
    model: SmartModel,
    inputs: Any,
    role: Role,
    *,
    size: int | None,
    batch_size: int,
    show_progress_bar: bool | None,
    num_workers: int | None,
    read: Callable[[Features], Embeddings] | None = None,
) -> Iterator[Embeddings]:
    """`inputs` encoded, `size` at a time, fp32 on the CPU, in order. One loader serves all parts: its workers go on
    while a part is put together and used.

    Args:
        inputs: one or many, as `SmartModel.encode_query` takes them. size: None is all of them.
        num_workers: None is `suitable_workers`.
        read: a forward, on the model's device; None is `model.embed`, of states that the model knows where it knows
            those of a whole batch.

    Raises:
        ModelError: nothing to encode, or a number of inputs below 1. NonFiniteError: the model gives NaN. DataError: an
            input cannot be read. RunError: a worker is gone.
    """
    for name, count in (("batch_size", batch_size), ("size", 1 if size is None else size)):
        # With -1 nothing would be encoded, silently.
        if not isinstance(count, Integral) or count < 1:
            raise ModelError(f"encode_{role}: {name} is {shown(count)}; it must be a whole number of at least 1")
    if num_workers is not None and num_workers < 0:
        raise ModelError(f"encode_{role}: num_workers is {num_workers}; 0 decodes in this process, None chooses")
    items = _model_inputs(inputs, role)
    size = len(items) if size is None else size
    orders = [_long_first(items, range(at, min(at + size, len(items)))) for at in range(0, len(items), size)]
    batches = [order[at : at + batch_size] for order in orders for at in range(0, len(order), batch_size)]
    workers = suitable_workers(items, len(batches), model.device) if num_workers is None else num_workers
    loader: DataLoader[Any] = DataLoader(
        cast("Dataset[ModelInput]", items),
        batch_sampler=batches,
        # Nothing is sent anywhere where this process does all the work.
        collate_fn=_Featurize(
            model.family,
            role,
            compact=workers > 0 or model.device.type != "cpu",
            known_states=None if read is not None else _Known.of(model),
        ),
        num_workers=workers,
        pin_memory=workers > 0 and model.device.type == "cuda",
        # A loader draws its workers' seed, also when it has none: from the global generator, an evaluation in the
        # middle of a run would change the dropout of all steps behind it.
        generator=torch.Generator(),
    )
    show = len(batches) >= 10 if show_progress_bar is None else show_progress_bar
    training = model.training
    model.eval()
    try:
        with naming_lost_workers(_FEWER_WORKERS):
            features = iter(tqdm(loader, desc=f"Encoding {_PLURAL[role]}", disable=not show))
            for start, order in zip(range(0, len(items), size), orders, strict=True):
                collected = Collector()
                for _ in range(0, len(order), batch_size):
                    made = (read or model.embed)(on_device(_made(next(features)), model.device))
                    collected.add(_finite(made, model.base))
                yield collected.placed([item - start for item in order])
    finally:
        model.train(training)


def _long_first(items: Sequence[ModelInput], places: range) -> list[int]:
    """Long inputs first: little padding within a batch, and memory runs out at once or never."""
    return sorted(places, key=lambda i: (items[i].video is None, -len(items[i].images), -len(items[i].text or ""), i))


def _made(features: Features | SmartTrainError) -> Features:
    if isinstance(features, SmartTrainError):
        raise features
    return features


class _Known(NamedTuple):
    """Where states of a model are known from, which of its layers are read, and whether an input that is not known may
    be encoded: in a forward in which ranks wait for each other, they would wait for those that know theirs."""

    source: StateSource
    layers: tuple[int, ...]
    encodes_others: bool

    @classmethod
    def of(cls, model: SmartModel) -> _Known | None:
        source = model.known_states
        if source is None or not source.serves(model):
            return None
        return cls(source, model.token_layers, encodes_others=not model.in_step)


class _Featurize:
    """`family.featurize` bound to a role, in a form that worker processes can unpickle. What is wrong with an input is
    handed over instead of raised: a loader would put a worker's traceback around it."""

    def __init__(self, family: Family, role: Role, *, compact: bool, known_states: _Known | None) -> None:
        self.family, self.role, self.compact, self.known_states = family, role, compact, known_states

    def __call__(self, items: Sequence[ModelInput]) -> Features | SmartTrainError:
        try:
            if self.known_states is not None:
                stored = self.known_states.source.features(items, self.role, self.known_states.layers)
                if stored is not None:
                    return stored
                if not self.known_states.encodes_others:
                    raise DataError(
                        f"a {self.role} has changed since its states were encoded, at the start of the run; start the "
                        "run again, which encodes it"
                    )
            features = self.family.featurize(items, self.role)
            return self.family.compact(features) if self.compact else features
        except SmartTrainError as error:
            return error


def _finite(made: Embeddings, base: str | None) -> Embeddings:
    """`made`. Raises NonFiniteError where it holds NaN, which would rank without an error."""
    if not bool(made.pooled.isfinite().all()) or not bool(made.packed.isfinite().all()):
        raise NonFiniteError(
            f"the model{f' from {base}' if base else ''} gives vectors that hold NaN: its weights are damaged, or its "
            "dtype cannot hold its values; fetch it again, or load it as float32"
        )
    return made
