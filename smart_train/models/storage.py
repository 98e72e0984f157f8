"""Model folders: finding, reading and writing them.

Three kinds of folder load: backbone weights (with or without `smart_config.json`), a PEFT adapter, and a token
projection; the last two name the base they belong to.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass, replace
from difflib import get_close_matches
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import save_torch_state_dict, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError
from peft import PeftModel
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel

from smart_train.errors import ModelError
from smart_train.models import heads
from smart_train.models.embedder_files import module_folders
from smart_train.models.family import Family, PromptConfig
from smart_train.models.heads import TokenProjection
from smart_train.models.peft import ADAPTER_CONFIG, fill_adapter, load_adapter
from smart_train.models.quantization import keep_gradients, loading_arguments
from smart_train.models.registry import find_family
from smart_train.models.smart_model import SmartModel
from smart_train.scoring import ScoringConfig

SMART_CONFIG = "smart_config.json"
FORMAT = 1
_WEIGHT_SUFFIXES = (".safetensors", ".bin", ".pt", ".pth", ".gguf", ".onnx", ".h5", ".msgpack")
_WEIGHT_INDEX = "model.safetensors.index.json"
# What a folder says of itself and would be untrue of another: its weights' index, its card, the proof of its scores.
_OWN_FILES = (SMART_CONFIG, "config.json", _WEIGHT_INDEX, "README.md", ".gitattributes", "parity.json")


@dataclass(frozen=True)
class SmartConfig:
    """`smart_config.json`: how a folder's model reads its inputs and scores.

    Args:
        base: folder or Hub id of the backbone's weights; None when they lie in the same folder.
        base_revision: commit, branch or tag of a Hub base.
        quantization: how the base was held when an adapter or projection was trained on it; None in full precision.
    """

    family: str | None = None
    base: str | None = None
    base_revision: str | None = None
    quantization: str | None = None
    scoring: ScoringConfig | None = None
    prompts: PromptConfig = PromptConfig()

    @classmethod
    def read(cls, folder: Path) -> SmartConfig:
        """The file in `folder`; a folder without one is a plain backbone or a plain PEFT adapter."""
        path = folder / SMART_CONFIG
        if not path.is_file():
            adapter = folder / ADAPTER_CONFIG
            if not adapter.is_file():
                return cls()
            named = json.loads(adapter.read_text())
            return cls(base=named.get("base_model_name_or_path"), base_revision=named.get("revision"))
        try:
            values = json.loads(path.read_text())
        except json.JSONDecodeError as error:
            raise ModelError(f"{path}: not valid JSON ({error})") from error
        if values.get("format") != FORMAT:
            raise ModelError(f"{path}: format {values.get('format')!r}; this version reads format {FORMAT}")
        return cls(
            family=values["family"],
            base=values["base"],
            base_revision=values["base_revision"],
            quantization=values.get("quantization"),
            scoring=ScoringConfig.from_dict(values["scoring"]),
            prompts=PromptConfig(**values["prompts"]),
        )

    def write(self, folder: Path) -> None:
        assert self.scoring is not None
        values = {
            "format": FORMAT,
            "family": self.family,
            "base": self.base,
            "base_revision": self.base_revision,
            "quantization": self.quantization,
            "scoring": self.scoring.to_dict(),
            "prompts": self.prompts.to_dict(),
            "versions": {name: version(name) for name in ("smart_train", "transformers", "torch", "peft")},
        }
        (folder / SMART_CONFIG).write_text(json.dumps(values, indent=2) + "\n")


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
        ignore = [f"*{suffix}" for suffix in _WEIGHT_SUFFIXES if not weights or suffix != ".safetensors"]
        return Path(snapshot_download(name_or_path, revision=revision, ignore_patterns=ignore))
    except RepositoryNotFoundError as error:
        raise ModelError(f"{name_or_path}: neither a local folder nor a Hub repository you can read") from error
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"{name_or_path}: not a local folder, and the Hub gave nothing ({reason})") from error


def load_model(
    name_or_path: str,
    *,
    scoring: ScoringConfig | None,
    dtype: str | torch.dtype | None,
    device: str | torch.device | None,
    revision: str | None,
    trust_remote_code: bool,
    family: str | None,
    prompts: PromptConfig | None,
    attn_implementation: str | None,
    quantization: str | None = None,
    trainable: bool = False,
) -> SmartModel:
    """See `SmartModel.from_pretrained`. `trainable` leaves a loaded adapter's weights open to training."""
    folder = locate(name_or_path, revision)
    saved = SmartConfig.read(folder)
    owns_weights = saved.base is None
    base_folder = folder if owns_weights else _locate_base(saved, folder)
    inherited = saved if owns_weights else _inherit(saved, SmartConfig.read(base_folder))
    device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    if dtype is None:
        dtype = "auto" if device.type == "cuda" else "float32"
    config = read_config(base_folder, trust_remote_code=trust_remote_code)
    family_class = find_family(family or inherited.family, config, base_folder)
    reader = family_class(
        str(base_folder),
        scoring=scoring or inherited.scoring or family_class.default_scoring,
        prompts=prompts or inherited.prompts,
    )
    options = loading_arguments(quantization, reader, config, device)
    if attn_implementation:
        options["attn_implementation"] = attn_implementation
    backbone = _load_backbone(base_folder, reader, dtype, trust_remote_code, options)
    if (folder / ADAPTER_CONFIG).is_file():
        backbone = load_adapter(backbone, folder, trainable=trainable)
    projection = None
    if (folder / heads.CONFIG_NAME).is_file():
        projection = TokenProjection.load(folder, hidden_size=backbone.config.get_text_config().hidden_size)
    base = name_or_path if owns_weights else saved.base
    model = SmartModel(backbone, reader, base=base, projection=projection)
    # The commit, not the branch: that may move on, and an adapter trained on its old state would find another base.
    own_revision = revision if Path(name_or_path).is_dir() else folder.name
    model.base_revision = own_revision if owns_weights else saved.base_revision
    model.quantization = quantization
    return model.to(device).eval()


