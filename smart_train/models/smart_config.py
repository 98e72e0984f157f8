"""`smart_config.json`: what a model folder says of itself beside its weights."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from smart_train.errors import ModelError, ScoreError
from smart_train.models.family import SMART_CONFIG, PromptConfig
from smart_train.models.peft import ADAPTER_CONFIG
from smart_train.models.reading import read_json
from smart_train.scoring import ScoringConfig
from smart_train.utils.versions import versions

FORMAT = 1


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
        """The file in `folder`; a folder without one is a plain backbone or a plain PEFT adapter.

        Raises:
            ModelError: it was not written by this package, or by hand since.
        """
        path = folder / SMART_CONFIG
        values = read_json(path)
        if values is None:
            named = read_json(folder / ADAPTER_CONFIG) or {}
            return cls(base=named.get("base_model_name_or_path"), base_revision=named.get("revision"))
        if values.get("format") != FORMAT:
            raise ModelError(f"{path}: format {values.get('format')!r}; this version reads format {FORMAT}")
        try:
            return cls(
                family=values["family"],
                base=values["base"],
                base_revision=values["base_revision"],
                quantization=values.get("quantization"),
                scoring=ScoringConfig.from_dict(values["scoring"]),
                prompts=PromptConfig(**values["prompts"]),
            )
        except (KeyError, TypeError, ScoreError) as error:
            raise ModelError(
                f"{path}: not a valid file of smart_train ({type(error).__name__}: {error}); put back the file that "
                "was "
                "saved with the weights"
            ) from error

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
            "versions": versions(),
        }
        (folder / SMART_CONFIG).write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
