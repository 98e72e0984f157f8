"""The files by which sentence-transformers reads an exported folder, as either of its two classes.

In the plain layout `SentenceTransformer(DIR)` pools and normalises; `MultiVectorEncoder(DIR)` drops that half and keeps
the token half: the projection (or an identity, without which it would put a random head there) and the token filter.
Module and key names: sentence-transformers 6.2. The first three modules have their old names, by which other servers
find the pooling; those of the token half have new ones, because such a server applies every Dense that it knows
to the pooled vector (github.com/vllm-project/vllm, `_load_st_projector`).

Where the plain layout cannot express a model, the other one names the modules of `smart_train.serving.embedder`; the
package must then be installed where the folder is read.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import save_file
from torch import Tensor

from smart_train.models import SmartModel, TokenProjection
from smart_train.models.dense_layers import SERVED_DENSE
from smart_train.models.family import Role
from smart_train.models.reading import read_json_value
from smart_train.models.sentence_transformers_files import LIMITS, MODULES, SETTINGS

_OLD = "sentence_transformers.models."
_DENSE = "sentence_transformers.base.modules.dense.Dense"
_NORMALIZE = "sentence_transformers.base.modules.normalize.Normalize"
_MASK = "sentence_transformers.multi_vector_encoder.modules.MultiVectorMask"
# A string and no import: the module needs sentence-transformers, which an export does not.
_OWN = "smart_train.serving.embedder."
_POOLING = {
    "mean": "pooling_mode_mean_tokens",
    "cls": "pooling_mode_cls_token",
    "last": "pooling_mode_lasttoken",
}
_TOKENS = "token_embeddings"
_ROLES: tuple[Role, Role] = ("query", "document")


class _Module(NamedTuple):
    kind: str
    config: dict[str, Any]
    weights: dict[str, Tensor] | None = None


def plain_obstacle(model: SmartModel) -> str | None:
    """Why the library's own modules do not give this model's pooled vector and kept tokens; None where they do."""
    scoring, family = model.scoring, model.family
    if family.embedder_obstacle is not None:
        return family.embedder_obstacle
    if family.token_head is not None and model.projection is not None:
        return (
            "MultiVectorEncoder puts tokens through the Dense layer of the pooled vector, but the token projection "
            "reads states as they are"
        )
    if model.needs_hidden_states:
        layers = ", ".join(map(str, model.token_layers))
        return f"tokens are made of hidden state {layers}, but MultiVectorEncoder reads only the last one"
    if scoring.query_tokens == "visual":
        return "scoring.query_tokens is visual, but MultiVectorEncoder can select tokens by kind only for documents"
    if scoring.pooled_token == "drop" and not family.pools_special_token:
        return "scoring.pooled_token is drop, but MultiVectorEncoder cannot leave out a position"
    if scoring.pooled_token == "drop" and "all" in (scoring.query_tokens, scoring.document_tokens):
        return "scoring.pooled_token is drop with token filter all, but MultiVectorEncoder cannot leave out a position"
    return None


def needs_smart_train(folder: Path) -> bool:
    """Whether the layout in `folder` names modules of smart_train, and nothing else: that alone may be trusted in a
    folder of somebody else's."""
    kinds = {entry["type"] for entry in read_json_value(folder / MODULES) or []}
    return bool(kinds) and kinds <= {f"{_OWN}Transformer", f"{_OWN}Tokens"}


def write_layout(model: SmartModel, folder: Path, *, plain: bool) -> None:
    """Puts a layout beside the weights in `folder`, in place of any that is there.

    Args:
        model: as exported.
        plain: of the library's own modules, for which `plain_obstacle` must be None; else of smart_train's.
    """
    remove_layout(folder)
    modules = _plain(model) if plain else _own(model)
    entries = []
    for index, module in enumerate(modules):
        path = f"{index}_{module.kind.rsplit('.', 1)[-1]}" if index else ""
        entries.append({"idx": index, "name": str(index), "path": path, "type": module.kind})
        if index == 0:
            _write_json(folder / LIMITS, module.config)
            continue
        (folder / path).mkdir()
        _write_json(folder / path / "config.json", module.config)
        if module.weights is not None:
            save_file(module.weights, folder / path / "model.safetensors", {"format": "pt"})
    _write_json(folder / MODULES, entries)
    prompts = {role: model.family.embedder_prompt(role) for role in _ROLES}
    settings = {
        # The one type that both classes open; a folder typed MultiVectorEncoder is mean-pooled by the other.
        "model_type": "SentenceTransformer",
        "__version__": {"sentence_transformers": "6.0.0"},
        "prompts": {role: prompt for role, prompt in prompts.items() if prompt is not None},
        "default_prompt_name": None,
        "similarity_fn_name": "meanmaxsim",  # SentenceTransformer passes over it, to the cosine
    }
    _write_json(folder / SETTINGS, settings)


def remove_layout(folder: Path) -> None:
    """Removes every file of a layout from `folder`, also those that another tool wrote."""
    entries = json.loads((folder / MODULES).read_text(encoding="utf-8")) if (folder / MODULES).is_file() else []
    for entry in entries:
        part = (folder / entry["path"]).resolve()
        if part.parent == folder.resolve():  # somebody else's file may name any path
            shutil.rmtree(part, ignore_errors=True)
    for name in (MODULES, SETTINGS, LIMITS):
        (folder / name).unlink(missing_ok=True)


