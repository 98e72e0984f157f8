"""Embeddings in the layout of Qdrant.

Sources: Qdrant's REST interface (collections with named vectors and `multivector_config`), and its limit on a
multi-vector's size (github.com/qdrant/qdrant, issue 5925).
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from smart_train.errors import DataError
from smart_train.scoring.embeddings import Embeddings
from smart_train.serving.layouts import check_ids, write_layout

# rows x dimensions of one stored multi-vector must stay below this.
QDRANT_LIMIT = 1 << 20
POOLED, TOKENS = "pooled", "tokens"
_SPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://arxiv.org/abs/2605.24938")


def qdrant_collection(embeddings: Embeddings) -> dict[str, Any]:
    """The body of `PUT /collections/NAME`: a pooled vector to search by, and tokens to score the found ones by.

    Tokens get no graph of their own (m 0): Qdrant scores them exactly, on what a prefetch by the pooled vector brings.
    """
    return {
        "vectors": {
            POOLED: {"size": embeddings.pooled.shape[1], "distance": "Cosine"},
            TOKENS: {
                "size": embeddings.packed.shape[1],
                "distance": "Cosine",
                "multivector_config": {"comparator": "max_sim"},
                "hnsw_config": {"m": 0},
            },
        }
    }


def qdrant_points(document_ids: Sequence[str], embeddings: Embeddings) -> Iterator[dict[str, Any]]:
    """One point per document for `PUT /collections/NAME/points`: a UUID made of the document's id, both vectors, the id
    in the payload.

    Raises:
        DataError: other numbers of ids and embeddings, no pooled vectors, or documents too large for a multi-vector:
            all of them, before the first point.
    """
    check_ids(document_ids, embeddings)
    if embeddings.late_only:
        raise DataError(
            "qdrant: the model is late only, and this layout searches by pooled vectors first; write --format plaid, "
            "whose engines search by tokens alone"
        )
    width, lengths = embeddings.packed.shape[1], embeddings.lengths.tolist()
    large = [row for row, length in enumerate(lengths) if length * width >= QDRANT_LIMIT]
    if large:
        most = max(lengths)
        factor = -(-most * width // (QDRANT_LIMIT - width))
        raise DataError(
            f"{len(large)} document(s), the first {document_ids[large[0]]!r} with {lengths[large[0]]} tokens of width "
            f"{width}: Qdrant takes less than {QDRANT_LIMIT:,} numbers in a multi-vector, that is "
            f"{(QDRANT_LIMIT - 1) // width} tokens; shrink them with Embeddings.pool_tokens({factor}), or train a "
            "narrower token projection"
        )
    return _points(document_ids, embeddings.quantize("float32"))


def _points(document_ids: Sequence[str], embeddings: Embeddings) -> Iterator[dict[str, Any]]:
    for name, pooled, tokens in zip(document_ids, embeddings.pooled, embeddings.tokens, strict=True):
        yield {
            "id": str(uuid.uuid5(_SPACE, name)),
            "vector": {POOLED: pooled.tolist(), TOKENS: tokens.tolist()},
            "payload": {"document_id": name},
        }


def qdrant_query(query: Embeddings, *, limit: int, candidates: int) -> Mapping[str, Any]:
    """The body of `POST /collections/NAME/points/query` for one query: the `candidates` best by the pooled vector, of
    those the `limit` best by late interaction.

    Qdrant's max_sim is the SUM over query tokens: divide a score by their number for `late`.

    Raises:
        DataError: not exactly one query.
    """
    if len(query) != 1:
        raise DataError(f"qdrant_query: {len(query)} queries; a request takes exactly one")
    return {
        "prefetch": [{"query": query.pooled[0].tolist(), "using": POOLED, "limit": candidates}],
        "query": query.quantize("float32").tokens[0].tolist(),
        "using": TOKENS,
        "limit": limit,
        "with_payload": True,
    }


def write_qdrant(folder: str | Path, document_ids: Sequence[str], embeddings: Embeddings) -> Path:
    """`collection.json` and `points.jsonl` (one point a line), the bodies of Qdrant's REST calls. Returns the folder.

    Raises:
        DataError: as `qdrant_points`.
        WriteError, BusyError: as `write_layout`.
    """
    points = qdrant_points(document_ids, embeddings)
    collection = json.dumps(qdrant_collection(embeddings), indent=2) + "\n"

    def lines(path: Path) -> None:
        with path.open("w", encoding="utf-8") as file:
            for point in points:
                file.write(json.dumps(point, ensure_ascii=False) + "\n")

    files = {
        "collection.json": lambda temporary: temporary.write_text(collection, encoding="utf-8"),
        "points.jsonl": lines,
    }
    return write_layout(Path(folder), files)
