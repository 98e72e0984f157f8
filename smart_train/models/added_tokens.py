"""Tokens beyond the vocabulary of an adapter's base: new ones that a run trains, and those that an adapter brings.

A new token takes the next free id, and its row begins as the mean of the others (see `vocabulary`). The adapter's
folder keeps the tokenizer that has them: they are those that the base's own tokenizer lacks.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from tokenizers import AddedToken
from torch import nn

from smart_train.errors import ModelError
from smart_train.models.adapter_config import trains_beside
from smart_train.models.family import Family
from smart_train.models.reading import read_json
from smart_train.models.vocabulary import grow_embeddings

TOKENIZER = "tokenizer.json"
TOKENIZER_FILES = (TOKENIZER, "tokenizer_config.json")
_FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")


def token_ids(backbone: nn.Module, family: Family, tokens: Sequence[str]) -> list[int]:
    """The ids of `tokens`. Those that the tokenizer does not know are added to it, not as special ones, so that late
    interaction keeps them, and to the embeddings of `backbone`.

    Raises:
        ModelError: the tokenizer cannot take one, or does not read it as one token.
    """
    blank = [token for token in tokens if not token.strip()]
    if blank:
        raise ModelError(f"lora.trained_tokens {blank[0]!r}: holds no character but blanks; choose another text for it")
    vocabulary = family.tokenizer.get_vocab()
    control = {token.content for token in family.tokenizer.added_tokens_decoder.values() if token.special}
    taken = [token for token in tokens if token in control and "image" in family.modalities]
    if taken:
        raise ModelError(
            f"lora.trained_tokens {taken[0]!r}: is a control token of the model, which is not read where a text holds "
            "it; choose a new token"
        )
    new = [AddedToken(token, normalized=False, special=False) for token in tokens if token not in vocabulary]
    if new:
        _extend(backbone, family, new, "lora.trained_tokens")
    for token in tokens:
        text = token.lower() if family.lower_case else token
        if family.tokenizer.convert_tokens_to_ids(token) not in family.tokenizer(text)["input_ids"]:
            raise ModelError(
                f"lora.trained_tokens {token!r}: the tokenizer of {family.folder} does not read this text as that "
                "token" + (" (the model reads lower case)" if text != token else "") + "; choose another text for it"
            )
    return cast(list[int], family.tokenizer.convert_tokens_to_ids(list(tokens)))


def take_saved_tokens(backbone: nn.Module, family: Family, folder: Path, trained: Sequence[int], rows: int) -> None:
    """Adds to `family` and `backbone` what the tokenizer in an adapter's `folder` has beyond the base's.

    Args:
        trained: the ids whose rows the adapter trains one by one.
        rows: how many embeddings it holds as a whole; 0 where it does not.

    Raises:
        ModelError: the adapter was trained with tokens that no tokenizer here has, or that have other ids.
    """
    vocabulary, embeddings = family.tokenizer.get_vocab(), cast(Any, backbone).get_input_embeddings()
    new = [entry for entry in listed_tokens(folder) if entry[1] not in vocabulary]
    if new:
        _extend(backbone, family, [AddedToken(content, **flags) for _, content, flags in new], str(folder))
    for index, content, _ in new:
        if (id_here := family.tokenizer.convert_tokens_to_ids(content)) != index:
            raise ModelError(
                f"{folder}: its {TOKENIZER} gives {content!r} the id {index}, and over the tokenizer of "
                f"{family.folder} it has {id_here}; the adapter was trained on another base"
            )
    highest = max(family.tokenizer.get_vocab().values())
    nameless = [index for index in trained if index > highest]
    if nameless or (rows > embeddings.num_embeddings and not (folder / TOKENIZER).is_file()):
        what = f"the embedding of token {nameless[0]}" if nameless else f"embeddings for {rows} tokens"
        raise ModelError(
            f"{folder}: holds {what}, and the tokenizer of {family.folder} has {highest + 1} tokens; put the "
            f"{TOKENIZER} that the adapter was trained with into its folder"
        )
    grow_embeddings(backbone, rows)


def embeddings_of(folder: Path) -> int:
    """How many embeddings a model needs for the tokens that the tokenizer in an adapter's `folder` lists as added; 0
    where it has no tokenizer, or trains no embeddings."""
    return max((index + 1 for index, _, _ in listed_tokens(folder)), default=0) if trains_beside(folder) else 0


def listed_tokens(folder: Path) -> list[tuple[int, str, dict[str, bool]]]:
    """(id, text, flags) of the tokens that tokenizer.json in `folder` lists as added to its vocabulary, by id."""
    values = read_json(folder / TOKENIZER) or {}
    try:
        entries = [
            (int(entry["id"]), str(entry["content"]), {flag: bool(entry.get(flag)) for flag in _FLAGS})
            for entry in values.get("added_tokens") or []
        ]
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise ModelError(f"{folder / TOKENIZER}: its added_tokens cannot be read ({error!r})") from error
    return sorted(entries, key=lambda entry: entry[0])


def _extend(backbone: nn.Module, family: Family, tokens: Sequence[AddedToken], source: str) -> None:
    if not family.tokenizer.is_fast:
        raise ModelError(
            f"{source}: adds tokens, which needs a {TOKENIZER}, and {family.folder} has a tokenizer of an older kind; "
            "save it with transformers 5 first"
        )
    family.add_tokens(tokens)
    vocabulary = family.tokenizer.get_vocab()
    for token in tokens:
        if token.content not in vocabulary:
            raise ModelError(
                f"{source}: adds the token {token.content!r}, which family {family.name} does not take; its tokenizer "
                "must go through Family.with_added (docs/families.md)"
            )
    grow_embeddings(backbone, max(vocabulary.values()) + 1)
