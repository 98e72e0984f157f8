"""Model folders: finding and reading them; `saving` writes them.

Three kinds of folder load: backbone weights (with or without `smart_config.json`), a PEFT adapter, and a token
projection; the last two name the base they belong to.
"""

from __future__ import annotations

import contextlib
import os
import pickle
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import (
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    StrictDataclassError,
)
from peft import PeftModel
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel

from smart_train.errors import ModelError, did_you_mean, first_line
from smart_train.models import heads
from smart_train.models.families.registry import find_family
from smart_train.models.family import Family, PromptConfig
from smart_train.models.heads import TokenProjection
from smart_train.models.peft import ADAPTER_CONFIG, fill_adapter, load_adapter
from smart_train.models.published import read_projection
from smart_train.models.quantization import keep_gradients, loading_arguments
from smart_train.models.reading import read_json, read_weights
from smart_train.models.saving import WEIGHT_SUFFIXES, checkpoint_names, is_unused, weights_dtype
from smart_train.models.smart_config import SmartConfig
from smart_train.models.smart_model import SmartModel
from smart_train.models.vocabulary import check_vocabulary
from smart_train.scoring import ScoringConfig
from smart_train.types import ModelInput
from smart_train.utils.retries import persist

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
_TRUST = "set trust_remote_code (a recipe's model.trust_remote_code: true; --trust-remote-code on the command line)"


def locate(name_or_path: str, revision: str | None = None, *, weights: bool = True) -> Path:
    """The local folder of a model: `name_or_path` itself, or a snapshot of that Hub repository, of its configuration
    and processor alone where `weights` is False.

    Raises:
        ModelError: neither a folder nor a repository that can be reached.
    """
    folder = Path(name_or_path)
    if folder.is_dir():
        return folder
    if folder.is_absolute() or name_or_path.startswith(".") or name_or_path.count("/") > 1:
        raise ModelError(f"{name_or_path}: no such folder (current directory: {os.getcwd()})")
    try:
        # Weights in other formats than safetensors are left on the Hub: nothing here reads them.
        ignore = [f"*{suffix}" for suffix in WEIGHT_SUFFIXES if not weights or suffix != ".safetensors"]
        return Path(persist(lambda: snapshot_download(name_or_path, revision=revision, ignore_patterns=ignore)))
    except RepositoryNotFoundError as error:
        raise ModelError(f"{name_or_path}: neither a local folder nor a Hub repository you can read") from error
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        reason = first_line(error)
        raise ModelError(
            f"{name_or_path}: not a local folder, and it could not be fetched from the Hub ({reason})"
        ) from error


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
    trainable: bool = False,
) -> SmartModel:
    """See `SmartModel.from_pretrained`. `trainable` leaves a loaded adapter's weights open to training."""
    folder = locate(name_or_path, revision)
    saved = SmartConfig.read(folder)
    owns_weights = saved.base is None
    if owns_weights and (folder / heads.CONFIG_NAME).is_file() and not (folder / "config.json").is_file():
        raise ModelError(
            f"{folder}: a token projection that names no base; load the base with projection={str(folder)!r}"
        )
    base_folder = folder if owns_weights else locate_base(saved, folder)
    inherited = saved if owns_weights else _inherit(saved, SmartConfig.read(base_folder))
    device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    if dtype is None:
        dtype = "auto" if device.type == "cuda" else "float32"
    if not owns_weights and family is not None and saved.family not in (None, family):
        raise ModelError(
            f"{folder}: was trained as family {saved.family!r} ; model.family {family!r} would give it prompts that "
            "it was not trained with. Leave model.family out"
        )
    family_class = find_family(family or inherited.family, base_folder)
    config, trusted = config_for(base_folder, family_class, trust_remote_code=trust_remote_code)
    if projection is None and (folder / heads.CONFIG_NAME).is_file():
        projection = folder
    stored = None if projection is None else read_projection(projection)
    told = inherited.prompts if stored is None else stored.prompts(inherited.prompts, family_class)
    reader = family_class(
        str(base_folder),
        scoring=family_class.scoring_of(scoring, inherited.scoring),
        prompts=told.replaced_by(prompts),
    )
    reader.featurize([ModelInput()], "query")  # what is wrong with its files is said before minutes of loading weights
    # Straight to its device: converted on the way, the weights would lie in main memory once for every process.
    options = {"device_map": {"": device}, **loading_arguments(quantization, reader, config, device)}
    backbone = _load_backbone(base_folder, reader, dtype, trusted, options | _attention(attn_implementation))
    if (folder / ADAPTER_CONFIG).is_file():
        backbone = load_adapter(backbone, reader, folder, trainable=trainable)
    base = name_or_path if owns_weights else saved.base
    model = SmartModel(backbone, reader, base=base)
    if stored is not None:
        model.add_projection(stored.projection, source=projection)
    # The commit, not the branch: that may move on, and an adapter trained on its old state would find another base.
    own_revision = revision if Path(name_or_path).is_dir() else folder.name
    model.base_revision = own_revision if owns_weights else saved.base_revision
    model.quantization = quantization
    return model.to(device).eval()


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
            part.initializer_range = init_std
    attention = _attention(attn_implementation)
    with torch.random.fork_rng(devices=[]), library_errors(located, "no model can be made from its config.json"):
        torch.manual_seed(seed)
        backbone = AutoModel.from_config(config, dtype=torch.float32, trust_remote_code=trusted, **attention)
    reader = family_class(
        str(located),
        scoring=family_class.scoring_of(scoring, saved.scoring),
        prompts=saved.prompts.replaced_by(prompts),
    )
    reader.fit_backbone(backbone)
    return SmartModel(backbone, reader, base=None).eval()


