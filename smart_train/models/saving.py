"""Model folders: writing them, weights under the names that other runtimes expect."""

from __future__ import annotations

import json
import math
import shutil
from collections import Counter
from pathlib import Path
from typing import Any, cast

import torch
from huggingface_hub import save_torch_state_dict
from safetensors import safe_open
from torch import Tensor, nn

from smart_train.errors import ModelError
from smart_train.models.adapter_config import has_adapter
from smart_train.models.bases import Base
from smart_train.models.family import Family
from smart_train.models.sentence_transformers_files import MODULES, module_folders, pooled_modules
from smart_train.models.smart_config import SMART_CONFIG, SmartConfig
from smart_train.models.smart_model import SmartModel
from smart_train.models.vocabulary import grow_heads
from smart_train.utils.manifest import MANIFEST

WEIGHT_SUFFIXES = (
    *(".safetensors", ".bin", ".pt", ".pth", ".gguf", ".h5", ".msgpack"),
    *(".onnx", ".onnx_data", ".data", ".ot", ".tflite"),
)
WEIGHT_INDEX = "model.safetensors.index.json"
# Names of dtypes in safetensors headers, of those that a model can be written in here.
_HEADER_DTYPES = {"F32": "float32", "BF16": "bfloat16", "F16": "float16"}
# What a folder says of itself and would be untrue of another: its weights' index, its card, the proof of its scores.
_OWN_FILES = (SMART_CONFIG, "config.json", WEIGHT_INDEX, "README.md", ".gitattributes", "parity.json", MANIFEST)


def save_model(model: SmartModel, folder: Path) -> None:
    """See `SmartModel.save_pretrained`. Files appear under their final names one by one: callers who need all or
    nothing write to a temporary folder and move it."""
    if model.owns_backbone:
        if model.quantization is not None:
            raise ModelError(
                f"{folder}: a {model.quantization} model cannot be saved; its full-precision weights are in "
                f"{model.base}"
            )
        save_merged(model, folder, trained_from=model.named_base)
        return
    folder.mkdir(parents=True, exist_ok=True)
    _forget_records(folder)
    model.pin_base()
    base = model.named_base
    if has_adapter(model.backbone):
        named = model.backbone.peft_config["default"]
        named.base_model_name_or_path, named.revision = (None, None) if base is None else (base.name, base.revision)
        # PEFT would save all embeddings where the vocabulary has grown; the base has them, and new rows are the mean.
        model.backbone.save_pretrained(str(folder), save_embedding_layers=False)
        _save_tokenizer(model.family, folder)
        (folder / "README.md").unlink(missing_ok=True)  # PEFT's template of a card; ours comes with the export
    _write_parts(model, folder, base)


def _forget_records(folder: Path) -> None:
    """Removes what a folder says of weights that are replaced now: their digests would call the new ones damaged."""
    for name in (MANIFEST, "parity.json"):
        (folder / name).unlink(missing_ok=True)


def save_merged(model: SmartModel, folder: Path, *, trained_from: Base | None = None) -> None:
    """The whole model in one folder that needs no other: weights, generation head, processor, `smart_config.json`,
    which names what it was `trained_from`."""
    folder.mkdir(parents=True, exist_ok=True)
    _forget_records(folder)
    source = Path(model.family.folder)
    save_backbone(model.backbone, folder, model.family, unused_weights(source, model.family, model.backbone))
    copy_companions(source, folder, model.family)
    if getattr(model.config, "auto_map", None) and source.resolve() != folder.resolve():
        for path in source.glob("*.py"):  # a model whose class is not in transformers is nothing without its code
            shutil.copyfile(path, folder / path.name)
    model.family.save_files(folder)
    _save_tokenizer(model.family, folder)
    _write_parts(model, folder, None, trained_from)


def _save_tokenizer(family: Family, folder: Path) -> None:
    """The tokenizer, where it has tokens beyond those of the base's; elsewhere its files are the base's."""
    if family.added_tokens:
        family.tokenizer.save_pretrained(folder)


def _write_parts(model: SmartModel, folder: Path, base: Base | None, trained_from: Base | None = None) -> None:
    if model.projection is not None:
        model.projection.save(folder)
    quantization = None if base is None else model.quantization
    SmartConfig(
        model.family.name,
        base and base.seen_from(folder),
        quantization,
        model.scoring,
        model.family.prompts,
        trained_from and trained_from.seen_from(folder),
    ).write(folder)


