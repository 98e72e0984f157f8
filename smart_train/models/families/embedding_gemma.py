"""EmbeddingGemma (300M): Gemma 3 in which every token sees all others, mean pooling, two Dense layers.

Sources: the model's card, which names sentence-transformers for its use, and what public code that reads its files says
of them (`modules.json`: Transformer, Pooling, two Dense without bias or activation, Normalize; the prompts below as
"query" and "document" in `config_sentence_transformers.json`; `config.json`: `gemma3_text` with
`use_bidirectional_attention`, 2,048 positions).
Tokens go through the Dense layers as the pooled vector does; see `dense_layers`.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any, cast

from torch import Tensor, nn

from smart_train.errors import ModelError
from smart_train.models.dense_layers import DENSE, DENSE_NAME, LinearHead, read_dense, save_dense
from smart_train.models.families.text_decoder import TextDecoder
from smart_train.models.families.text_encoder import TextEncoder
from smart_train.models.family import Role
from smart_train.models.reading import read_json
from smart_train.models.sentence_transformers_files import EmbedderFiles, pooled_modules
from smart_train.types import ModelInput

_PROMPTS: dict[Role, str] = {"query": "task: search result | query: ", "document": "title: none | text: "}


class EmbeddingGemma(TextEncoder):
    """The folder's prompts, else the card's. An instruction is a task, `task: TASK | query: `, of documents too: so the
    card has it for tasks whose two sides are alike. An empty one leaves the prefix out."""

    name = "embedding_gemma"
    model_types = ("gemma3_text",)
    any_backbone = False
    lora_targets = TextDecoder.lora_targets
    unused_weights = ("lm_head.",)
    token_head = "dense"

    @classmethod
    def claims(cls, folder: Path) -> bool:
        both_ways = (read_json(folder / "config.json") or {}).get("use_bidirectional_attention")
        kinds = [entry["type"].rsplit(".", 1)[-1] for entry in pooled_modules(folder)]
        return bool(both_ways) and (DENSE in kinds or (folder / DENSE_NAME).is_file())

    @classmethod
    def check_config(cls, config: Any) -> None:
        if not config.use_bidirectional_attention:
            raise ModelError(
                f"use_bidirectional_attention is {config.use_bidirectional_attention}, but {cls.name} was trained with "
                "true: this is another Gemma 3, or config.json was changed"
            )

    @cached_property
    def files(self) -> EmbedderFiles:
        return EmbedderFiles.read(self.folder, others=(DENSE,))

    @cached_property
    def linear_head(self) -> Tensor:
        return read_dense(Path(self.folder), self.backbone_settings["hidden_size"])

    def prefix(self, item: ModelInput, role: Role) -> str:
        task = self.instruction(item, role)
        if task is not None:
            return f"task: {task} | query: " if task else ""
        return super().prefix(item, role) if self.files.prompts else _PROMPTS[role]

    def fit_backbone(self, backbone: nn.Module) -> None:
        super().fit_backbone(backbone)
        weight, width = next(backbone.parameters()), cast(Any, backbone).config.hidden_size
        if self.linear_head.shape[1] != width:
            raise ModelError(
                f"{self.folder}: its Dense layers read {self.linear_head.shape[1]} numbers, and the backbone's states "
                f"have {width}"
            )
        # A copy: an export frees the backbone's memory, and writes the layers afterwards.
        head = self.linear_head.to(weight.device, weight.dtype, copy=True)
        backbone.add_module(self.token_head, LinearHead(head))

    def save_files(self, folder: Path) -> None:
        save_dense(self.linear_head, folder)
