"""What an adapter trains beside LoRA's two matrices: whole modules (`modules_to_save`) and the embeddings of single
tokens (`trainable_token_indices`), read from another trainer's folder for a backbone without a head.

PEFT finds modules by the end of their names, which differ between the class that was trained and the backbone, and
fits embeddings of one length only. Here the tensors in the file decide: each belongs to one module of the backbone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from smart_train.errors import ModelError, did_you_mean
from smart_train.models.added_tokens import take_saved_tokens
from smart_train.models.family import Family
from smart_train.models.module_names import own_names

if TYPE_CHECKING:
    from peft import LoraConfig

_HEADS = ("lm_head", "score", "classifier", "embed_out")
PREFIX = "base_model.model."
_ROWS = ".token_adapter.trainable_tokens_delta"
_WRAPPED = (".original_module.weight", ".modules_to_save.weight")
_MERGE = "merge it with the base that it was trained on, and load the merged model"


def module_of(key: str) -> str:
    """The module that a saved adapter tensor belongs to, under its name in the class it was trained on."""
    match = re.fullmatch(
        r"(.+?)\.(lora_\w+(\..+)?|(token_adapter|original_module|modules_to_save)\..+)", key.removeprefix(PREFIX)
    )
    return match[1] if match else key.removeprefix(PREFIX).rpartition(".")[0]


def is_lora(key: str) -> bool:
    """Whether the saved tensor `key` is one of LoRA's."""
    return re.fullmatch(r".+\.lora_\w+(\..+)?", key) is not None


def fit_parts(
    state: dict[str, Tensor], config: LoraConfig, backbone: nn.Module, family: Family, folder: Path
) -> dict[str, Tensor]:
    """The adapter tensors `state` of `folder` as they fit `backbone`: without a head's, which no embedding depends on,
    and without the base's own embeddings, which trainers save beside an adapter where they resized them. `config`
    comes to say what is left; tokens that the adapter brings are added to `family` and `backbone`.

    Raises:
        ModelError: what is trained cannot be told, or is not the backbone's.
    """
    state = _without_head(state, config, backbone, folder)
    embedding = _embedding_of(state, backbone, family)
    indices = _indices(config, embedding, state, folder)
    whole = None if embedding is None else state.get(f"{PREFIX}{embedding}.weight")
    weights = cast(Any, backbone).get_input_embeddings().weight  # the base's own rows, before any is added
    is_trained = embedding is not None and any(embedding.endswith(name) for name in config.modules_to_save or ())
    if is_trained or indices:
        take_saved_tokens(backbone, family, folder, indices, 0 if whole is None else len(whole))
    config.trainable_token_indices = indices or None
    if is_trained and whole is not None:
        for name in _WRAPPED:  # what PEFT saves once more where the vocabulary was resized
            state.pop(f"{PREFIX}{embedding}{name}", None)
        grown = cast(Any, backbone).get_input_embeddings().weight
        if len(whole) < len(grown):  # cut to the vocabulary by the other trainer
            state[f"{PREFIX}{embedding}.weight"] = torch.cat([whole, grown[len(whole) :].to(whole)])
    elif embedding is not None:
        trained, highest = set(indices), max(family.tokenizer.get_vocab().values()) if indices else None
        for name in (".weight", ".base_layer.weight", ".token_adapter.base_layer.weight"):
            value = state.pop(f"{PREFIX}{embedding}{name}", None)
            if value is not None and not _unchanged(
                value, weights, lambda row: row not in trained and (highest is None or row <= highest)
            ):
                key = f"{PREFIX}{embedding}{name}"
                raise ModelError(f"{folder}: holds embeddings ({key}) that differ from those of its base; {_MERGE}")
    return state


def _without_head(
    state: Mapping[str, Tensor], config: LoraConfig, backbone: nn.Module, folder: Path
) -> dict[str, Tensor]:
    names = {name for name, _ in backbone.named_modules()}
    saved = list(config.modules_to_save or ())
    heads = [name for name in saved if name.rpartition(".")[2] == "lm_head" and name not in names]
    if heads and len(heads) == len(saved) and getattr(config, "ensure_weight_tying", False):
        raise ModelError(
            f"{folder}: trains {heads[0]}, tied to the embeddings, and says so of the head alone (ensure_weight_tying "
            f"in adapter_config.json); {_MERGE}"
        )
    config.modules_to_save = [name for name in saved if name not in heads] or None
    if isinstance(config.trainable_token_indices, Mapping):
        token_indices = {name: rows for name, rows in config.trainable_token_indices.items() if "lm_head" not in name}
        config.trainable_token_indices = token_indices or None
    lone = "lm_head" not in names
    return {key: value for key, value in state.items() if not (lone and key.startswith(f"{PREFIX}lm_head."))}


def _embedding_of(state: Iterable[str], backbone: nn.Module, family: Family) -> str | None:
    """The name that the adapter `state` has for the backbone's input embeddings; None where it names none."""
    embeddings = cast(Any, backbone).get_input_embeddings()
    (in_backbone,) = [name for name, part in backbone.named_modules() if part is embeddings]
    modules = {module_of(key).removesuffix(".base_layer") for key in state}
    return next((name for name in sorted(modules) if own_names([name], backbone, family) == {name: in_backbone}), None)


