"""What an adapter's `adapter_config.json` asks for: read for a backbone without a head, or refused by name.

Most adapters on the Hub were trained with a head on top (CAUSAL_LM, SEQ_2_SEQ_LM). The head plays no part in LoRA, but
PEFT looks for it in the model and fails without. What is trained beside LoRA is read by `adapter_parts`. Other kinds of
adapters are refused: an embedder that left a part out would be another model, silently.

PEFT is imported where an adapter is met, and nowhere before: it takes seconds, most of them for bitsandbytes.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from smart_train.errors import ModelError, shown
from smart_train.models.bases import Base
from smart_train.models.reading import read_json

if TYPE_CHECKING:
    from peft import LoraConfig, PeftModel
    from typing_extensions import TypeIs

ADAPTER_CONFIG = "adapter_config.json"
_MERGE = "merge it into its base with PEFT (merge_and_unload), and load the merged model"


def has_adapter(backbone: nn.Module) -> TypeIs[PeftModel]:
    """Whether PEFT's class is around `backbone`; none can be where nobody has imported PEFT yet."""
    peft = sys.modules.get("peft")
    return peft is not None and isinstance(backbone, peft.PeftModel)


def read_adapter_config(folder: Path) -> LoraConfig:
    """The LoRA that `folder` describes, for a backbone without a head.

    Raises:
        ModelError: it is not LoRA.
    """
    from peft import LoraConfig, PeftConfig

    values = read_json(folder / ADAPTER_CONFIG) or {}
    kind = values.get("peft_type")
    if kind != "LORA":
        raise ModelError(f"{folder}: peft_type {shown(kind)} in {ADAPTER_CONFIG}; only LORA is read; {_MERGE}")
    try:
        config = PeftConfig.from_pretrained(str(folder))
    except (TypeError, ValueError, KeyError) as error:
        raise ModelError(f"{folder}: {ADAPTER_CONFIG} cannot be read by this version of PEFT ({error})") from error
    assert isinstance(config, LoraConfig), "PEFT's class for LORA"
    config.task_type = "FEATURE_EXTRACTION"
    return config


def base_named_in(folder: Path) -> Base | None:
    """The base that the plain PEFT adapter in `folder` names; None without an adapter or a name.

    Raises:
        TypeError: a value is not text.
    """
    values = read_json(folder / ADAPTER_CONFIG) or {}
    return Base.read(
        {"base": values.get("base_model_name_or_path"), "base_revision": values.get("revision")}, ours=False
    )


def trains_beside(folder: Path) -> dict[str, Any]:
    """What the adapter in `folder` trains beside LoRA, by PEFT's names of it; empty where that is nothing.

    Raises:
        ModelError: its adapter_config.json cannot be read.
    """
    values = read_json(folder / ADAPTER_CONFIG) or {}
    return {key: values[key] for key in ("modules_to_save", "trainable_token_indices") if values.get(key)}


def check_not_stacked(base: Path, adapter: Path) -> None:
    """Raises ModelError where the base of `adapter`, in the folder `base`, is an adapter itself."""
    if (base / ADAPTER_CONFIG).is_file() and not (base / "config.json").is_file():
        raise ModelError(
            f"{adapter}: its base {base} is an adapter itself, and one adapter over another is not read; merge that "
            "one first (smart-train export), and train or load this one on the merged model"
        )


def check_named(folder: Path) -> None:
    """Raises ModelError for a folder of adapters that PEFT saved under names, each in a folder of its own."""
    if (folder / ADAPTER_CONFIG).is_file() or (folder / "config.json").is_file():
        return
    names = sorted(path.parent.name for path in folder.glob(f"*/{ADAPTER_CONFIG}"))
    if names:
        raise ModelError(
            f"{folder}: holds adapters under the names {', '.join(names)}; name the folder of one: {folder / names[0]}"
        )


def translated_patterns(pattern: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """`rank_pattern` or `alpha_pattern` for modules that this backbone names otherwise.

    Left as it is, a pattern that is a full name would match nothing here, and the module take the common rank and
    scale.

    Args:
        names: the modules' names in the adapter -> in the backbone.
    """
    from peft.utils.other import get_pattern_key

    keys = {module: get_pattern_key(list(pattern), name) for name, module in names.items()}
    return {f"^{re.escape(module)}": pattern[key] for module, key in keys.items() if key in pattern}
