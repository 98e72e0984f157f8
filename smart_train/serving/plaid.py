"""Embeddings in the layout of PLAID engines.

Sources: fast-plaid (`FastPlaid.create(documents_embeddings=[...])`) and PyLate (`add_documents(documents_ids,
documents_embeddings)`) take a list of [T, d] matrices.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from smart_train.errors import DataError
from smart_train.scoring.embeddings import Embeddings
from smart_train.serving.layouts import check_ids, write_layout

_TOKENS_FILE = "tokens.safetensors"
_IDS_FILE = "ids.json"
_IDS_DIGEST = "ids_sha256"  # in the header of the tokens: the file of ids that belongs to them


def write_plaid(folder: str | Path, document_ids: Sequence[str], embeddings: Embeddings) -> Path:
    """Token matrices for fast-plaid and PyLate: `tokens.safetensors`, one [T, d] float16 tensor per document, and
    `ids.json`. `read_plaid` gives both back as the lists that the engines take. Returns the folder.

    The pooled vectors are not in it: these engines score tokens alone.

    Raises:
        DataError: other numbers of ids and embeddings.
        WriteError, BusyError: as `write_layout`.
    """
    check_ids(document_ids, embeddings)
    tokens = embeddings.quantize("float16").to("cpu").tokens
    width = len(str(len(tokens)))
    tensors = {f"{row:0{width}}": item.clone() for row, item in enumerate(tokens)}
    ids = json.dumps(list(document_ids), ensure_ascii=False) + "\n"
    header = {_IDS_DIGEST: _digest(ids)}
    files = {
        _TOKENS_FILE: lambda temporary: save_file(tensors, temporary, header),
        _IDS_FILE: lambda temporary: temporary.write_text(ids, encoding="utf-8"),
    }
    return write_layout(Path(folder), files)


def read_plaid(folder: str | Path) -> tuple[list[str], list[Tensor]]:
    """What `write_plaid` wrote: the ids, and a float32 [T, d] tensor for each.

    Raises:
        DataError: a file is missing or damaged, or the two were not written together: an interrupted call leaves the
            ids of the one before.
    """
    folder = Path(folder)
    try:
        text = (folder / _IDS_FILE).read_text(encoding="utf-8")
        ids = json.loads(text)
        with safe_open(folder / _TOKENS_FILE, "pt") as file:
            belonging = (file.metadata() or {}).get(_IDS_DIGEST)  # version 0.1.0 wrote none
            tokens = [file.get_tensor(name).float() for name in sorted(file.keys())]
    except (OSError, SafetensorError, json.JSONDecodeError) as error:
        raise DataError(f"{folder}: not the folder of smart-train encode --format plaid ({error})") from error
    if belonging not in (None, _digest(text)):
        raise DataError(f"{folder}: {_IDS_FILE} and {_TOKENS_FILE} were not written together; write them again")
    if len(ids) != len(tokens):
        raise DataError(f"{folder}: {len(ids)} ids and {len(tokens)} documents; write it again")
    return ids, tokens


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
