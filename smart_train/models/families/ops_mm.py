"""Ops-MM-embedding-v1 (2B, 7B): GME's prompt and pooled position, with Qwen2-VL's own positions of image tokens.

Sources: `ops_mm_embedding_v1.py` of OpenSearch-AI/Ops-MM-embedding-v1-2B (prompt, default instruction of both sides,
pixel bounds, left padding and the last state as the embedding; it calls the generation class with `input_ids`, which
numbers image tokens by rows and columns). The Hub was not seen; copies of the file are in public repositories, and
github embeddings-benchmark/mteb, mteb/models/model_implementations/ops_mm_models.py, does the same. The script resizes
an image within its bounds, and its processor resizes again within the same ones. It reads no video: frames are images
to it, so hand them over as such.
"""

from __future__ import annotations

from pathlib import Path

from smart_train.models.families.gme import GME, within_aspect
from smart_train.models.image_sizes import Size
from smart_train.scoring import ScoringConfig

_SCRIPT = "ops_mm_embedding_v1.py"


class OpsMMEmbedding(GME):
    """As GME, but for positions, instructions of queries, sizes, and tokens of late interaction."""

    name = "ops_mm_embedding"
    plain_positions = False
    default_scoring = ScoringConfig()
    default_query_instruction = None  # the script's default is the same for both sides
    default_max_length = 32768

    @classmethod
    def claims(cls, folder: Path) -> bool:
        return (folder / _SCRIPT).is_file()

    def image_size(self, size: Size) -> Size:
        return within_aspect(self.final_size(size))
