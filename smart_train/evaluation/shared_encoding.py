"""One encoding of all layers by several processes: each takes a share of the batches, the first gets all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from smart_train.distributed import gather_objects, is_main, rank, tensors_to_main, world_size
from smart_train.distributed.stages import message_for_other_ranks
from smart_train.errors import RunError, SmartTrainError
from smart_train.types import ModelInput

T = TypeVar("T")

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
    take: Callable[[LayeredStates], LayeredStates],
    batch_size: int = 32,
    show_progress_bar: bool | None = None,
) -> list[tuple[list[int], LayeredStates]]:
    """`encode_layers`, whose batches the ranks share. Every rank must call it: on the main one it gives all batches,
    the same ones and in the same order as in one process; on the others nothing.

    Args:
        take: what the main rank does with each batch as it comes, such as to write it to a file.

    Raises:
        SmartTrainError: as `encode_layers`, or as `take`; what one rank raises is raised on all.
        RunError: on the other ranks, where one fails otherwise.
    """
    from smart_train.models.layered_states import LayeredStates, encode_layers

    show = show_progress_bar if is_main() else False
    share = (rank(), world_size())
    of_this_rank = encode_layers(
        model, inputs, role, layers, batch_size=batch_size, show_progress_bar=show, share=share
    )
    batches = -(-len(inputs) // batch_size)
    taken: list[tuple[list[int], LayeredStates]] = []
    failure: Exception | None = None
    for _ in range(-(-batches // world_size())):
        places: list[int] | None = None
        tensors = None
        if failure is None:
            try:
                batch = next(of_this_rank, None)  # none where the last round has fewer batches than ranks
                if batch is not None:
                    places, tensors = batch[0], batch[1].to_tensors()
            except Exception as error:
                failure = error
        # Where one rank fails, the others would wait for its tensors, or for it to take theirs.
        heads = gather_objects((_handed_on(failure), places, list(tensors or ())))
        _raise_first([head[0] for head in heads], failure)
        received = tensors_to_main(None if tensors is None else list(tensors.values()))
        try:
            for (_, places, names), values in zip(heads, received, strict=False):
                if values is not None:
                    taken.append((places, take(LayeredStates.from_tensors(dict(zip(names, values, strict=True))))))
        except Exception as error:
            failure = error
    raise_on_all(failure)
    return taken


def raise_on_all(failure: Exception | None) -> None:
    """Raises what failed on any rank on all of them; every rank must call it with its own failure, or None.

    Raises:
        SmartTrainError: this rank's, or that of the first rank which has one. RunError: another rank failed otherwise.
    """
    _raise_first(gather_objects(_handed_on(failure)), failure)


def done_on_all(work: Callable[[], T]) -> T:
    """What `work` gives on this rank. What it raises on one rank is raised on all, which would otherwise wait for it.

    Raises: as `raise_on_all`.
    """
    values: list[T] = []
    failure: Exception | None = None
    try:
        values.append(work())
    except Exception as error:
        failure = error
    raise_on_all(failure)
    return values[0]


def _handed_on(failure: Exception | None) -> SmartTrainError | None:
    """What the other ranks raise of `failure`: the output of this one says where it failed."""
    return (
        failure
        if failure is None or isinstance(failure, SmartTrainError)
        else RunError(message_for_other_ranks(failure))
    )


def _raise_first(failures: Sequence[SmartTrainError | None], of_this_rank: Exception | None) -> None:
    """Raises this rank's failure, else that of the first rank that has one; that rank alone tells it."""
    for number, failure in enumerate(failures):
        if failure is not None:
            raised = failure if of_this_rank is None else of_this_rank
            if isinstance(raised, SmartTrainError):
                raised.from_main, raised.told_by = number != rank(), number
            raise raised
