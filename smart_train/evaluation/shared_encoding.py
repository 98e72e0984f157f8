"""One encoding of all layers by several processes: each takes a share of the batches, the first gets all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from smart_train.distributed import gather_objects, is_main, rank, tensors_to_main, world_size
from smart_train.errors import SmartTrainError
from smart_train.types import ModelInput

if TYPE_CHECKING:
    from smart_train.models import SmartModel
    from smart_train.models.family import Role
    from smart_train.models.layered_states import LayeredStates


def encode_layers_together(
    model: SmartModel,
    inputs: Sequence[ModelInput],
    role: Role,
    layers: Sequence[int],
    *,
    batch_size: int = 32,
    show_progress_bar: bool | None = None,
) -> Iterator[tuple[list[int], LayeredStates]]:
    """`encode_layers`, whose batches the ranks share. Every rank must run through it: on the main one it gives all
    batches, the same ones and in the same order as in one process; on the others nothing.

    Raises:
        SmartTrainError: as `encode_layers`; what one rank raises is raised on all.
    """
    from smart_train.models.layered_states import LayeredStates, encode_layers

    show = show_progress_bar if is_main() else False
    share = (rank(), world_size())
    of_this_rank = encode_layers(
        model, inputs, role, layers, batch_size=batch_size, show_progress_bar=show, share=share
    )
    batches = -(-len(inputs) // batch_size)
    for _ in range(-(-batches // world_size())):
        places: list[int] | None = None
        tensors, failure = None, None
        try:
            batch = next(of_this_rank, None)  # none where the last round has fewer batches than ranks
            if batch is not None:
                places, tensors = batch[0], batch[1].to_tensors()
        except SmartTrainError as error:
            failure = error
        # Where one rank fails, the others would wait for its tensors.
        heads = gather_objects((failure, places, list(tensors or ())))
        _raise_first([head[0] for head in heads])
        received = tensors_to_main(None if tensors is None else list(tensors.values()))
        for (_, places, names), values in zip(heads, received, strict=False):
            if values is not None:
                yield places, LayeredStates.from_tensors(dict(zip(names, values, strict=True)))


def _raise_first(failures: Sequence[SmartTrainError | None]) -> None:
    """Raises the failure of the first rank that has one; that rank alone tells it."""
    for number, failure in enumerate(failures):
        if failure is not None:
            failure.from_main = number != rank()
            raise failure
