"""Decoder text embedders: Qwen3-Embedding, GTE-Qwen2, E5-Mistral and their kin; any causal AutoModel.

Sources: Qwen3-Embedding's card and its repository's example (`Instruct: {task}` and `Query:{text}` on two lines before
queries, nothing before documents, the last token pooled, the default task below); its maintainers on the closing token
(github.com/QwenLM/Qwen3-Embedding, issues 54 and 122: `<|endoftext|>`, appended by the tokenizer since June 2025, by
the caller before). The cards of E5-Mistral, SFR-Embedding-Mistral, Linq-Embed-Mistral and GTE-Qwen2 write a space after
`Query:`; so do the prompts in the folders of the first and the last (E5-Mistral has one for each task there, and calls
none of them "query"). GTE-Qwen2 attends both ways (its card; `is_causal` in its config.json).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property

from torch import nn

from smart_train.errors import ModelError
from smart_train.models.attention import attend_both_ways
from smart_train.models.families.text import TextFamily
from smart_train.models.family import Features, Role
from smart_train.types import ModelInput

TASK = "Given a web search query, retrieve relevant passages that answer the query"
_END_OF_TEXT = "<|endoftext|>"  # closes a text in Qwen's vocabulary, whose `eos_token` closes a chat turn


class TextDecoder(TextFamily):
    """An instruction is a task: `Instruct: TASK`, then `Query:TEXT`. Documents have none unless one is given."""

    name = "text_decoder"
    model_types = ("qwen3", "qwen2", "mistral", "llama")
    lora_targets = r".*layers\.\d+\.(self_attn\.(q|k|v|o)_proj|mlp\.(gate|up|down)_proj)"
    default_pooling = "last"

    def prefix(self, item: ModelInput, role: Role) -> str:
        task, files = self.instruction(item, role), self.files
        if task is None and role == "document":
            return files.document_prompt or ""
        # A folder whose prompts are of another kind, none of them for queries, has no use for this one.
        if task is None and (files.query_prompt is not None or (files.prompts and not self.query_marks)):
            return files.query_prompt or ""
        task = TASK if task is None else task
        return f"Instruct: {task}\n{self.query_mark}" if task else ""

    @property
    def query_mark(self) -> str:
        """`Query:` with or without a space after it: as the folder's prompts have it, else as the cards do."""
        qwen3 = self.backbone_settings.get("model_type") == "qwen3"
        return next(iter(self.query_marks), "Query:" if qwen3 else "Query: ")

    @property
    def query_marks(self) -> list[str]:
        """How each of the folder's prompts ends that instructs in this way."""
        return [match[0] for prompt in self.files.prompts if (match := re.search(r"Query: ?$", prompt))]

    @cached_property
    def closing_id(self) -> int | None:
        tokenizer = self.tokenizer
        if tokenizer("a")["input_ids"][-1] in self.special_ids:
            return None
        if _END_OF_TEXT in tokenizer.get_vocab():
            return tokenizer.convert_tokens_to_ids(_END_OF_TEXT)
        if tokenizer.eos_token_id is None:
            raise ModelError(f"{self.folder}: the tokenizer has no eos_token to end a text with")
        return tokenizer.eos_token_id

    def fit_backbone(self, backbone: nn.Module) -> None:
        if not getattr(backbone.config, "is_causal", True):
            attend_both_ways(backbone)

    def tokenize(self, texts: Sequence[str]) -> Features:
        if self.closing_id is None:
            return super().tokenize(texts)
        ids = self.tokenizer(texts, truncation=True, max_length=self.max_length - 1)["input_ids"]
        closed = [{"input_ids": [*row, self.closing_id]} for row in ids]
        return dict(self.tokenizer.pad(closed, padding=True, return_tensors="pt"))
