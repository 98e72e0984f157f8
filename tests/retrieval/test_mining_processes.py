"""Two processes that mine together encode each shard once, and find what one process finds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from smart_train.errors import DataError
from smart_train.retrieval import MiningConfig, mine_negatives
from smart_train.types import Example
from tests.ranks import start_ranks
from tests.retrieval.test_mining import HashModel, read, row

WORLD = 2
CONFIGS = (
    MiningConfig(negatives=3, margin=None, last_rank=10),
    MiningConfig(score="late", negatives=2, margin=0.98, last_rank=12, candidates=15, when_short="keep"),
)
FEW = MiningConfig(negatives=1, margin=None)


def made_rows(count: int = 23) -> list[Example]:
    """Rows of which two share a query; more documents than queries."""
    rows = [row(i, f"query {i}", f"document {i}", f"document {100 + i}") for i in range(count)]
    rows[1] = row(1, "query 0", "document 1")
    return rows


def work(rank: int, folder: str) -> None:
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=WORLD)
    encoded = []
    for number, config in enumerate(CONFIGS):
        model = HashModel()
        mine_negatives(model, made_rows(), Path(folder) / f"together{number}", config, shard_size=6)
        encoded.append(sum(model.encoded))
    mine_negatives(HashModel(), made_rows(2), Path(folder) / "few", FEW, shard_size=6)  # one query, two ranks
    with pytest.raises(DataError, match="was encoded with other model"):
        mine_negatives(HashModel(seed=1), made_rows(), Path(folder) / "together0", CONFIGS[0], shard_size=6)
    (Path(folder) / f"encoded{rank}.json").write_text(json.dumps(encoded))
    torch.distributed.destroy_process_group()


@pytest.mark.dist
def test_two_processes_find_what_one_finds(tmp_path: Path) -> None:
    start_ranks(work, str(tmp_path), count=WORLD)
    documents = 2 * 23 - 1
    shares = [json.loads((tmp_path / f"encoded{rank}.json").read_text()) for rank in range(WORLD)]
    assert [sum(share) for share in zip(*shares, strict=True)] == [documents] * 2 and min(map(min, shares)) > 0
    for number, config in enumerate(CONFIGS):
        mine_negatives(HashModel(), made_rows(), tmp_path / f"alone{number}", config, shard_size=6)
        assert_same(tmp_path / f"together{number}", tmp_path / f"alone{number}")
    mine_negatives(HashModel(), made_rows(2), tmp_path / "alone", FEW, shard_size=6)
    assert_same(tmp_path / "few", tmp_path / "alone")


def assert_same(found: Path, expected: Path) -> None:
    """The same rows, with scores that differ in their last digit at most: a product of matrices depends on its size."""
    for theirs, ours in zip(read(found), read(expected), strict=True):
        assert theirs.pop("scores") == pytest.approx(ours.pop("scores"), abs=2e-6)
        assert theirs == ours
    theirs, ours = (json.loads((folder / "mining.json").read_text()) for folder in (found, expected))
    assert {**theirs, "positive_score": 0, "negative_score": 0} == {**ours, "positive_score": 0, "negative_score": 0}
