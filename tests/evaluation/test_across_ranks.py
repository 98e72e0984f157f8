"""Two processes return what one returns, each having encoded its share."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path

import pytest
import torch

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


MODELS = (DrawnModel, EightBitModel)


def work(rank: int, folder: str) -> None:
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=WORLD)
    for number, (sizes, kind) in enumerate(product(SIZES, MODELS)):
        model = kind()
        RetrievalEvaluator(drawn_set(*sizes), query_block=4)(model).save(Path(folder) / f"{number}.{rank}.json")
        encoded = len(model.encoded)
        assert encoded == -(-sizes[0] // WORLD) + -(-sizes[1] // WORLD), encoded
    torch.distributed.destroy_process_group()


@pytest.mark.dist
def test_every_rank_returns_the_result_of_a_single_process(tmp_path):
    start_ranks(work, str(tmp_path), count=WORLD)
    for number, (sizes, kind) in enumerate(product(SIZES, MODELS)):
        alone = RetrievalEvaluator(drawn_set(*sizes))(kind())
        for rank in range(WORLD):
            assert EvaluationResult.load(tmp_path / f"{number}.{rank}.json") == alone