def _indices(config: LoraConfig, embedding: str | None, state: Mapping[str, Tensor], folder: Path) -> list[int]:
    """The ids whose rows are trained one by one, as the input embeddings' tensor holds them."""
    given = config.trainable_token_indices
    if not given:
        return []
    if isinstance(given, Mapping):
        others = [name for name in given if embedding is None or not embedding.endswith(name)]
        if others:
            raise ModelError(
                f"{folder}: trainable_token_indices of {', '.join(others)} in adapter_config.json: only those of the "
                f"input embeddings are read; {_MERGE}"
            )
        (given,) = given.values()
    rows = None if embedding is None else state.get(f"{PREFIX}{embedding}{_ROWS}")
    if rows is None or len(rows) != len(given) or not all(isinstance(index, int) and index >= 0 for index in given):
        raise ModelError(
            f"{folder}: adapter_config.json names {len(given)} trainable_token_indices, and the weights hold "
            f"{0 if rows is None else len(rows)} such rows; save the adapter again"
        )
    return list(given)


def _unchanged(value: Tensor, weights: Tensor, read: Callable[[int], bool]) -> bool:
    """Whether the rows of saved embeddings `value` that are `read` are those of the base's `weights`."""
    if value.shape[1:] != weights.shape[1:] or any(read(row) for row in range(len(weights), len(value))):
        return False
    rows = [row for row in range(min(len(value), len(weights))) if read(row)]
    return weights.is_meta or torch.equal(weights[rows].to("cpu", value.dtype), value[rows])


def whole_modules(
    state: Iterable[str], config: LoraConfig, names: Mapping[str, str], backbone: nn.Module, folder: Path
) -> list[str] | None:
    """`modules_to_save` by the backbone's own names.

    Args:
        state: the adapter's tensors under its own names. names: module there -> in the backbone.

    Raises:
        ModelError: PEFT would take more modules for them than the adapter holds.
    """
    held = set()
    for module in {module_of(key) for key in state if not is_lora(key) and _ROWS not in key}:
        parts = module.split(".")
        outer = [".".join(parts[:end]) for end in range(1, len(parts) + 1)]
        saved = [name for name in outer if any(name.endswith(given) for given in config.modules_to_save or ())]
        if saved:
            held.add(names[module].removesuffix(module.removeprefix(saved[0])))
    more = [
        name for name in matching(held, backbone) if not any(f"{name}.".startswith(f"{parent}.") for parent in held)
    ]
    if more:
        raise ModelError(
            f"{folder}: modules_to_save {config.modules_to_save}: in {type(backbone).__name__} the same end of a name "
            f"is found in {more[0]} ({len(more)} such modules), which this adapter does not hold; {_MERGE}"
        )
    return sorted(held) or None


def matching(ends: Iterable[str], backbone: nn.Module) -> list[str]:
    """The modules of `backbone` that PEFT takes `ends`, names in modules_to_save, for: by the end of their names."""
    ends = tuple(ends)
    return [name for name, _ in backbone.named_modules() if ends and name.endswith(ends)]


def check_whole_modules(given: Sequence[str], backbone: nn.Module, family: Family, *, quantized: bool) -> None:
    """Raises ModelError where `lora.modules_to_save` names what cannot be trained.

    Args:
        quantized: whether the backbone's linear layers are, or will be: on the meta device they are not yet.
    """
    names = [name for name, _ in backbone.named_modules() if name]
    for end in given:
        word, modules = f"lora.modules_to_save {end!r}", matching([end], backbone)
        if not modules and end.rpartition(".")[2] in _HEADS:
            raise ModelError(
                f"{word}: a head, which the embeddings do not depend on and this backbone does not have; leave it out"
            )
        if not modules:
            hint = did_you_mean(end, sorted({name.rpartition(".")[2] for name in names}))
            raise ModelError(f"{word}: no module of {type(backbone).__name__} has a name that ends so{hint}")
        seen = [name for name in modules if family.is_vision(name)]
        if seen:
            raise ModelError(
                f"{word}: also {seen[0]}, which is in the frozen vision tower ({len(seen)} such modules); give more of "
                f"the name ({next((name for name in modules if name not in seen), 'a module of the language model')}), "
                "or train all weights (full.freeze_vision: false)"
            )
        module = backbone.get_submodule(modules[0])
        if not list(module.parameters()):
            raise ModelError(f"{word}: {modules[0]} has no weights to train; leave it out")
        if isinstance(module, nn.ModuleList):
            raise ModelError(f"{word}: {modules[0]} is a list of modules; name those in it, {end}.0 and so on")
        packed = [
            name
            for name in modules
            if quantized and any(isinstance(part, nn.Linear) for part in backbone.get_submodule(name).modules())
        ]
        if packed:
            raise ModelError(
                f"{word}: {packed[0]} is held in few bits (model.quantization), and such weights cannot be trained; "
                "leave model.quantization out, or name the embeddings or a norm, which are not quantised"
            )


def check_not_packed(names: Iterable[str], backbone: nn.Module, folder: Path) -> None:
    """Raises ModelError where a whole module of the adapter in `folder` is quantised in this backbone."""
    for name in matching(names, backbone):
        if any(not weight.dtype.is_floating_point for weight in backbone.get_submodule(name).parameters()):
            raise ModelError(
                f"{folder}: holds the whole of {name} (modules_to_save), which quantization packs; load the adapter "
                "without quantization"
            )
