"""LoRA through PEFT, with a target rule that leaves a frozen vision tower alone, and checks that it did."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from peft.tuners.lora import LoraLayer
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn

from smart_train.errors import ModelError, first_line
from smart_train.models.adapter_config import ADAPTER_CONFIG as ADAPTER_CONFIG
from smart_train.models.adapter_config import read_adapter_config, translated_patterns
from smart_train.models.adapter_parts import (
    PREFIX,
    check_not_packed,
    check_whole_modules,
    fit_parts,
    is_lora,
    matching,
    module_of,
    whole_modules,
)
from smart_train.models.added_tokens import token_ids
from smart_train.models.family import Family
from smart_train.models.module_names import own_names
from smart_train.models.patterns import check_patterns
from smart_train.models.reading import read_weights

ADAPTER_WEIGHTS = "adapter_model.safetensors"


def add_lora(
    backbone: nn.Module,
    family: Family,
    *,
    r: int,
    alpha: int,
    dropout: float,
    target_modules: str | Sequence[str] | None = None,
    use_rslora: bool = False,
    use_dora: bool = False,
    modules_to_save: Sequence[str] | None = None,
    trained_tokens: Sequence[str] | None = None,
    quantized: bool = False,
) -> PeftModel:
    """`backbone` with LoRA on the family's language-model projections (or on `target_modules`), all else frozen.

    Args:
        modules_to_save: ends of the names of modules that are trained whole.
        trained_tokens: tokens whose embeddings are trained; new ones are added to `family` and `backbone`.
        quantized: whether linear layers are, or will be.

    Raises:
        ModelError: a pattern or name matches nothing, or reaches into the vision tower; or what it names cannot be
            trained.
    """
    targets = family.lora_targets if target_modules is None else target_modules
    indices = token_ids(backbone, family, trained_tokens) if trained_tokens else None
    if modules_to_save:
        check_whole_modules(modules_to_save, backbone, family, quantized=quantized)
        embeddings = cast(Any, backbone).get_input_embeddings()
        if any(backbone.get_submodule(name) is embeddings for name in matching(modules_to_save, backbone)):
            indices = None  # all rows are trained, theirs among them
    config = LoraConfig(
        r=r,
        lora_alpha=alpha,
        lora_dropout=dropout,
        target_modules=targets if isinstance(targets, str) else list(targets),
        use_rslora=use_rslora,
        use_dora=use_dora,
        bias="none",
        task_type="FEATURE_EXTRACTION",
        modules_to_save=list(modules_to_save) if modules_to_save else None,
        trainable_token_indices=indices,
    )
    try:
        model = get_peft_model(backbone, config)
    except (ValueError, re.error) as error:
        raise ModelError(f"lora.target_modules {targets!r}: {first_line(error)}") from error
    except TypeError as error:  # PEFT's, of a module that cannot be trained whole
        raise ModelError(f"lora.modules_to_save {modules_to_save!r}: {first_line(error)}") from error
    family.check_lora_targets(adapted_modules(model))
    return model


def adapted_modules(model: PeftModel) -> list[str]:
    """Names, inside the backbone, of the modules that carry an adapter."""
    return [name for name, module in model.get_base_model().named_modules() if isinstance(module, BaseTunerLayer)]


def load_adapter(
    backbone: nn.Module, family: Family, folder: Path, *, trainable: bool = False, dropout: float | None = None
) -> PeftModel:
    """`backbone` with the adapter saved in `folder`, every saved tensor used.

    PEFT only warns when an adapter's keys do not match the model, and then does nothing: an adapter trained on another
    class of the same backbone would leave the base as it was, silently. Here its names are translated where one of the
    known namings fits all of them, and it is refused otherwise. On the meta device names and shapes are compared alone.

    Args:
        trainable: leave its weights open to training.
        dropout: of its inputs in training; None: as it was trained.

    Raises:
        ModelError: the adapter belongs to another base (keys or shapes differ), or is not LoRA alone.
    """
    weights = folder / ADAPTER_WEIGHTS
    if not weights.is_file():
        raise ModelError(
            f"{folder}: no {ADAPTER_WEIGHTS} beside {ADAPTER_CONFIG}; pickled weights (adapter_model.bin) are not "
            "read: save them as safetensors"
        )
    config = read_adapter_config(folder)
    config.lora_dropout = config.lora_dropout if dropout is None else dropout
    check_patterns(folder, [name for name, _ in backbone.named_modules()])
    saved = read_weights(weights)
    state = fit_parts(_used(saved, backbone, family), config, backbone, family, folder)
    names = own_names({module_of(key) for key in state}, backbone, family)
    try:
        if names is not None and (_differ(state, saved) or any(name != module for name, module in names.items())):
            return _load_translated(backbone, folder, state, names, config, trainable)
        check_not_packed(config.modules_to_save or (), backbone, folder)
        model = PeftModel.from_pretrained(backbone, str(folder), config=config, is_trainable=trainable)
    except (RuntimeError, ValueError) as error:
        raise ModelError(
            f"{folder}: the adapter does not fit {type(backbone).__name__} ({_reason(error)}); "
            "it was trained on another base"
        ) from error
    _check_keys(model, set(state), folder)
    return model


def _used(state: Mapping[str, Tensor], backbone: nn.Module, family: Family) -> dict[str, Tensor]:
    """The adapter `state` without matrices for modules that the family leaves out, which have no effect."""
    prefix = f"{backbone.base_model_prefix}."
    return {
        key: value
        for key, value in state.items()
        if not f"{module_of(key)}.".removeprefix(prefix).startswith(family.dropped_weights)
    }


def _differ(state: Mapping[str, Tensor], saved: Mapping[str, Tensor]) -> bool:
    """Whether the tensors that are loaded are not just those in the file, which PEFT would read again."""
    return len(state) < len(saved) or any(value is not saved[key] for key, value in state.items())


def _load_translated(
    backbone: nn.Module,
    folder: Path,
    state: dict[str, Tensor],
    names: dict[str, str],
    config: LoraConfig,
    trainable: bool,
) -> PeftModel:
    """The adapter `state` of `folder` on `backbone`, whose modules it calls by the keys of `names`."""
    config.rank_pattern = translated_patterns(config.rank_pattern or {}, names)
    config.alpha_pattern = translated_patterns(config.alpha_pattern or {}, names)
    config.modules_to_save = whole_modules(state, config, names, backbone, folder)
    check_not_packed(config.modules_to_save or (), backbone, folder)
    # By full name: a pattern may have been written for the other class, and short names may match more here.
    config.target_modules = sorted({names[module_of(key)] for key in state if is_lora(key)})
    config.inference_mode = not trainable
    model = get_peft_model(backbone, config)
    translated = {
        key.replace(f"{PREFIX}{module_of(key)}", f"{PREFIX}{names[module_of(key)]}", 1): state[key] for key in state
    }
    _check_keys(model, set(translated), folder)
    set_peft_model_state_dict(model, translated)
    return model


def fill_adapter(model: PeftModel, folder: Path) -> None:
    """The adapter weights saved in `folder`, into the live adapter of `model`. Raises ModelError when they differ."""
    state = read_weights(folder / ADAPTER_WEIGHTS)
    _check_keys(model, set(state), folder)
    set_peft_model_state_dict(model, state)


def mix_adapters(model: PeftModel, weights: Mapping[Path, float]) -> None:
    """The weighted sum of several LoRA adapters in `model`, in place: W = base + sum of weight * scale * B A.

    Args:
        model: with the first folder's adapter loaded, and no other.
        weights: adapter folder -> its weight.

    Raises:
        ModelError: an adapter does not fit this base, or is a DoRA, which is not linear in its weight.
    """
    for index, (folder, weight) in enumerate(weights.items()):
        name = "default" if index == 0 else f"adapter_{index}"
        if index > 0:
            saved = set(read_weights(folder / ADAPTER_WEIGHTS))
            try:
                model.load_adapter(str(folder), adapter_name=name)
            except (RuntimeError, ValueError) as error:
                raise ModelError(f"{folder}: the adapter does not fit the others' base ({_reason(error)})") from error
            _check_keys(model, saved, folder, name)
        if getattr(model.peft_config[name], "use_dora", False) and (len(weights) > 1 or weight != 1.0):
            raise ModelError(f"{folder}: a DoRA adapter is not linear in its weight; merge it alone, with weight 1")
        config = cast(LoraConfig, model.peft_config[name])
        parts = config.modules_to_save or config.trainable_token_indices
        if parts and (len(weights) > 1 or weight != 1.0):
            raise ModelError(
                f"{folder}: trains {parts} beside LoRA, of which no weighted sum is made; merge it alone, with weight 1"
            )
        for module in model.modules():
            if isinstance(module, LoraLayer):
                module.set_scale(name, weight)
    cast(Any, model.base_model).set_adapter(list(model.peft_config))


def _check_keys(model: PeftModel, saved: set[str], folder: Path, name: str = "default") -> None:
    # Under the names that PEFT saves them by: those of DoRA's magnitudes follow a rule of their own.
    live = set(get_peft_model_state_dict(model, save_embedding_layers=False, adapter_name=name))
    unused, missing = sorted(saved - live), sorted(live - saved)
    if unused or missing:
        fault, names = ("has no place for", unused) if unused else ("needs", missing)
        base = type(model.get_base_model()).__name__
        raise ModelError(
            f"{folder}: the adapter was trained on another base or class: {base} {fault} {names[0]!r} "
            f"({len(names)} such tensor(s))"
        )


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[1] if len(lines) > 1 else first_line(error)
