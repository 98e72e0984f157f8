"""The evaluations of a run: what is printed beside them."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from smart_train.retrieval.rounded_search import Rescored
from smart_train.run.evaluations import evaluated


class Judge:
    """In place of an evaluator: scored nine pairs, three of them again."""

    batch_size, rescored = 1, Rescored(9, 3)
    evaluation_set = SimpleNamespace(name="held out")

    def __init__(self, products: str) -> None:
        self.products = products

    def __call__(self, model: object) -> SimpleNamespace:
        return SimpleNamespace(save=lambda path: None)


@pytest.mark.parametrize("products", ["exact", "float16"])
def test_what_was_scored_again_is_printed_where_products_were_asked_for(products: str, tmp_path: Path) -> None:
    console = Console(file=StringIO())
    evaluated(Judge(products), None, tmp_path / "saved.json", console, "before")
    line = "scored again by exact products: 33.33% of 9 scores"
    assert (line in console.file.getvalue()) == (products != "exact")
