"""Model folders: finding and reading them; `saving` writes them.

Three kinds of folder load: backbone weights (with or without `smart_config.json`), a PEFT adapter, and a token
projection; the last two name the base they belong to.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel

from smart_train.errors import ModelError, did_you_mean, first_line, shown
from smart_train.models import token_projection
from smart_train.models.adapter_config import ADAPTER_CONFIG, check_named, check_not_stacked, has_adapter
from smart_train.models.attention import Attention, choose_attention
from smart_train.models.bases import Base
from smart_train.models.families.registry import find_family, get_family
from smart_train.models.family import Family
from smart_train.models.loaded_weights import read_from, weight_files
from smart_train.models.locating import base_dtype as base_dtype
from smart_train.models.locating import locate, locate_base
from smart_train.models.prompt_settings import PromptConfig
from smart_train.models.published_projections import read_projection
from smart_train.models.quantization import correct_for_cpu, loading_arguments
from smart_train.models.reading import check_weights, read_json, read_weights
from smart_train.models.saving import checkpoint_names, is_unused
from smart_train.models.smart_config import SmartConfig
from smart_train.models.smart_model import SmartModel
from smart_train.models.token_projection import TokenProjection
from smart_train.models.vocabulary import check_vocabulary
from smart_train.scoring import ScoringConfig
from smart_train.types import ModelInput
from smart_train.utils.model_folders import find_model

# What transformers raises for files that hold other values than it expects: a configuration with 0 heads, a pickle that
# is not one of weights.
_FAULTS = (
    OSError,
    ValueError,
    RuntimeError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    EOFError,
    pickle.UnpicklingError,
    SafetensorError,
    StrictDataclassError,
)
# transformers switches weight tying off, and torch's default dtype to the checkpoint's, for the whole process while it
# makes a model. Two threads that load at a time would leave both as the other one had them, for every later model.
_ONE_AT_A_TIME = threading.RLock()
_TRUST = "set trust_remote_code (a recipe's model.trust_remote_code: true; --trust-remote-code on the command line)"


def load_model(
    name_or_path: str,
    *,
    scoring: ScoringConfig | Mapping[str, Any] | None,
    dtype: str | torch.dtype | None,
    device: str | torch.device | None,
    revision: str | None,
    trust_remote_code: bool,
    family: str | None,
    prompts: PromptConfig | Mapping[str, Any] | None,
    attn_implementation: str | None,
    quantization: str | None = None,
    projection: str | Path | None = None,
    base: str | Path | None = None,
    trainable: bool = False,
) -> SmartModel:
    """See `SmartModel.from_pretrained`. `trainable` leaves a loaded adapter's weights open to training."""
    name_or_path = find_model(name_or_path)
    folder = locate(name_or_path, revision)
    check_named(folder)
    saved = SmartConfig.read(folder)
    named = _named_base(saved, folder, base)
    owns_weights = named is None
    base_folder = folder if named is None else locate_base(named, folder, base)
    check_not_stacked(base_folder, folder)
    for part in {folder, base_folder}:
        check_weights(part)
    inherited = saved if owns_weights else _inherit(saved, SmartConfig.read(base_folder))
    device = chosen_device(device)
    if dtype is None:
        dtype = "auto" if device.type == "cuda" else "float32"
    if not owns_weights and family is not None and saved.family not in (None, family, *get_family(family).same_weights):
        raise ModelError(
            f"{folder}: was trained as family {saved.family!r}; model.family {family!r} would give it prompts that "
            "it was not trained with. Leave model.family out"
        )
    family_class = find_family(family or inherited.family, base_folder)
    config, trusted = config_for(base_folder, family_class, trust_remote_code=trust_remote_code)
    if projection is None and (folder / token_projection.CONFIG_NAME).is_file():
        projection = folder
    files = weight_files(folder, base_folder, projection)
    stored = None if projection is None else read_projection(projection)
    told = inherited.prompts if stored is None else stored.prompts(inherited.prompts, family_class)
    reader = family_class(
        str(base_folder),
        scoring=family_class.scoring_of(scoring, inherited.scoring),
        prompts=told.replaced_by(prompts),
    )
    for role in ("query", "document"):  # what is wrong with its files is said before minutes of loading weights
        reader.featurize([ModelInput()], role)
    # Straight to its device: converted on the way, the weights would lie in main memory once for every process.
    options = {"device_map": {"": device}, **loading_arguments(quantization, reader, config, device)}
    options |= _unwrapping(base_folder, family_class, config)
    attention = choose_attention(
        attn_implementation, config, base_folder, dtype=dtype, device=device, quantized=quantization is not None
    )
    backbone = _load_backbone(base_folder, reader, dtype, trusted, options | _argument(attention))
    if (folder / ADAPTER_CONFIG).is_file():
        from smart_train.models.peft import load_adapter

        backbone = load_adapter(backbone, reader, folder, trainable=trainable)
    given = name_or_path if named is None else str(base or named.name)
    _name_base(model := SmartModel(backbone, reader, base=given), base_folder, named if base is None else None)
    if stored is not None:
        model.add_projection(stored.projection, source=projection)
    model.trained_from = saved.trained_from
    model.quantization = quantization
    model.attention_reason = attention.reason
    return read_from(files, model.to(device).eval())


