"""`golden.safetensors`: fixed inputs and the exported model's vectors for them, so that any runtime can check itself.

Nothing of the run's own data is in it: the texts are fixed and the pages drawn, so the file can be published.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from smart_train.errors import ExportError
from smart_train.export.parity import Probe
from smart_train.models import SmartModel
from smart_train.models.family import Features, Role
from smart_train.scoring import combine, score_parts
from smart_train.scoring.embeddings import Embeddings
from smart_train.types import ModelInput
from smart_train.utils.folder_kinds import what_is
from smart_train.utils.terms import GOLDEN_FILE as GOLDEN_NAME
from smart_train.utils.terms import SCORES

_FORMAT = "smart_train.golden.1"
_ROLES: tuple[Role, Role] = ("query", "document")
_EMBEDDINGS = ("pooled", "tokens", "offsets")


@dataclass(frozen=True)
class Golden:
    """What is in the file.

    Attributes:
        probe: the raw inputs: texts and images.
        features: role -> tensors of one forward, as the family's featurizer gives them.
        embeddings: role -> vectors of the stored weights, computed in float32 on the CPU.
        scores: "pooled", "late", "hybrid" -> fp32 [Q, N].
    """

    probe: Probe
    features: dict[Role, Features]
    embeddings: dict[Role, Embeddings]
    scores: dict[str, Tensor]

    @classmethod
    @torch.no_grad()
    def make(cls, model: SmartModel) -> Golden:
        """The fixed probe through `model`, which must be in float32, on the CPU and in eval mode."""
        probe = Probe.make(model.family.modalities)
        features = {role: model.family.featurize(list(probe.side(role)), role) for role in _ROLES}
        embeddings = {role: model.embed(features[role]) for role in _ROLES}
        parts = score_parts(embeddings["query"], embeddings["document"])
        scores = {"pooled": parts.of("pooled"), "late": parts.of("late"), "hybrid": combine(parts, model.scoring)}
        return cls(probe, features, embeddings, scores)

    def save(self, folder: Path, model: SmartModel) -> None:
        """Writes the file. Its header says which input holds which text and images, and the prompts that `model`'s
        family renders of them, so that a runtime with its own processor can compare token by token."""
        images: list[Tensor] = []
        inputs: dict[str, list[dict[str, object]]] = {}
        tensors: dict[str, Tensor] = {f"scores.{name}": value for name, value in self.scores.items()}
        for role in _ROLES:
            inputs[role] = []
            for item in self.probe.side(role):
                names = [f"image.{len(images) + index}" for index in range(len(item.images))]
                images.extend(torch.from_numpy(np.array(image)) for image in item.images)
                prompt = model.family.render(item, role)
                inputs[role].append({"text": item.text, "images": names, "prompt": prompt})
            embeddings = self.embeddings[role]
            tensors |= {f"{role}.{name}": value for name, value in self.features[role].items()}
            tensors |= {
                f"{role}.pooled": embeddings.pooled,
                f"{role}.tokens": embeddings.packed,
                f"{role}.offsets": embeddings.offsets,
            }
        tensors |= {f"image.{index}": image for index, image in enumerate(images)}
        header = {
            "format": _FORMAT,
            "inputs": json.dumps(inputs, ensure_ascii=False),
            "scoring": json.dumps(model.scoring.to_dict()),
        }
        # Clones: safetensors refuses tensors that share storage.
        save_file({name: value.clone().contiguous() for name, value in tensors.items()}, folder / GOLDEN_NAME, header)

    @classmethod
    def load(cls, folder: Path) -> Golden:
        """The file in `folder`.

        Raises:
            ExportError: there is none, it is cut off, or it is of another format.
        """
        path = folder / GOLDEN_NAME
        if not path.is_file():
            raise ExportError(
                f"{folder}: {what_is(folder)}, without a {GOLDEN_NAME} to compare with; name a folder that "
                "`smart-train export` wrote"
            )
        try:
            with safe_open(path, "pt") as file:
                header = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        except SafetensorError as error:
            raise ExportError(f"{path}: not a complete safetensors file ({error}); export again") from error
        if header.get("format") != _FORMAT:
            raise ExportError(f"{path}: format {header.get('format')!r}; this version reads {_FORMAT!r}")
        inputs, sides, embeddings, features = json.loads(header["inputs"]), {}, {}, {}
        for role in _ROLES:
            sides[role] = tuple(_read_input(item, tensors) for item in inputs[role])
            mine = {name.removeprefix(f"{role}."): value for name, value in tensors.items() if name.startswith(role)}
            pooled, tokens, offsets = (mine.pop(name) for name in _EMBEDDINGS)
            embeddings[role], features[role] = Embeddings(pooled, tokens, offsets), mine
        scores = {name: tensors[f"scores.{name}"] for name in SCORES}
        return cls(Probe(sides["query"], sides["document"]), features, embeddings, scores)


def _read_input(item: dict, tensors: dict[str, Tensor]) -> ModelInput:
    return ModelInput(item["text"], tuple(Image.fromarray(tensors[name].numpy()) for name in item["images"]))
