"""Token projections as the SMART authors publish them: `adapter.pt`, read without running anything in it.

Source: `save_adapter` and `LayerWeightedTokenProjectionModule` of the authors' public code (github: HanSolo9682/SMART,
`train_adapter/src/model.py`), and the variants that their `eval_embedding_adapter_late_interaction.py` knows. The file
is a dictionary: `token_projection_module` holds the weights, `hidden_size`, `use_last_n_layers` and `selected_layers`
say what they read, `default_instruction` what was prompted; the token width stands in the weights alone. Their layers
count from the first block, ours from the embeddings: their block i is our hidden state i + 1. From the end both count
alike.
"""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from smart_train.errors import ModelError
from smart_train.models.family import Family
from smart_train.models.prompt_settings import PromptConfig
from smart_train.models.token_projection import CONFIG_NAME, TokenProjection
from smart_train.utils.folder_kinds import what_is

PUBLISHED_NAME = "adapter.pt"
_WEIGHTS = "token_projection_module"
_ONE_MAP = {"proj.0.weight": "norm.weight", "proj.0.bias": "norm.bias", "proj.1.weight": "linear.weight"}
_TWO_MAPS = {**_ONE_MAP, "proj.1.weight": "hidden.weight", "proj.4.weight": "linear.weight"}
_LAYER_QUERY = "layer_weight_vectors"


@dataclass(frozen=True)
class StoredProjection:
    """A projection as it was found.

    Attributes:
        projection: float32, on the CPU.
        instruction: of a published one, the system turn it was trained with where an input brought none, if it says so.
    """

    projection: TokenProjection
    instruction: str | None = None

    def prompts(self, saved: PromptConfig, family: type[Family]) -> PromptConfig:
        """The base's own prompts, `saved`, with the documents' instruction that this projection was trained with. That
        of queries is not in the authors' files."""
        if self.instruction in (None, saved.document_instruction or family.default_document_instruction):
            return saved
        return replace(saved, document_instruction=self.instruction)


def read_projection(path: str | Path) -> StoredProjection:
    """A token projection of either form: a folder that this package saved, an `adapter.pt`, or a folder with one.

    Raises:
        ModelError: none is there, or it cannot be used.
    """
    path = Path(path)
    if not path.is_dir():
        return read_published(path)
    if (path / CONFIG_NAME).is_file():
        return StoredProjection(TokenProjection.load(path))
    if (path / PUBLISHED_NAME).is_file():
        return read_published(path / PUBLISHED_NAME)
    raise ModelError(
        f"{path}: {what_is(path)}, without a token projection: neither {CONFIG_NAME} nor {PUBLISHED_NAME} is there"
    )


def read_published(path: Path) -> StoredProjection:
    """The authors' projection in the file `path`.

    Only tensors and plain values are unpickled (`torch.load` with `weights_only`); a file that asks for more is refused
    before anything of it runs.

    Raises:
        ModelError: not a file of torch.save, one that needs code, or one whose weights are not a token projection.
    """
    saved = _load(path)
    weights = saved.get(_WEIGHTS) if isinstance(saved, Mapping) else None
    if not isinstance(weights, Mapping) or not all(isinstance(value, Tensor) for value in weights.values()):
        held = ", ".join(map(str, saved)) if isinstance(saved, Mapping) else type(saved).__name__
        raise ModelError(
            f"{path}: not a published projection: needs {_WEIGHTS!r} with tensors; holds {held or 'nothing'}"
        )
    if any(not bool(torch.isfinite(value).all()) for value in weights.values()):
        raise ModelError(f"{path}: the weights hold NaN or infinity")
    projection = _translate(path, saved, weights)
    instruction = saved.get("default_instruction")
    return StoredProjection(projection, instruction if isinstance(instruction, str) else None)


def _load(path: Path) -> Any:
    if not path.is_file():
        raise ModelError(f"{path}: no such file")
    if not zipfile.is_zipfile(path):
        raise ModelError(f"{path}: not a file that torch.save wrote, or an incomplete one")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        wanted = re.search(r"GLOBAL ([\w.]+)", str(error))
        detail = f"it asks for {wanted[1]}" if wanted else "its pickle does not hold plain values"
        raise ModelError(
            f"{path}: holds more than tensors and plain values ({detail}); reading it would run code "
            "that came with it. Ask its author for a file with the weights only"
        ) from error
    except (RuntimeError, LookupError, EOFError, ValueError) as error:
        raise ModelError(f"{path}: cannot be read as a file of torch.save ({error})") from error


def _translate(path: Path, saved: Mapping[str, Any], weights: Mapping[str, Tensor]) -> TokenProjection:
    names = _TWO_MAPS if "proj.4.weight" in weights else _ONE_MAP
    expected, present = set(names) | ({_LAYER_QUERY} & set(weights)), set(weights)
    if present != expected:
        reason = "; attention between tokens is not supported" if "self_attn" in " ".join(present) else ""
        raise ModelError(
            f"{path}: the weights are not a token projection: missing {sorted(expected - present)}, "
            f"unexpected {sorted(present - expected)}{reason}"
        )
    layers = _layers(path, saved)
    if (_LAYER_QUERY in weights) != (len(layers) > 1):
        raise ModelError(f"{path}: {len(layers)} layer(s) {'without' if len(layers) > 1 else 'with'} {_LAYER_QUERY}")
    state = {ours: weights[theirs].float() for theirs, ours in names.items()}
    if _LAYER_QUERY in weights:
        state["layer_query"] = weights[_LAYER_QUERY].float().flatten()  # one row: one fused state per token
    try:
        dim, inner = state["linear.weight"].shape
        projection = TokenProjection(
            state["norm.weight"].numel(), dim, hidden_dim=inner if names is _TWO_MAPS else None, layers=layers
        )
        projection.load_state_dict(state)
    except (ModelError, RuntimeError, ValueError) as error:  # ValueError: no matrix
        reason = " ".join(line.strip() for line in str(error).splitlines()[:2])
        raise ModelError(f"{path}: the weights are not a token projection: {reason}") from error
    if saved.get("hidden_size", projection.hidden_size) != projection.hidden_size:
        raise ModelError(
            f"{path}: says hidden_size {saved['hidden_size']!r}, but its weights have {projection.hidden_size}"
        )
    return projection


def _layers(path: Path, saved: Mapping[str, Any]) -> list[int]:
    selected, last = saved.get("selected_layers"), saved.get("use_last_n_layers", 1)
    if selected is None:
        if not isinstance(last, int) or last < 1:
            raise ModelError(f"{path}: use_last_n_layers {last!r} must be a whole number of at least 1")
        return list(range(-last, 0))
    if not isinstance(selected, (list, tuple)) or not all(isinstance(layer, int) for layer in selected):
        raise ModelError(f"{path}: selected_layers {selected!r} must be a list of whole numbers")
    return [layer + 1 if layer >= 0 else layer for layer in selected]
