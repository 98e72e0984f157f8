"""What every text embedder does: a prefix, a tokenizer, a length limit, and one of three poolings."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor

from smart_train.errors import ModelError
from smart_train.models.family import Family, Features, Role, last_valid
from smart_train.models.processing import load_tokenizer, special_ids
from smart_train.models.reading import read_json
from smart_train.models.sentence_transformers_files import EmbedderFiles
from smart_train.types import ModelInput


class TextFamily(Family):
    """Text in, one state per token out. The folder's own files decide pooling, prefix and length; see `EmbedderFiles`.

    Text beyond the length limit is cut, as these models were trained; a prefix that leaves no room for it is refused,
    or all texts would look the same. Control tokens in user text stay what they are:
    no token claims anything that another input owns.
    """

    any_backbone = True
    pools_special_token = True
    reads_layout = True
    default_pooling: ClassVar[str]

    @cached_property
    def files(self) -> EmbedderFiles:
        return EmbedderFiles.read(self.folder)

    @cached_property
    def tokenizer(self) -> Any:
        tokenizer = load_tokenizer(self.folder)
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token  # what it is does not matter: padding is masked everywhere
        return self.with_added(tokenizer)

    @cached_property
    def special_ids(self) -> Tensor:
        return special_ids(self.tokenizer)

    @property
    def pooling(self) -> str:
        return self.files.pooling or self.default_pooling

    @property
    def lower_case(self) -> bool:
        return self.files.lower_case

    @cached_property
    def backbone_settings(self) -> dict[str, Any]:
        """The content of the folder's config.json, as it stands there."""
        return read_json(Path(self.folder, "config.json")) or {}

    @property
    def positions(self) -> int:
        """How many tokens the backbone has positions for."""
        return self.backbone_settings.get("max_position_embeddings") or self.default_max_length

    @cached_property
    def max_length(self) -> int:
        """The run's limit, else the folder's, else the family's; never beyond the tokenizer's limit or the backbone's
        positions."""
        bound = min(self.tokenizer.model_max_length, self.positions)
        asked = self.prompts.max_length
        if asked is not None and asked > bound:
            raise ModelError(f"model.max_length {asked}: the model in {self.folder} reads at most {bound} tokens")
        return asked or min(self.files.max_length or self.default_max_length, bound)

    @abstractmethod
    def prefix(self, item: ModelInput, role: Role) -> str:
        """What stands before the text of `item`."""

    def embedder_prompt(self, role: Role) -> str:
        return self.prefix(ModelInput(""), role)

    def render(self, item: ModelInput, role: Role) -> str:
        self.check_modalities(item)
        prefix = self.prefix(item, role)
        if self._length(prefix) >= self.max_length:
            raise ModelError(
                f"the prompt before every {role} has {self._length(prefix)} tokens, special ones included, and the "
                f"model reads {self.max_length} (model.max_length), so that nothing of the text is left; shorten "
                f"model.{role}_instruction or raise model.max_length"
            )
        text = prefix + (item.text or "")
        return text.lower() if self.lower_case else text

    def _length(self, prefix: str) -> int:
        """Tokens of a text that is nothing but `prefix`; counted once for each."""
        if prefix not in self._lengths:
            self._lengths[prefix] = len(self.tokenizer(prefix)["input_ids"]) + (self.closing_id is not None)
        return self._lengths[prefix]

    @cached_property
    def _lengths(self) -> dict[str, int]:
        return {}

    def tokenize(self, texts: Sequence[str]) -> Features:
        """Token ids and masks, special tokens included, padded right, cut to `max_length`."""
        return dict(
            self.tokenizer(texts, padding=True, truncation=True, max_length=self.max_length, return_tensors="pt")
        )

    def token_count(self, item: ModelInput, role: Role, image_sizes: Sequence[tuple[int, int]]) -> int:
        # Not verbose: it would warn of a text beyond the limit, which is what is counted here.
        return len(self.tokenizer(self.render(item, role), verbose=False)["input_ids"]) + (self.closing_id is not None)

    def featurize(self, inputs: Sequence[ModelInput], role: Role) -> Features:
        features = self.tokenize([self.render(item, role) for item in inputs])
        mask = features["attention_mask"]
        position = None
        if self.pooling == "mean":
            features["pooled_mask"] = mask.bool()
        else:
            position = mask.argmax(dim=1) if self.pooling == "cls" else last_valid(mask)
            features["pooled_index"] = position
        features["token_mask"] = self.kept_tokens(features, role, position)
        return features