def chosen_device(asked: str | torch.device | None) -> torch.device:
    """`asked`; None: the GPU when there is one. Raises ModelError for a name that torch does not know."""
    try:
        return torch.device(asked or ("cuda" if torch.cuda.is_available() else "cpu"))
    except (RuntimeError, TypeError) as error:
        raise ModelError(
            f"device {shown(asked)}: not a device of torch; choose cpu, cuda, or cuda:0 and so on"
        ) from error


def family_of(name_or_path: str, *, family: str | None = None, base: str | Path | None = None) -> Family:
    """The family by which `load_model` would read a model, with its tokenizer; nothing of the weights is read or
    fetched.

    Raises:
        ModelError: as `load_model`, where the folder's files do not show a family.
    """
    folder = locate(name_or_path, weights=False)
    saved = SmartConfig.read(folder)
    named = _named_base(saved, folder, base)
    base_folder = folder if named is None else locate_base(named, folder, base, weights=False)
    inherited = saved if named is None else _inherit(saved, SmartConfig.read(base_folder))
    family_class = find_family(family or inherited.family, base_folder)
    scoring = family_class.scoring_of(None, inherited.scoring)
    return family_class(str(base_folder), scoring=scoring, prompts=inherited.prompts)


def _named_base(saved: SmartConfig, folder: Path, given: str | Path | None) -> Base | None:
    """The base that the model in `folder` needs; None of one that holds its weights itself.

    Raises:
        ModelError: a projection names no base, or one is `given` to a model that holds its weights itself.
    """
    if saved.named_base is not None:
        return saved.named_base
    if (folder / token_projection.CONFIG_NAME).is_file() and not (folder / "config.json").is_file():
        if given is None:
            raise ModelError(
                f"{folder}: a token projection that names no base; load the base with projection={str(folder)!r}"
            )
        return Base(str(given))
    if given is not None:
        raise ModelError(f"{folder}: holds a whole model, which needs no base; leave base {str(given)!r} out")
    return None


def _name_base(model: SmartModel, folder: Path, named: Base | None) -> None:
    """Says in `model` which weights it was loaded with: those in `folder`, which `named` names, if a folder did."""
    if (named is not None and named.local) or (named is None and Path(model.base or "").is_dir()):
        model.base, model.base_weights = os.path.abspath(folder), None if named is None else named.weights
    else:
        # The commit, not the branch: that may move on, and an adapter trained on its old state would find another base.
        model.base_revision = folder.name


