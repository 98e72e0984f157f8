"""Rows of text -> `train.jsonl` and `held_out.jsonl`. Shared by the builders beside it."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any


def split_rows(rows: list[dict[str, str]], folder: Path, *, held_out: int, seed: int) -> dict[str, Any]:
    """Writes the rows (with a `query_id` each) in an order drawn from `seed`, `held_out` of them (at most half) apart.

    Returns what `build_once` wants to know of each split. Exits with a message when there are fewer than two rows.
    """
    if len(rows) < 2:
        sys.exit(f"{len(rows)} usable rows; nothing can be held out")
    rows = sorted(rows, key=lambda row: row["query_id"])
    random.Random(seed).shuffle(rows)
    count = min(held_out, len(rows) // 2)
    facts = {}
    for name, part in (("train", rows[count:]), ("held_out", rows[:count])):
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in part)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
        facts[name] = {"rows": len(part), "pages": 0}
    return facts