def save_backbone(backbone: nn.Module, folder: Path, family: Family, extra: dict[str, Tensor]) -> None:
    """Backbone weights and configuration in the layout of the checkpoint's own class.

    A base model (`Qwen3VLModel`) inside a generation class is saved with that class's prefix on every key: other
    runtimes read the class named in config.json and refuse unprefixed keys.
    """
    names = checkpoint_names(backbone, family)
    state = {names[name]: value for name, value in backbone.state_dict().items()}
    save_torch_state_dict({**state, **extra}, folder, max_shard_size="5GB")
    settings = cast(Any, backbone.config)
    config = settings.to_dict()
    config["architectures"] = settings.architectures or [type(backbone).__name__]
    dtype = str(next(backbone.parameters()).dtype).removeprefix("torch.")
    for part in (config, *(value for value in config.values() if isinstance(value, dict) and "dtype" in value)):
        part["dtype"] = dtype
        part.pop("_name_or_path", None)  # a path of this machine is nobody else's business
    (folder / "config.json").write_text(json.dumps(config, indent=2, default=str) + "\n", encoding="utf-8")


def weights_dtype(folder: Path) -> str:
    """What most numbers of the weights in `folder` are stored as, by the files' headers: "float32", "bfloat16" or
    "float16"; "float32" where they are none of these or not in safetensors files.

    Not what config.json says: older folders say nothing there, and a tool that cast the weights may have left it.
    """
    counts: Counter[str] = Counter()
    for path in sorted(folder.glob("model*.safetensors")):
        with safe_open(path, "pt") as file:
            for name in list(file.keys()):
                part = file.get_slice(name)
                counts[part.get_dtype()] += math.prod(part.get_shape())
    return _HEADER_DTYPES.get(counts.most_common(1)[0][0], "float32") if counts else "float32"


def unused_weights(folder: Path, family: Family, backbone: nn.Module) -> dict[str, Tensor]:
    """What the checkpoint in `folder` holds beyond the embedder, as the backbone's dtype and as long as its vocabulary;
    empty where nothing is.

    An embedder does not use it, but the class named in config.json wants it, and silently draws it at random. A head
    that is the embeddings once more is left out: that class ties the two where only one is stored, and takes the old
    head for the model's own where training has moved the embeddings away from it.
    """
    tensors = {}
    for path in sorted(folder.glob("model*.safetensors")):
        with safe_open(path, "pt") as file:
            names = [name for name in list(file.keys()) if is_unused(name, family, backbone)]
            names = [name for name in names if not _within(name, family.dropped_weights, backbone)]
            tensors.update({name: file.get_tensor(name) for name in names})
    embeddings = _tied_embeddings(folder, family, backbone) if tensors else None
    if embeddings is not None:
        tensors = {name: value for name, value in tensors.items() if not _same(value, embeddings)}
    tensors = {name: value.to(backbone.dtype) for name, value in tensors.items()}
    return grow_heads(tensors, cast(Any, backbone).get_input_embeddings().num_embeddings)


def _tied_embeddings(folder: Path, family: Family, backbone: nn.Module) -> Tensor | None:
    """The input embeddings as the checkpoint in `folder` stores them, where config.json ties a head to them."""
    model = cast(Any, backbone)
    if not getattr(model.config, "tie_word_embeddings", False):
        return None
    weight = model.get_input_embeddings().weight
    parameter_name = next(name for name, value in backbone.named_parameters() if value is weight)
    for path in sorted(folder.glob("model*.safetensors")):
        with safe_open(path, "pt") as file:
            for name in {parameter_name, checkpoint_names(backbone, family)[parameter_name]} & set(file.keys()):
                return file.get_tensor(name)
    return None


def _same(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and one.dtype == other.dtype and torch.equal(one, other)


def is_unused(name: str, family: Family | type[Family], backbone: nn.Module) -> bool:
    """Whether checkpoint weight `name`, with or without the backbone's prefix, is one that the family does not use."""
    return _within(name, (*family.unused_weights, *family.dropped_weights), backbone)


def _within(name: str, prefixes: tuple[str, ...], backbone: nn.Module) -> bool:
    return name.removeprefix(f"{backbone.base_model_prefix}.").startswith(prefixes)


def checkpoint_names(backbone: nn.Module, family: Family) -> dict[str, str]:
    """Name of each weight in the backbone -> its name in a checkpoint of the class that config.json names."""
    plain = type(backbone).__name__
    names = {name: name for name in backbone.state_dict()}
    if (cast(Any, backbone.config).architectures or [plain])[0] == plain:
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
        if path.suffix in (*WEIGHT_SUFFIXES, ".py") or path.name.startswith(("adapter_", "projection_")):
            continue
        if path.resolve() != (target / path.name).resolve():
            shutil.copyfile(path, target / path.name)
    if source.resolve() != target.resolve():
        for part in module_folders(source):
            shutil.copytree(source / part, target / part, dirs_exist_ok=True)
    if (source / MODULES).is_file():
        (target / MODULES).write_text(json.dumps(pooled_modules(source), indent=2) + "\n", encoding="utf-8")
    for name in ("preprocessor_config.json", "processor_config.json") if family.pixel_bounds else ():
        if (target / name).is_file():
            values = json.loads((target / name).read_text(encoding="utf-8"))
            _set_pixels(values.get("image_processor", values), family)
            (target / name).write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


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
