"""A token that a family adds to its model's vocabulary: in the tokenizer, in the weights, and in what is saved.

The id is the next free one, so that the same base gives the same id every time it is loaded. Qwen's models have spare
embedding rows beyond their vocabulary; where there is none left, the embeddings grow by rows that are the mean of the
others. A drawn row was rejected: an adapter's base is read again on every load, and must be the same model each time.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from smart_train.errors import ModelError

_OUTPUT_HEADS = ("lm_head.weight", "lm_head.bias")


def add_token(tokenizer: Any, token: str, folder: Path, *, saved: bool) -> int:
    """Adds `token`, not a special one, to a tokenizer that lacks it; returns its id.

    Args:
        saved: the folder was written with the token in it, so a tokenizer without it is not the model's.

    Raises:
        ModelError: the token is missing though the folder was saved with it.
    """
    if token not in tokenizer.get_vocab():
        if saved:
            raise ModelError(
                f"{folder}: the saved tokenizer has no {token}, which this model was trained with; put back the "
                "tokenizer.json and tokenizer_config.json that were saved with its weights, or export it again"
            )
        tokenizer.add_tokens([token])
    return tokenizer.convert_tokens_to_ids(token)


def grow_embeddings(backbone: nn.Module, rows: int) -> None:
    """Gives `backbone` at least `rows` embeddings, in place; its configuration follows."""
    model = cast(Any, backbone)
    before = model.get_input_embeddings().num_embeddings
    if before >= rows:
        return
    trained = model.get_input_embeddings().weight.requires_grad
    model.resize_token_embeddings(rows, mean_resizing=False)
    weight = model.get_input_embeddings().weight
    with torch.no_grad():
        weight[before:] = _mean_row(weight[:before])
    weight.requires_grad_(trained)


def check_vocabulary(backbone: nn.Module, tokenizer: Any, folder: Path) -> None:
    """Raises ModelError where `tokenizer` gives ids that `backbone` has no embedding for: a text with such a token ends
    a run with an index error.

    Args:
        tokenizer: None where the family has none of transformers' kind; nothing is compared then.
    """
    if tokenizer is None:
        return
    highest, rows = max(tokenizer.get_vocab().values()), cast(Any, backbone).get_input_embeddings().num_embeddings
    if highest >= rows:
        token = tokenizer.convert_ids_to_tokens(highest)
        raise ModelError(
            f"{folder}: its tokenizer has {highest + 1} tokens (the last is {token!r}), but the model has embeddings "
            f"for {rows}; put back the tokenizer that was saved with it, or save it again after "
            f"resize_token_embeddings({highest + 1})"
        )


def grow_heads(unused: dict[str, Tensor], rows: int) -> dict[str, Tensor]:
    """Checkpoint weights that an embedder does not use, with a generation head as long as the vocabulary: the class
    that holds both refuses any other."""
    return {name: _grown(value, rows) if name.endswith(_OUTPUT_HEADS) else value for name, value in unused.items()}


def _grown(value: Tensor, rows: int) -> Tensor:
    missing = rows - len(value)
    return value if missing <= 0 else torch.cat([value, _mean_row(value).expand(missing, *value.shape[1:])])


def _mean_row(weight: Tensor) -> Tensor:
    """[N, ...] -> [1, ...] in its dtype; summed in fp32, where a long bf16 sum would stop growing."""
    return weight.mean(dim=0, keepdim=True, dtype=torch.float32).to(weight.dtype)
