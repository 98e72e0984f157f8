"""How many tokens rows have, from sizes and text alone: what a token budget needs to know before the first batch."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, Protocol

from tqdm.auto import tqdm

from smart_train.inputs.images import image_size
from smart_train.types import Example, ModelInput


class TokenCounter(Protocol):
    """What this needs of a model family."""

    @property
    def max_length(self) -> int: ...

    def token_count(
        self, item: ModelInput, role: Literal["query", "document"], image_sizes: Sequence[tuple[int, int]]
    ) -> int: ...


def longest_documents(
    examples: Sequence[Example], counter: TokenCounter, *, negatives: int = 0, workers: int | None = None
) -> list[int]:
    """Tokens of each row's longest document among its positive and its first `negatives` negatives.

    Args:
        workers: threads that read image headers; default: one per core, at most 16.

    Raises:
        DataError: an image cannot be read. ModelError: what the family cannot count.
    """
    known: dict[Any, tuple[int, int]] = {}

    def size(reference: Any) -> tuple[int, int]:
        if not isinstance(reference, (str, os.PathLike)):
            return image_size(reference)
        if reference not in known:  # two threads may read the same header, which costs only time
            known[reference] = image_size(reference)
        return known[reference]

    def measured(index: int) -> list[tuple[ModelInput, list[tuple[int, int]]]]:
        documents = examples[index].documents[: 1 + negatives]
        return [(document, [size(image) for image in document.images]) for document in documents]

    with ThreadPoolExecutor(workers or min(os.cpu_count() or 1, 16)) as pool:
        found = pool.map(measured, range(len(examples)))
        rows = tqdm(found, total=len(examples), desc="measuring rows", leave=False, disable=None)
        # Tokenizers are not safe to share between threads, so counting stays here.
        return [
            max(min(counter.token_count(item, "document", sizes), counter.max_length) for item, sizes in row)
            for row in rows
        ]
