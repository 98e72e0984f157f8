"""The closing token in tokenizer.json, for decoders whose tokenizer does not append it.

Here the family appends it. Other libraries read the folder alone, and would encode texts without it.
"""

from __future__ import annotations

import json
from pathlib import Path

TOKENIZER = "tokenizer.json"


def close_texts(folder: Path, token: str, index: int) -> None:
    """Makes the tokenizer in `folder` append `token` (of id `index`) to every text, after what it does already."""
    path = folder / TOKENIZER
    values = json.loads(path.read_text(encoding="utf-8"))
    closed = [
        [{"Sequence": {"id": side, "type_id": 0}}, {"SpecialToken": {"id": token, "type_id": 0}}] for side in "AB"
    ]
    closing = {
        "type": "TemplateProcessing",
        "single": closed[0],
        "pair": closed[0] + closed[1],
        "special_tokens": {token: {"id": token, "ids": [index], "tokens": [token]}},
    }
    present = values.get("post_processor")
    if present is None:
        values["post_processor"] = closing
    else:
        earlier = present["processors"] if present["type"] == "Sequence" else [present]
        values["post_processor"] = {"type": "Sequence", "processors": [*earlier, closing]}
    path.write_text(json.dumps(values, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
