"""`smart_config.json`: what a model folder says of itself beside its weights."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smart_train.errors import ModelError, ScoreError
from smart_train.models.adapter_config import base_named_in
from smart_train.models.bases import Base
from smart_train.models.family import SMART_CONFIG
from smart_train.models.prompt_settings import PromptConfig
from smart_train.models.reading import read_json
from smart_train.scoring import ScoringConfig
from smart_train.utils.versions import versions

FORMAT = 1


@dataclass(frozen=True)
class SmartConfig:
    """`smart_config.json`: how a folder's model reads its inputs and scores.

    Args:
        named_base: whose weights the backbone takes; None when they lie in the same folder.
        quantization: how the base was held when an adapter or projection was trained on it; None in full precision.
        trained_from: what a whole model that training wrote was before; None where unknown.
    """

    family: str | None = None
    named_base: Base | None = None
    quantization: str | None = None
    scoring: ScoringConfig | None = None
    prompts: PromptConfig = PromptConfig()
    trained_from: Base | None = None

    @property
    def base(self) -> str | None:
        """Folder or Hub id of the backbone's weights; None when they lie in the same folder."""
        return None if self.named_base is None else self.named_base.name

    @property
    def base_revision(self) -> str | None:
        """Commit, branch or tag of a Hub base."""
        return None if self.named_base is None else self.named_base.revision

    @classmethod
    def read(cls, folder: Path) -> SmartConfig:
        """The file in `folder`; a folder without one is a plain backbone or a plain PEFT adapter.

        Raises:
            ModelError: it was not written by this package, or by hand since.
        """
        path = folder / SMART_CONFIG
        values = read_json(path)
        if values is None:
            return cls(named_base=base_named_in(folder))
        if values.get("format") != FORMAT:
            raise ModelError(f"{path}: format {values.get('format')!r}; this version reads format {FORMAT}")
        try:
            return cls(
                family=values["family"],
                named_base=Base.read({**values, "base": values["base"]}, ours=True),
                quantization=values.get("quantization"),
                scoring=ScoringConfig.from_dict(values["scoring"]),
                prompts=PromptConfig(**values["prompts"]),
                trained_from=Base.read(values.get("trained_from") or {}, ours=True),
            )
        except (KeyError, TypeError, AttributeError, ScoreError, ModelError) as error:
            raise ModelError(
                f"{path}: not a valid file of smart_train ({type(error).__name__}: {error}); put back the file that "
                "was saved with the weights"
            ) from error

    def write(self, folder: Path) -> None:
        """Writes the file into `folder`."""
        (folder / SMART_CONFIG).write_text(json.dumps(self.to_dict(), indent=2) + "\n", encoding="utf-8")

    def to_dict(self) -> dict[str, Any]:
        """What the file holds."""
        assert self.scoring is not None
        values: dict[str, Any] = {
            "format": FORMAT,
            "family": self.family,
            **({"base": None, "base_revision": None} if self.named_base is None else self.named_base.to_dict()),
            "quantization": self.quantization,
            "scoring": self.scoring.to_dict(),
            "prompts": self.prompts.to_dict(),
            "versions": versions(),
        }
        if self.trained_from is not None:
            values["trained_from"] = self.trained_from.to_dict()
        return values