def config_for(
    folder: Path, family: type[Family], *, overrides: dict[str, Any] | None = None, trust_remote_code: bool
) -> tuple[Any, bool]:
    """The configuration in `folder` with `overrides` applied, and whether code of its own is run for `family`.

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
    needed = own_class(folder, family)
    if needed and not trusted:
        raise ModelError(
            f"{folder}: this model was published with its own class ({needed} in config.json), and transformers' "
            f"for model_type {config.model_type!r} may read texts differently: read that code, then {_TRUST}. If "
            "transformers' class is the right one, remove auto_map from config.json"
        )
    return config, trusted


def own_class(folder: Path, family: type[Family]) -> str | None:
    """The class, in Python code of its own, that the model in `folder` must be run with; None where there is none.

    transformers would silently take its class of that name, whose states may not be those that the model was
    trained with: GTE-Qwen2's class lets every token see all others. A config.json that says so itself is obeyed.
    """
    stated = read_json(folder / "config.json") or {}
    found = _auto_map(folder, stated, "AutoModel")
    return found if family.runs_own_code and "is_causal" not in stated else None


def _auto_map(folder: Path, stated: Mapping[str, Any], name: str) -> str | None:
    """The class of its own that a config.json names for transformers' class `name`; None where it names none."""
    classes = stated.get("auto_map") or {}
    found = classes.get(name) if isinstance(classes, Mapping) else classes
    if not isinstance(found, str | None):
        raise ModelError(f"{folder}: auto_map in config.json does not name one FILE.CLASS for {name}; fetch it again")
    return found


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
    text, vision = config.get_text_config(), getattr(config, "vision_config", None)
    width = getattr(vision, "out_hidden_size", None)
    if width is not None and width != text.hidden_size:
        raise ModelError(
            f"{folder}: vision_config.out_hidden_size {width} must equal text_config.hidden_size {text.hidden_size}"
        )
    return config


def _attention(implementation: str | None) -> dict[str, str]:
    """What tells transformers which attention to use; nothing where it is to choose."""
    return {"attn_implementation": implementation} if implementation else {}


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
    with library_errors(folder, "the weights cannot be loaded"):
        backbone, report = AutoModel.from_pretrained(
            folder, dtype=dtype, trust_remote_code=trust_remote_code, output_loading_info=True, **options
        )
    for kind in ("missing", "unexpected"):
        names = sorted(name for name in report[f"{kind}_keys"] if not is_unused(name, family, backbone))
        if names:
            raise ModelError(
                f"{folder}: {len(names)} {kind} weight(s) for {type(backbone).__name__}, the first {names[0]!r}; "
                "the folder is incomplete or belongs to another model class"
            )
    family.fit_backbone(backbone)
    family.add_weights(backbone)
    check_vocabulary(backbone, family.text_tokenizer, folder)
    keep_gradients(backbone)
    return backbone


def locate_base(saved: SmartConfig, folder: Path) -> Path:
    """Where the base that `saved`, read in `folder`, names lies here. Raises ModelError where it cannot be found."""
    assert saved.base is not None, "a folder that holds its weights names no base"
    base = Path(saved.base)
    # A run folder that moved as a whole keeps its base beside it. Only a base on the Hub has a revision, and a folder
    # that happens to bear its name is not it.
    for candidate in (base, folder / base, folder.parent / base.name) if saved.base_revision is None else ():
        if candidate.is_dir():
            return candidate
    try:
        return locate(saved.base, saved.base_revision)
    except ModelError as error:
        raise ModelError(f"{folder}: its base model cannot be found. {error}") from error


def base_dtype(name_or_path: str, revision: str | None = None) -> str:
    """What the weights of a model, or of the base that an adapter or projection names, are stored as; see
    `weights_dtype`. Raises ModelError where they cannot be found."""
    folder = locate(name_or_path, revision)
    saved = SmartConfig.read(folder)
    return weights_dtype(folder if saved.base is None else locate_base(saved, folder))


def _inherit(saved: SmartConfig, base: SmartConfig) -> SmartConfig:
    """A plain PEFT adapter says nothing of scoring or prompts: its base does."""
    if saved.scoring is not None:
        return saved
    return replace(base, base=saved.base, base_revision=saved.base_revision)


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
    if isinstance(model.backbone, PeftModel):
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
