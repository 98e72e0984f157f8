"""What the models of colpali-engine share: a linear map of each token's last state, late interaction alone.

Two layouts are read. Folders of colpali-engine hold the projection as `custom_text_proj` (Idefics3's: `linear`) beside
the backbone's weights, or a LoRA adapter over such a folder. Folders of transformers' classes hold it as
`embedding_proj_layer`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, cast

import torch
from safetensors import safe_open
from torch import nn

from smart_train.errors import ModelError
from smart_train.models.family import Family
from smart_train.models.reading import read_json
from smart_train.scoring import ScoringConfig

HEAD = "custom_text_proj"
_HEADS = (HEAD, "embedding_proj_layer")  # in the folders of colpali-engine, and of transformers
_WIDTH = 128  # of a token; none of the classes has another


class ProjectedTokens(Family):
    """Tokens of 128 numbers by a projection with bias, no pooled vector, no token left out of the score.

    Class variables:
        line: what users call these models.
        engine_classes: the backbone's `config.model_type` -> the class of colpali-engine.
        example_base: a released folder that adapters are trained on.
        saved_heads: names of the projection in folders.
    """

    late_only = True
    token_head: ClassVar[str] = HEAD
    saved_heads: ClassVar[tuple[str, ...]] = _HEADS
    own_weights = tuple(f"{head}." for head in _HEADS)
    default_scoring = ScoringConfig(pooled_weight=0.0, query_tokens="all", document_tokens="all")
    line: ClassVar[str]
    engine_classes: ClassVar[Mapping[str, str]]
    example_base: ClassVar[str]

    @classmethod
    def claims(cls, folder: Path) -> bool:
        config = read_json(folder / "config.json") or {}
        classes = config.get("architectures") or []
        return config.get("model_type") in cls.wrappers or any(name in classes for name in cls.engine_classes.values())

    def fit_backbone(self, backbone: nn.Module) -> None:
        super().fit_backbone(backbone)
        config = cast(Any, backbone.config)
        config.architectures = [self.engine_classes[config.model_type]]
        text, weight = config.get_text_config(), next(backbone.parameters())
        head = nn.Linear(text.hidden_size, _WIDTH, device=weight.device, dtype=weight.dtype)
        nn.init.normal_(head.weight, std=text.initializer_range)
        nn.init.zeros_(head.bias)
        backbone.add_module(self.token_head, head)

    def add_weights(self, backbone: nn.Module) -> None:
        head = backbone.get_submodule(self.token_head)
        for part, parameter in head.named_parameters():
            saved = self._saved(part)
            if saved.shape != parameter.shape:
                raise ModelError(
                    f"{self.folder}: {part} of its projection is {list(saved.shape)}, but {self.name} needs "
                    f"{list(parameter.shape)}"
                )
            with torch.no_grad():
                parameter.copy_(saved)

    def _saved(self, part: str) -> torch.Tensor:
        """`part` of the projection in this folder's files, "weight" or "bias"."""
        names = {f"{head}.{part}" for head in self.saved_heads}
        for path in sorted(Path(self.folder).glob("model*.safetensors")):
            with safe_open(path, "pt") as file:
                for name in names & set(file.keys()):
                    return file.get_tensor(name)
        raise ModelError(
            f"{self.folder}: holds no {' or '.join(sorted(names))}, so it is not a {self.line} model. An adapter needs "
            f"the base that it was trained on, such as {self.example_base}"
        )
