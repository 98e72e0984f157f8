"""Decoder text embedders: Qwen3-Embedding, GTE-Qwen2, E5-Mistral and their kin; any causal AutoModel.

Sources: Qwen3-Embedding's card and its repository's example (`Instruct: {task}` and `Query:{text}` on two lines before
queries, nothing before documents, the last token pooled, the default task below); its maintainers on the closing token
(github.com/QwenLM/Qwen3-Embedding, issues 54 and 122: `<|endoftext|>`, appended by the tokenizer since June 2025, by
the caller before). E5-Mistral and GTE-Qwen2 write a space after `Query:`; their folders' own prompts say so.
"""

from __future__ import annotations

import re
from functools import cached_property

from smart_train.errors import ModelError
from smart_train.models.family import Features, Role
from smart_train.models.text import TextFamily
from smart_train.types import ModelInput

TASK = "Given a web search query, retrieve relevant passages that answer the query"
_END_OF_TEXT = "<|endoftext|>"  # closes a text in Qwen's vocabulary, whose `eos_token` closes a chat turn


class TextDecoder(TextFamily):
    """An instruction is a task: `Instruct: TASK`, then `Query:TEXT`. Documents have none unless one is given."""

    name = "text_decoder"
    model_types = ("qwen3", "qwen2", "mistral", "llama")
    lora_targets = r".*layers\.\d+\.(self_attn\.(q|k|v|o)_proj|mlp\.(gate|up|down)_proj)"
    default_pooling = "last"
    default_max_length = 8192

    def prefix(self, item: ModelInput, role: Role) -> str:
        task, prompt = self.instruction(item, role), self.files.query_prompt
        if task is not None:
            spaced = prompt is not None and re.search(r"Query: $", prompt)
            return f"Instruct: {task}\nQuery:{' ' if spaced else ''}" if task else ""
        if role == "document":
            return self.files.document_prompt or ""
        return f"Instruct: {TASK}\nQuery:" if prompt is None else prompt

    @cached_property
    def closing_id(self) -> int | None:
        tokenizer = self.tokenizer
        if tokenizer("a")["input_ids"][-1] in self.special_ids:
            return None
        if _END_OF_TEXT in tokenizer.get_vocab():
            return tokenizer.convert_tokens_to_ids(_END_OF_TEXT)
        if tokenizer.eos_token_id is None:
            raise ModelError(f"{self.folder}: the tokenizer has no eos_token to close a text with")
        return tokenizer.eos_token_id

    def tokenize(self, texts: list[str]) -> Features:
        if self.closing_id is None:
            return super().tokenize(texts)
        ids = self.tokenizer(texts, truncation=True, max_length=self.max_length - 1)["input_ids"]
        closed = [{"input_ids": [*row, self.closing_id]} for row in ids]
        return dict(self.tokenizer.pad(closed, padding=True, return_tensors="pt"))
