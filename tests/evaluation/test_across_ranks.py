"""Two processes return what one returns, each having encoded its share."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch

from smart_train.distributed import rank
from smart_train.errors import DataError, RunError
from smart_train.evaluation import EvaluationResult, RetrievalEvaluator
from smart_train.scoring.embeddings import Embeddings
from smart_train.types import ModelInput
from tests.evaluation.conftest import DrawnModel, drawn_set
from tests.ranks import start_ranks

WORLD = 2
# (queries, documents): even shares, uneven shares, fewer queries than ranks, a rank without documents.
SIZES = [(30, 60), (31, 47), (1, 4), (1, 1)]


class EightBitModel(DrawnModel):
    """Its token states are 8-bit from the start."""

    def _encode(self, inputs: Sequence[ModelInput], most: int) -> Embeddings:
        return super()._encode(inputs, most).quantize("int8")


class UnreadableModel(DrawnModel):
    """Documents of rank 1 cannot be read there, or it fails otherwise."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def encode_document(self, inputs: Sequence[ModelInput], **options: object) -> Embeddings:
        if rank() == 1:
            raise self.error
        return super().encode_document(inputs, **options)


class UnrankableEvaluator(RetrievalEvaluator):
    """Rank 1 fails where each ranks its own documents, such as for want of memory."""

    def _rank(self, *arguments: Any) -> Any:
        if rank() == 1:
            raise DataError("no memory is left")
        return super()._rank(*arguments)


MODELS = (DrawnModel, EightBitModel)
FAILURES = {"page 40 is gone": DataError("page 40 is gone"), "rank 1 failed (KeyError: 'a bug')": KeyError("a bug")}


def work(number_of_rank: int, folder: str) -> None:
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meet", rank=number_of_rank, world_size=WORLD
    )
    for message, error in FAILURES.items():
        expected = type(error) if rank() == 1 or isinstance(error, DataError) else RunError
        with pytest.raises(expected) as told:
            RetrievalEvaluator(drawn_set(30, 60))(UnreadableModel(error))
        assert rank() == 1 or (told.value.from_main and str(told.value).startswith(message))
    with pytest.raises(DataError, match="no memory is left") as told:
        UnrankableEvaluator(drawn_set(30, 60))(DrawnModel())
    assert told.value.from_main == (rank() == 0)
    for number, (sizes, kind) in enumerate(product(SIZES, MODELS)):
        model = kind()
        RetrievalEvaluator(drawn_set(*sizes), query_block=4)(model).save(Path(folder) / f"{number}.{rank()}.json")
        encoded = len(model.encoded)
        assert encoded == -(-sizes[0] // WORLD) + -(-sizes[1] // WORLD), encoded
    torch.distributed.destroy_process_group()


@pytest.mark.dist
def test_every_rank_returns_the_result_of_a_single_process(tmp_path):
    start_ranks(work, str(tmp_path), count=WORLD)
    for number, (sizes, kind) in enumerate(product(SIZES, MODELS)):
        alone = RetrievalEvaluator(drawn_set(*sizes))(kind())
        for other in range(WORLD):
            assert EvaluationResult.load(tmp_path / f"{number}.{other}.json") == alone