def model_from_config(
    folder: str,
    *,
    scoring: ScoringConfig | None,
    overrides: dict[str, Any],
    init_std: float | None,
    seed: int,
    family: str | None,
    prompts: PromptConfig | None,
    attn_implementation: str | None,
) -> SmartModel:
    """See `SmartModel.from_config`."""
    located = locate(folder)
    config = read_config(located, overrides=overrides)
    for part in (config, *(getattr(config, name) for name in getattr(config, "sub_configs", {}))):
        if init_std is not None and hasattr(part, "initializer_range"):
            part.initializer_range = init_std
    saved = SmartConfig.read(located)
    family_class = find_family(family or saved.family, config, located)
    kwargs = {"attn_implementation": attn_implementation} if attn_implementation else {}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        backbone = AutoModel.from_config(config, dtype=torch.float32, **kwargs)
    reader = family_class(
        str(located), scoring=scoring or saved.scoring or family_class.default_scoring, prompts=prompts or saved.prompts
    )
    reader.fit_backbone(backbone)
    return SmartModel(backbone, reader, base=None).eval()


def read_config(folder: Path, *, overrides: dict[str, Any] | None = None, trust_remote_code: bool = False) -> Any:
    """The Hugging Face configuration in `folder`, with nested `overrides` applied.

    Raises:
        ModelError: config.json is missing or unreadable, or an override names no existing key.
    """
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=trust_remote_code)
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"{folder}: config.json cannot be read ({str(error).splitlines()[0]})") from error
    _override(config, overrides or {}, "")
    text, vision = config.get_text_config(), getattr(config, "vision_config", None)
    width = getattr(vision, "out_hidden_size", None)
    if width is not None and width != text.hidden_size:
        raise ModelError(
            f"{folder}: vision_config.out_hidden_size {width} must equal text_config.hidden_size {text.hidden_size}"
        )
    return config


