"""Encoder text embedders: BERT, MiniLM, BGE, E5, GTE, ModernBERT and their kin; any bidirectional AutoModel.

Sources: pooling, prefixes and limits are read from the model's folder (see `sentence_transformers_files`). Mean
pooling where the folder is silent is what sentence-transformers does with a plain encoder. Prefixes that only model
cards name, such as E5's "query: " and "passage: " or BGE's "Represent this sentence for searching relevant passages:
", are given as `model.query_instruction` and `model.document_instruction`. Module names for LoRA: the modelling files
of transformers 5.
"""

from __future__ import annotations

from typing import Any, ClassVar, cast

from torch import nn

from smart_train.models.families.text import TextFamily
from smart_train.models.family import Role
from smart_train.types import ModelInput

_USUAL_POSITIONS = 512  # of every such class, where config.json leaves them out
# These number a text's tokens from the padding token's id + 1 on: of 514 positions a text has 512. MPNet's class takes
# 1 for that id whatever config.json says; for the others 1 is what is not said.
_COUNT_FROM_PADDING = ("roberta", "xlm-roberta", "camembert", "mpnet")
_PADDING_ID = 1


class TextEncoder(TextFamily):
    """An instruction is a prefix, verbatim: the input's own, else the run's, else the folder's prompt, else nothing."""

    name = "text_encoder"
    model_types: ClassVar[tuple[str, ...]] = (
        "bert",
        "roberta",
        "xlm-roberta",
        "camembert",
        "mpnet",
        "distilbert",
        "electra",
        "deberta-v2",
        "modernbert",
        "nomic_bert",
        "gte",
    )
    # Attention and feed-forward of numbered layers, by every name in use: never the embeddings, never the pooler.
    lora_targets = (
        r".*\.\d+\.(.*\.)?("
        r"query|key|value|dense|q|k|v|o|query_proj|key_proj|value_proj|"
        r"q_lin|k_lin|v_lin|out_lin|lin1|lin2|Wqkv|Wi|Wo|"
        r"q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"
    )
    default_pooling = "mean"
    # The classifier's pooler, and the heads that guess masked words: BERT's, RoBERTa's, DistilBERT's, ELECTRA's,
    # DeBERTa's and ModernBERT's.
    unused_weights: ClassVar[tuple[str, ...]] = (
        "pooler.",
        "cls.",
        "lm_head.",
        "vocab_transform.",
        "vocab_layer_norm.",
        "vocab_projector.",
        "generator_",
        "discriminator_predictions.",
        "lm_predictions.",
        "mask_predictions.",
        "head.",
        "decoder.",
    )

    @property
    def positions(self) -> int:
        settings = self.backbone_settings
        count = settings.get("max_position_embeddings") or _USUAL_POSITIONS
        kind = settings.get("model_type")
        if kind not in _COUNT_FROM_PADDING:
            return count
        return count - 1 - (_PADDING_ID if kind == "mpnet" else settings.get("pad_token_id", _PADDING_ID))

    def prefix(self, item: ModelInput, role: Role) -> str:
        prefix = self.instruction(item, role)
        if prefix is None:
            prefix = self.files.query_prompt if role == "query" else self.files.document_prompt
        return prefix or ""

    def fit_backbone(self, backbone: nn.Module) -> None:
        # Left in, its weights would take part in full fine-tuning without a gradient, which DDP refuses.
        if getattr(backbone, "pooler", None) is not None:
            cast(Any, backbone).pooler = None
