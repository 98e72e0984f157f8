"""Numbers of things in messages."""

from __future__ import annotations

from smart_train.utils.counts import counted


def test_one_thing_is_not_several() -> None:
    assert counted(1, "row") == "1 row"
    assert counted(0, "row") == "0 rows" and counted(1000, "row") == "1000 rows"
    assert counted(1, "query", "queries") == "1 query" and counted(2, "query", "queries") == "2 queries"