def save_model(model: SmartModel, folder: Path) -> None:
    """See `SmartModel.save_pretrained`. Files appear under their final names one by one: callers who need all or
    nothing write to a temporary folder and move it."""
    if not isinstance(model.backbone, PeftModel) and not (model.backbone_frozen and model.base is not None):
        if model.quantization is not None:
            raise ModelError(
                f"{folder}: a {model.quantization} model is not saved; its full-precision weights are {model.base}"
            )
        save_merged(model, folder)
        return
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(model.backbone, PeftModel):
        model.backbone.peft_config["default"].base_model_name_or_path = model.base
        model.backbone.save_pretrained(str(folder))
        (folder / "README.md").unlink(missing_ok=True)  # PEFT's template of a card; ours comes with the export
    _write_parts(model, folder, base=model.base, base_revision=model.base_revision)


def save_merged(model: SmartModel, folder: Path) -> None:
    """The whole model in one folder that needs no other: weights, generation head, processor, `smart_config.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    source = Path(model.family.folder)
    save_backbone(model.backbone, folder, model.family, unused_weights(source, model.family, model.backbone))
    copy_companions(source, folder, model.family)
    _write_parts(model, folder, base=None, base_revision=None)


def _write_parts(model: SmartModel, folder: Path, *, base: str | None, base_revision: str | None) -> None:
    if model.projection is not None:
        model.projection.save(folder)
    quantization = None if base is None else model.quantization
    SmartConfig(model.family.name, base, base_revision, quantization, model.scoring, model.family.prompts).write(folder)


def save_backbone(backbone: nn.Module, folder: Path, family: Family, extra: dict[str, Tensor]) -> None:
    """Backbone weights and configuration in the layout of the checkpoint's own class.

    A base model (`Qwen3VLModel`) inside a generation class is saved with that class's prefix on every key: other
    runtimes read the class named in config.json and refuse unprefixed keys.
    """
    names = checkpoint_names(backbone, family)
    state = {names[name]: value for name, value in backbone.state_dict().items()}
    save_torch_state_dict({**state, **extra}, folder, max_shard_size="5GB")
    config = backbone.config.to_dict()
    config["architectures"] = backbone.config.architectures or [type(backbone).__name__]
    dtype = str(next(backbone.parameters()).dtype).removeprefix("torch.")
    for part in (config, *(value for value in config.values() if isinstance(value, dict) and "dtype" in value)):
        part["dtype"] = dtype
        part.pop("_name_or_path", None)  # a path of this machine is nobody else's business
    (folder / "config.json").write_text(json.dumps(config, indent=2, default=str) + "\n")


def unused_weights(folder: Path, family: Family, backbone: nn.Module) -> dict[str, Tensor]:
    """What the checkpoint in `folder` holds beyond the embedder, as the backbone's dtype; empty where nothing is.

    An embedder does not use it, but the class named in config.json wants it, and draws it at random without a word.
    """
    tensors = {}
    for path in sorted(folder.glob("model*.safetensors")):
        with safe_open(path, "pt") as file:
            names = [name for name in list(file.keys()) if is_unused(name, family, backbone)]
            tensors.update({name: file.get_tensor(name).to(backbone.dtype) for name in names})
    return tensors


def is_unused(name: str, family: Family, backbone: nn.Module) -> bool:
    """Whether checkpoint weight `name`, with or without the backbone's prefix, is one that the family does not use."""
    return name.removeprefix(f"{backbone.base_model_prefix}.").startswith(family.unused_weights)


