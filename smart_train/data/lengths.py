"""How many tokens rows have, from sizes and text alone: what a token budget needs to know before the first batch, and
what of them does not fit the model."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Literal, Protocol

from tqdm.auto import tqdm

from smart_train.inputs.images import image_size
from smart_train.types import Example, ModelInput
from smart_train.utils.cpu import usable_cores
from smart_train.utils.threads import in_threads

Side = Literal["query", "document"]


class Fits(Protocol):
    """Raises ModelError where an input, whose images have these sizes, is too long for the model however much of its
    text is cut. Asked by one thread at a time."""

    def __call__(self, item: ModelInput, role: Side, image_sizes: Sequence[tuple[int, int]], /) -> None: ...


class TokenCounter(Protocol):
    """What this needs of a model family."""

    @property
    def max_length(self) -> int: ...

    def token_count(self, item: ModelInput, role: Side, image_sizes: Sequence[tuple[int, int]]) -> int: ...


def cut_shares(
    examples: Sequence[Example], counter: TokenCounter, *, negatives: int = 0, sample: int = 256
) -> dict[str, float]:
    """Share of the tokens of "query" and "document" (0 to 1) that is cut, because inputs are longer than the model's
    `max_length`; of some `sample` rows spread evenly over all, without their videos.

    Raises:
        DataError: an image cannot be read. ModelError: an input that the family does not take.
    """
    count: dict[Side, int] = {"query": 0, "document": 0}
    cut = dict(count)
    for place in range(0, len(examples), max(1, len(examples) // sample)):
        example = examples[place]
        sides: dict[Side, Sequence[ModelInput]] = {
            "query": (example.query,),
            "document": example.documents[: 1 + negatives],
        }
        for role, items in sides.items():
            for item in items:
                if item.video is None:
                    tokens = counter.token_count(item, role, [image_size(image) for image in item.images])
                    count[role] += tokens
                    cut[role] += max(0, tokens - counter.max_length)
    return {role: cut[role] / max(1, count[role]) for role in count}


def longest_documents(
    examples: Sequence[Example], counter: TokenCounter, *, negatives: int = 0, workers: int | None = None
) -> list[int]:
    """Tokens of each row's longest document among its positive and its first `negatives` negatives.

    Args:
        workers: threads that read image headers; default: one per core, at most 16.

    Raises:
        DataError: an image cannot be read. ModelError: what the family cannot count.
    """
    sizes_of_files: dict[Any, tuple[int, int]] = {}

    def size(reference: Any) -> tuple[int, int]:
        if not isinstance(reference, (str, os.PathLike)):
            return image_size(reference)
        if reference not in sizes_of_files:  # two threads may read the same header, which costs only time
            sizes_of_files[reference] = image_size(reference)
        return sizes_of_files[reference]

    def measured(index: int) -> list[tuple[ModelInput, list[tuple[int, int]]]]:
        documents = examples[index].documents[: 1 + negatives]
        return [(document, [size(image) for image in document.images]) for document in documents]

    sized = in_threads(measured, range(len(examples)), workers or min(usable_cores(), 16))
    rows = tqdm(sized, total=len(examples), desc="measuring rows", leave=False, disable=None)
    # Tokenizers are not safe to share between threads, so counting stays here.
    return [
        max(min(counter.token_count(item, "document", sizes), counter.max_length) for item, sizes in row)
        for row in rows
    ]