def model_from_config(
    folder: str,
    *,
    scoring: ScoringConfig | Mapping[str, Any] | None,
    overrides: dict[str, Any],
    init_std: float | None,
    seed: int,
    family: str | None,
    prompts: PromptConfig | Mapping[str, Any] | None,
    attn_implementation: str | None,
    trust_remote_code: bool,
) -> SmartModel:
    """See `SmartModel.from_config`."""
    located = locate(folder)
    saved = SmartConfig.read(located)
    family_class = find_family(family or saved.family, located)
    config, trusted = config_for(located, family_class, overrides=overrides, trust_remote_code=trust_remote_code)
    for part in (config, *(getattr(config, name) for name in getattr(config, "sub_configs", {}))):
        if init_std is not None and hasattr(part, "initializer_range"):
            part.initializer_range = float(init_std)  # a whole number is an error of transformers' configurations
    reader = family_class(
        str(located),
        scoring=family_class.scoring_of(scoring, saved.scoring),
        prompts=saved.prompts.replaced_by(prompts),
    )
    attention = choose_attention(attn_implementation, config, located, dtype=torch.float32, device=torch.device("cpu"))
    fault = "no model can be made from its config.json"
    with _ONE_AT_A_TIME, torch.random.fork_rng(devices=[]), library_errors(located, fault):
        torch.manual_seed(seed)
        backbone = AutoModel.from_config(config, dtype=torch.float32, trust_remote_code=trusted, **_argument(attention))
        reader.fit_backbone(backbone)
    model = SmartModel(backbone, reader, base=None)
    model.attention_reason = attention.reason
    return model.eval()


def config_for(
    folder: Path, family: type[Family], *, overrides: dict[str, Any] | None = None, trust_remote_code: bool
) -> tuple[Any, bool]:
    """The backbone's configuration in `folder` with `overrides` applied, and whether code of its own is run for
    `family`.

    Raises:
        ModelError: as `read_config`; or the family cannot read such a model; or the folder brings a model class of its
            own, which the user does not trust.
    """
    trusted = trust_remote_code and family.runs_own_code
    config = read_config(folder, overrides=overrides, trust_remote_code=trusted)
    if not family.any_backbone and config.model_type not in family.model_types:
        raise ModelError(
            f"{folder}: its config.json says model_type {config.model_type!r}, but family {family.name} reads only "
            f"{', '.join(family.model_types)}. Choose another family or another base"
        )
    if config.model_type in family.wrappers:
        config = getattr(config, family.wrappers[config.model_type][0])
    try:
        family.check_config(config)
    except ModelError as error:
        raise ModelError(f"{folder}: {error}") from error
    needed = own_class(folder, family)
    if needed and not trusted:
        raise ModelError(
            f"{folder}: this model was published with its own class ({needed} in config.json), and transformers' "
            f"for model_type {config.model_type!r} may read texts differently: read that code, then {_TRUST}. If "
            "transformers' class is the right one, remove auto_map from config.json"
        )
    return config, trusted


def _unwrapping(folder: Path, family: type[Family], config: Any) -> dict[str, Any]:
    """What transformers must be told to load the backbone, of this `config`, out of a class around it; nothing where
    `folder` holds no such class."""
    wrapper = family.wrappers.get((read_json(folder / "config.json") or {}).get("model_type", ""))
    return {} if wrapper is None else {"config": config, "key_mapping": wrapper[1]}


def own_class(folder: Path, family: type[Family]) -> str | None:
    """The class, in Python code of its own, that the model in `folder` must be run with; None where there is none.

    transformers would silently take its class of that name, whose states may not be those that the model was
    trained with: GTE-Qwen2's class lets every token see all others. A config.json that says so itself is obeyed.
    """
    stated = read_json(folder / "config.json") or {}
    class_name = _auto_map(folder, stated, "AutoModel")
    return class_name if family.runs_own_code and "is_causal" not in stated else None


def _auto_map(folder: Path, stated: Mapping[str, Any], name: str) -> str | None:
    """The class of its own that a config.json names for transformers' class `name`; None where it names none."""
    classes = stated.get("auto_map") or {}
    class_name = classes.get(name) if isinstance(classes, Mapping) else classes
    if not isinstance(class_name, str | None):
        raise ModelError(f"{folder}: auto_map in config.json does not name one FILE.CLASS for {name}; fetch it again")
    return class_name


def read_config(folder: Path, *, overrides: dict[str, Any] | None = None, trust_remote_code: bool = False) -> Any:
    """The Hugging Face configuration in `folder`, with nested `overrides` applied.

    Raises:
        ModelError: config.json is missing or unreadable, or an override names no existing key.
    """
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=trust_remote_code)
    except _FAULTS as error:
        own_code = _auto_map(folder, read_json(folder / "config.json") or {}, "AutoConfig")
        if own_code and not trust_remote_code:
            raise ModelError(
                f"{folder}: this model needs its own Python code ({own_code} in config.json), which is not run unless "
                f"you allow it: read it, then {_TRUST}"
            ) from error
        raise ModelError(f"{folder}: config.json cannot be read ({first_line(error)})") from error
    _override(config, overrides or {}, "")
    return config