def _plain(model: SmartModel) -> list[_Module]:
    pooling = model.family.pooling
    assert pooling is not None, "a family without the name of its pooling has an obstacle to the plain layout"
    return [
        _Module(f"{_OLD}Transformer", _transformer(model)),
        _Module(f"{_OLD}Pooling", {"word_embedding_dimension": model.hidden_size, _POOLING[pooling]: True}),
        *_pooled_head(model),
        _Module(f"{_OLD}Normalize", {}),
        *_token_head(model),
        *_masks(model),
    ]


def _own(model: SmartModel) -> list[_Module]:
    limits: dict[str, Any] = {"max_seq_length": model.family.max_length}
    if model.family.reads_layout:  # no module says its pooling then
        limits |= {"do_lower_case": model.family.lower_case, "pooling": model.family.pooling}
    width = model.hidden_size if model.projection is None else model.projection.dim
    tokens = _Module(f"{_OWN}Tokens", {"width": width, "module_input_name": _TOKENS})
    return [_Module(f"{_OWN}Transformer", limits), tokens]


def _transformer(model: SmartModel) -> dict[str, Any]:
    """sentence_bert_config.json: which inputs go where, and how a prompt is rendered."""
    output = {"method": "forward", "method_output_name": "last_hidden_state"}
    config: dict[str, Any] = {"max_seq_length": model.family.max_length}
    if model.family.modalities == ("text",):
        # No more than older versions know: text is what they take a folder to be for.
        return {**config, "do_lower_case": model.family.lower_case}
    return {
        **config,
        "transformer_task": "feature-extraction",
        "modality_config": {"text": output, "image": output, "message": {**output, "format": "structured"}},
        "module_output_name": _TOKENS,
        "processing_kwargs": {"chat_template": {"add_generation_prompt": True}},
    }


def _pooled_head(model: SmartModel) -> list[_Module]:
    weight = model.family.linear_head
    return [] if weight is None else [_dense(weight, kind=SERVED_DENSE, where="sentence_embedding")]


def _token_head(model: SmartModel) -> list[_Module]:
    if model.family.linear_head is not None:
        return []  # MultiVectorEncoder turns the one of the pooled vector to the tokens
    if model.projection is None:
        return [_dense(torch.eye(model.hidden_size))]
    return _projection(model.projection)


def _projection(projection: TokenProjection) -> list[_Module]:
    """LayerNorm and Linear in modules that exist: centre, normalise, map.

    LayerNorm(x) = g * Cx / sqrt(|Cx|^2 / H + eps) + b, C = I - 1/H. One more dimension that always holds sqrt(H * eps)
    makes its denominator a plain L2 norm, 1 / sqrt(H) times; g, b and that factor go into the map that follows.
    """
    norm, width = projection.norm, projection.hidden_size
    centre = torch.zeros(width + 1, width, dtype=torch.float64)
    centre[:width] = torch.eye(width, dtype=torch.float64) - 1.0 / width
    shift = torch.zeros(width + 1, dtype=torch.float64)
    shift[width] = (width * norm.eps) ** 0.5
    maps = [projection.linear] if projection.hidden is None else [projection.hidden, projection.linear]
    first, gain, bias = (value.detach().double().cpu() for value in (maps[0].weight, norm.weight, norm.bias))
    scaled = first * gain * width**0.5
    mapped = torch.cat([scaled, scaled.new_zeros(len(scaled), 1)], dim=1)
    return [
        _dense(centre, shift),
        _Module(_NORMALIZE, {"module_input_name": _TOKENS, "module_output_name": _TOKENS}),
        _dense(mapped, first @ bias, activation="linear.Identity" if len(maps) == 1 else "activation.GELU"),
        *(_dense(layer.weight.detach().cpu()) for layer in maps[1:]),
    ]


def _dense(
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    activation: str = "linear.Identity",
    kind: str = _DENSE,
    where: str = _TOKENS,
) -> _Module:
    config = {
        "in_features": weight.shape[1],
        "out_features": weight.shape[0],
        "bias": bias is not None,
        "activation_function": f"torch.nn.modules.{activation}",
        "module_input_name": where,
        "module_output_name": where,
    }
    weights = {"linear.weight": weight.float().contiguous()}
    if bias is not None:
        weights["linear.bias"] = bias.float().contiguous()
    return _Module(kind, config, weights)


def _masks(model: SmartModel) -> list[_Module]:
    """One mask for the special tokens, one for visual ones where a side drops them; and one that keeps nothing else of
    a document, where its filter is visual."""
    family, scoring = model.family, model.scoring
    filters: Mapping[Role, str] = {"query": scoring.query_tokens, "document": scoring.document_tokens}
    visual = set(family.visual_ids.tolist())
    special = set(family.special_ids.tolist()) - visual
    masks = []
    for ids, dropping in ((special, ("content", "text")), (visual, ("text",))):
        sides = [role for role in _ROLES if filters[role] in dropping]
        if ids and sides:
            masks.append(_mask(family.tokenizer.convert_ids_to_tokens(sorted(ids)), sides))
    if scoring.document_tokens == "visual":
        masks.append(_Module(_MASK, {"skiplist_words": [], "keep_only_token_ids": sorted(visual)}))
    return masks or [_mask([], [])]


def _mask(words: Sequence[str], sides: Sequence[str]) -> _Module:
    return _Module(_MASK, {"skiplist_words": list(words), "skiplist_tasks": list(sides)})


def _write_json(path: Path, values: Any) -> None:
    path.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