def checkpoint_names(backbone: nn.Module, family: Family) -> dict[str, str]:
    """Name of each weight in the backbone -> its name in a checkpoint of the class that config.json names."""
    plain = type(backbone).__name__
    names = {name: name for name in backbone.state_dict()}
    if (backbone.config.architectures or [plain])[0] == plain:
        return names
    # Older classes write their parts under other names than transformers has for them today.
    layout = family.checkpoint_layout or (("", f"{backbone.base_model_prefix}."),)
    for name in names:
        inside, saved = next(pair for pair in layout if name.startswith(pair[0]))
        names[name] = saved + name.removeprefix(inside)
    return names


def copy_companions(source: Path, target: Path, family: Family) -> None:
    """Processor, tokenizer and template files of a model folder, byte for byte but for the pixel limits in force.

    Copying was chosen over `processor.save_pretrained`: without torchvision the processor in memory lacks its video
    half, and saving it would lose files that the checkpoint came with.
    """
    for path in sorted(source.iterdir()):
        if path.is_dir() or path.name in _OWN_FILES:
            continue
        if path.suffix in (*_WEIGHT_SUFFIXES, ".py") or path.name.startswith(("adapter_", "projection_")):
            continue
        if path.resolve() != (target / path.name).resolve():
            shutil.copyfile(path, target / path.name)
    for part in module_folders(source):
        shutil.copytree(source / part, target / part, dirs_exist_ok=True)
    for name in ("preprocessor_config.json", "processor_config.json"):
        if (target / name).is_file():
            values = json.loads((target / name).read_text())
            _set_pixels(values.get("image_processor", values), family)
            (target / name).write_text(json.dumps(values, indent=2) + "\n")


def _set_pixels(values: dict[str, Any], family: Family) -> None:
    smallest = family.prompts.min_pixels or family.default_min_pixels
    largest = family.prompts.max_pixels or family.default_max_pixels
    limits = (("shortest_edge", "min_pixels", smallest), ("longest_edge", "max_pixels", largest))
    for edge, key, pixels in limits:
        if pixels is not None:
            if isinstance(values.get("size"), dict):
                values["size"][edge] = pixels
            if key in values or not isinstance(values.get("size"), dict):
                values[key] = pixels


def _load_backbone(
    folder: Path, family: Family, dtype: Any, trust_remote_code: bool, options: dict[str, Any]
) -> nn.Module:
    try:
        backbone, report = AutoModel.from_pretrained(
            folder, dtype=dtype, trust_remote_code=trust_remote_code, output_loading_info=True, **options
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelError(f"{folder}: the weights cannot be loaded ({str(error).splitlines()[0]})") from error
    for kind in ("missing", "unexpected"):
        names = sorted(name for name in report[f"{kind}_keys"] if not is_unused(name, family, backbone))
        if names:
            raise ModelError(
                f"{folder}: {len(names)} {kind} weight(s) for {type(backbone).__name__}, the first {names[0]!r}; "
                "the folder is incomplete or belongs to another model class"
            )
    family.fit_backbone(backbone)
    keep_gradients(backbone)
    return backbone


def _locate_base(saved: SmartConfig, folder: Path) -> Path:
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


def _inherit(saved: SmartConfig, base: SmartConfig) -> SmartConfig:
    """A plain PEFT adapter says nothing of scoring or prompts: its base does."""
    if saved.scoring is not None:
        return saved
    return replace(base, base=saved.base, base_revision=saved.base_revision)


def _override(config: Any, overrides: dict[str, Any], path: str) -> None:
    for key, value in overrides.items():
        if not hasattr(config, key):
            near = get_close_matches(key, config.to_dict(), n=1)
            hint = f", did you mean {near[0]}?" if near else ""
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
    elif not (model.backbone_frozen and model.base is not None):
        names = {saved: name for name, saved in checkpoint_names(model.backbone, model.family).items()}
        state: dict[str, Tensor] = {}
        for path in sorted(folder.glob("model*.safetensors")):
            state.update(load_file(path))
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
        saved = TokenProjection.load(folder, hidden_size=model.hidden_size)
        model.projection.load_state_dict(saved.state_dict())