def _argument(attention: Attention) -> dict[str, str]:
    """What tells transformers which attention to use; nothing where it is to choose."""
    return {"attn_implementation": attention.implementation} if attention.implementation else {}


@contextlib.contextmanager
def library_errors(folder: Path, fault: str) -> Iterator[None]:
    """What transformers raises where it cannot make or fill a model, as a ModelError that says so of `folder`."""
    try:
        yield
    except ImportError as error:
        raise ModelError(
            f"{folder}: {fault} here ({first_line(error)}); install what the message names, or, if that is a kind of "
            "attention, choose another one with attn_implementation"
        ) from error
    except _FAULTS as error:
        raise ModelError(f"{folder}: {fault} ({first_line(error)})") from error


def _load_backbone(
    folder: Path, family: Family, dtype: Any, trust_remote_code: bool, options: dict[str, Any]
) -> nn.Module:
    with _ONE_AT_A_TIME, library_errors(folder, "the weights cannot be loaded"):
        backbone, report = AutoModel.from_pretrained(
            folder, dtype=dtype, trust_remote_code=trust_remote_code, output_loading_info=True, **options
        )
    for kind in ("missing", "unexpected"):
        names = sorted(name for name in report[f"{kind}_keys"] if not is_unused(name, family, backbone))
        names = [name for name in names if not name.startswith(family.own_weights)]
        if names:
            raise ModelError(
                f"{folder}: {len(names)} {kind} weight(s) for {type(backbone).__name__}, the first {names[0]!r}; "
                "the folder is incomplete or belongs to another model class"
            )
    family.fit_backbone(backbone)
    family.add_weights(backbone)
    check_vocabulary(backbone, family.tokenizer, folder)
    correct_for_cpu(backbone)
    return backbone


def _inherit(saved: SmartConfig, base: SmartConfig) -> SmartConfig:
    """A plain PEFT adapter says nothing of scoring or prompts: its base does."""
    if saved.scoring is not None:
        return saved
    return replace(base, named_base=saved.named_base)


def _override(config: Any, overrides: dict[str, Any], path: str) -> None:
    for key, value in overrides.items():
        if not hasattr(config, key):
            hint = did_you_mean(key, config.to_dict())
            raise ModelError(f"model.from_config.overrides.{path}{key}: the configuration has no such key{hint}")
        if isinstance(value, dict) and hasattr(getattr(config, key), "to_dict"):
            _override(getattr(config, key), value, f"{path}{key}.")
        else:
            setattr(config, key, value)


def load_weights(model: SmartModel, folder: Path) -> None:
    """Weights that `save_model` wrote to `folder`, into a live model of the same shape, in place.

    Raises:
        ModelError: a tensor is missing, left over or of another shape.
    """
    if has_adapter(model.backbone):
        from smart_train.models.peft import fill_adapter

        fill_adapter(model.backbone, folder)
    elif model.owns_backbone:
        names = {saved: name for name, saved in checkpoint_names(model.backbone, model.family).items()}
        state: dict[str, Tensor] = {}
        for path in sorted(folder.glob("model*.safetensors")):
            state.update(read_weights(path))
        state = {name: value for name, value in state.items() if not is_unused(name, model.family, model.backbone)}
        report = model.backbone.load_state_dict(
            {names.get(name, name): value for name, value in state.items()}, strict=False
        )
        if report.missing_keys or report.unexpected_keys:
            raise ModelError(
                f"{folder}: the saved weights do not fit {type(model.backbone).__name__}: missing "
                f"{report.missing_keys[:3]}, unexpected {report.unexpected_keys[:3]}"
            )
    if model.projection is not None:
        saved = TokenProjection.load(folder)
        if saved.shape != model.projection.shape:
            raise ModelError(f"{folder}: its projection is {saved.shape}, the model's {model.projection.shape}")
        model.projection.load_state_dict(saved.state_dict())
