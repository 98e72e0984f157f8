"""`SmartModel`: a single-vector retriever read as a multi-vector one.

One call of the backbone's own forward gives everything: the pooled vector from the last layer, and the kept token
states from the chosen layer, through the token projection if there is one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from smart_train.models.adapter_config import has_adapter
from smart_train.models.bases import Base, weights_digest
from smart_train.models.encoding import encoded, encoded_parts
from smart_train.models.family import Family, Features
from smart_train.models.in_step import with_what_others_see
from smart_train.models.prompt_settings import PromptConfig
from smart_train.models.readout import (
    TOKEN_COUNTS,
    ForwardOutput,
    backbone_inputs,
    kept_numbers,
    kept_states,
    on_device,
    pooled_states,
    without_cache,
)
from smart_train.models.stored_states import StateSource, is_stored, read_stored
from smart_train.models.token_projection import TokenProjection, check_layer
from smart_train.scoring import ScoringConfig, smart_scores
from smart_train.scoring.embeddings import Embeddings
from smart_train.utils.atomic import naming_refusals


class SmartModel(nn.Module):
    """A backbone, its family's prompt and filter, and optionally a token projection.

    Build one with `from_pretrained` or `from_config`. `encode_query`, `encode_document` and `similarity` are the
    everyday interface; `embed` is one forward with a graph.

    Args:
        backbone: a Hugging Face base model (or a PeftModel around one) that returns `last_hidden_state`.
        family: what makes features for it.
        base: where the backbone's own weights came from (a folder or Hub id), None when only this object holds them.

    Attributes:
        base_revision: commit of a base on the Hub; None of a local one.
        base_weights: digest of a local base's weights; None until `pin_base`.
        trained_from: what a whole model was before training, where its folder says so.
        projection: maps kept token states [sum T, H] of its layers to [sum T, d]; None keeps them as they are.
        known_states: states of a frozen backbone, which the encode methods then need not compute.
        attention_reason: why `attn_implementation: auto` became what it is; "" where the user chose.
        in_step: every rank calls forward together, and an engine makes the ranks wait for each other inside it: a batch
            without images then takes a small one along wherever another rank's has some, or the vision tower would
            wait for ever on those ranks that use it.
        in_shards: an engine gathers the weights of a module when it is called, from all ranks at once: no rank may
            leave a module out that another calls.
        always_sees: with `in_step`, a batch takes a small image along also where no rank's has one: an engine would
            lose the gradients of a vision tower that a batch does not reach.
    """

    def __init__(self, backbone: nn.Module, family: Family, *, base: str | None) -> None:
        super().__init__()
        self.backbone = backbone
        self.family = family
        self.base = base
        self.projection: TokenProjection | None = None
        self.base_revision: str | None = None
        self.base_weights: str | None = None
        self.trained_from: Base | None = None
        self.quantization: str | None = None
        self.attention_reason = ""
        self.backbone_frozen = False
        self.known_states: StateSource | None = None
        self.in_step = False
        self.in_shards = False
        self.always_sees = False
        check_layer(family.scoring.layer, self.config, "scoring.layer")

    @property
    def config(self) -> Any:
        """The backbone's Hugging Face configuration."""
        return self.backbone.config

    @property
    def scoring(self) -> ScoringConfig:
        return self.family.scoring

    @property
    def device(self) -> torch.device:
        return next(self.backbone.parameters()).device

    @property
    def owns_backbone(self) -> bool:
        """Whether saving this model means saving its backbone; otherwise an adapter or projection names a base."""
        return not has_adapter(self.backbone) and not (self.backbone_frozen and self.base is not None)

    @property
    def named_base(self) -> Base | None:
        """The base as folders name it, see `Base`; None when only this object holds the weights."""
        if self.base is None:
            return None
        if self.base_revision is not None:
            return Base(self.base, self.base_revision, local=False)
        return Base(str(Path(self.base).absolute()), weights=self.base_weights, local=True)

    def pin_base(self) -> None:
        """Takes the digest of a local base's weights as they are now. What is saved names the base by it, and loads
        with these weights only. Saving does it where it was not done; reads all weights."""
        if self.base is not None and self.base_revision is None and self.base_weights is None:
            self.base_weights = weights_digest(Path(self.base))

    @property
    def hidden_size(self) -> int:
        return self.config.get_text_config().hidden_size

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str | Path,
        *,
        scoring: ScoringConfig | Mapping[str, Any] | None = None,
        dtype: str | torch.dtype | None = None,
        device: str | torch.device | None = None,
        revision: str | None = None,
        trust_remote_code: bool = False,
        family: str | None = None,
        prompts: PromptConfig | Mapping[str, Any] | None = None,
        attn_implementation: str | None = None,
        quantization: str | None = None,
        projection: str | Path | None = None,
        base: str | Path | None = None,
    ) -> SmartModel:
        """A base model, an adapter or projection folder, a checkpoint, or a merged export; local or on the Hub.

        Args:
            name_or_path: a folder, a Hub id, or the name of an installed Python package that carries a model. A run
                folder means its export, or its final model where it has no export yet.
            scoring: replaces the saved scoring configuration (or the family's default); a mapping replaces single keys.
            dtype: "float32", "bfloat16", "float16" or a torch dtype. None: as saved on a GPU, float32 on a CPU, where
                half precision is slower and no smaller in practice.
            device: None takes the GPU when there is one.
            revision: a branch, tag or commit of a Hub repository.
            trust_remote_code: run Python code that a Hub repository brings. Only for repositories you have read.
            family: name of the backbone family; None finds it from the saved files.
            prompts: replaces the saved prompts and limits; a mapping replaces single keys.
            attn_implementation: passed to transformers ("sdpa", "eager", "flash_attention_2"). "auto": flash attention
                on a GPU where it is installed and the weights have 16 bits, else sdpa.
            quantization: "4bit" or "8bit" holds the backbone's linear layers outside the vision tower in so many bits:
                less memory, slower, and scores a little off. For LoRA or a projection on top; needs bitsandbytes.
            projection: a token projection to put on it: the folder of one, or an `adapter.pt` as the SMART authors
                publish them, which is read without running code in it.
            base: where the base of an adapter or projection lies, a folder or Hub id, if not where its folder says.

        Raises:
            ModelError: nothing loadable is there, weights are missing or left over, an adapter has another base, or its
                base is gone or holds other weights than it was trained from.
        """
        from smart_train.models.loading import load_model

        return load_model(
            str(name_or_path),
            scoring=scoring,
            dtype=dtype,
            device=device,
            revision=revision,
            trust_remote_code=trust_remote_code,
            family=family,
            prompts=prompts,
            attn_implementation=attn_implementation,
            quantization=quantization,
            projection=projection,
            base=base,
        )

    @classmethod
    def from_config(
        cls,
        folder: str | Path,
        *,
        scoring: ScoringConfig | Mapping[str, Any] | None = None,
        overrides: dict[str, Any] | None = None,
        init_std: float | None = None,
        seed: int = 0,
        family: str | None = None,
        prompts: PromptConfig | Mapping[str, Any] | None = None,
        attn_implementation: str | None = None,
        trust_remote_code: bool = False,
    ) -> SmartModel:
        """Random weights, float32 on the CPU, for tests, dry runs and training from nothing.

        Args:
            folder: config.json and the processor's files, no weights.
            overrides: nested changes to the configuration, e.g. `{"text_config": {"num_hidden_layers": 4}}`.
            init_std: standard deviation of the drawn weights; None takes the configuration's.
            seed: of the draw. The same seed gives the same weights.
            trust_remote_code: run Python code that the folder brings.
        """
        from smart_train.models.loading import model_from_config

        return model_from_config(
            str(folder),
            scoring=scoring,
            overrides=overrides or {},
            init_std=init_std,
            seed=seed,
            family=family,
            prompts=prompts,
            attn_implementation=attn_implementation,
            trust_remote_code=trust_remote_code,
        )

    def save_pretrained(self, folder: str | Path) -> None:
        """Adapter, projection or full weights, whichever this model owns, with `smart_config.json`.

        The folder loads again with `from_pretrained`. An adapter or projection names its base instead of copying it.
        """
        from smart_train.models.saving import save_model

        with naming_refusals(Path(folder)):
            save_model(self, Path(folder))

    def push_to_hub(
        self, repo_id: str, *, private: bool = True, revision: str | None = None, adapter_only: bool = False
    ) -> str:
        """Publishes this model on the Hugging Face Hub, verified as `smart-train export` and `push` do it.

        Args:
            repo_id: OWNER/NAME, created if it is not there.
            private: of a repository that is created.
            revision: the branch, created if it is not there; None is the main one.
            adapter_only: the adapter or projection without its base, which must be on the Hub itself.

        Returns:
            The repository's address.

        Raises:
            ExportError: the model does not score the same once exported, or the Hub refuses; see `push_folder`.
        """
        from smart_train.export import push_model

        return push_model(self, repo_id, private=private, revision=revision, adapter_only=adapter_only)

    def add_projection(self, projection: TokenProjection, *, source: str | Path | None = None) -> None:
        """`projection` between the backbone and the tokens, in place of one that is there; moved to this device.

        Raises:
            ModelError: it does not fit this backbone, its family or its scoring; names `source`, where it came from.
        """
        self.family.check_projection(source)
        projection.check_fit(self.config, self.scoring.layer, source=source)
        self.projection = projection.to(self.device)

    def freeze_backbone(self) -> None:
        """No gradient for the backbone, and no graph through it: for training a projection alone."""
        self.backbone.requires_grad_(False).eval()
        self.backbone_frozen = True

    def train(self, mode: bool = True) -> SmartModel:
        """As every module's; a frozen backbone stays without dropout, as it is when the model is used."""
        super().train(mode)
        if self.backbone_frozen:
            self.backbone.eval()
        return self

    def embed(self, features: Features) -> Embeddings:
        """Features of `family.featurize` -> Embeddings, fp32, L2-normalised, with a graph."""
        if TOKEN_COUNTS not in features:  # before the forward, while the device has little to finish first
            features = on_device(features, self.device)
        return self(features).embeddings(kept_numbers(features))

    def forward(self, features: Features) -> ForwardOutput:
        """Features of `family.featurize` on this model's device -> pooled vectors and packed tokens, with a graph.

        Tokens come from hidden state `scoring.layer`: -1 is `last_hidden_state`, after the final norm; k >= 0 is the
        state after k decoder layers (0: the embeddings). A projection reads those of its own `layers`.
        """
        pooled, states, offsets = self.read_states(features)
        return ForwardOutput(pooled, self.tokens_of(states), offsets, tuple(states) if self.backbone_frozen else ())

    @property
    def head(self) -> nn.Module | None:
        """What makes tokens of kept states: a projection, else the family's own; None: the states are the tokens."""
        own = self.family.token_head
        return self.projection if self.projection is not None or own is None else getattr(self.backbone, own)

    def tokens_of(self, states: Sequence[Tensor]) -> Tensor:
        """Kept states [sum T, H] of each of `token_layers` -> tokens [sum T, d], fp32, L2-normalised."""
        tokens = states[0] if self.head is None else self.head(*states)
        return F.normalize(tokens.float(), dim=-1)

    def read_states(
        self, features: Features, layers: Sequence[int] | None = None
    ) -> tuple[Tensor, list[Tensor], Tensor]:
        """The part of `forward` that belongs to the backbone.

        Args:
            features: or states that were stored, which hold the asked layers already.
            layers: the hidden states that are read; None: `token_layers`.

        Returns:
            Pooled vectors [B, D], fp32, L2-normalised (D is 0 where the family is late only); the kept states
            [sum T, H] of each of `layers`, in the backbone's dtype; and where each row's begin, int64 [B + 1].
        """
        if is_stored(features):
            return read_stored(features)
        layers = self.token_layers if layers is None else layers
        asked = len(features["input_ids"])
        if self.in_step:
            features = with_what_others_see(features, self.family, self.device, always=self.always_sees)
        features = self.family.expand(features)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.backbone_frozen):
            output = self.backbone(
                **backbone_inputs(features),
                **without_cache(self.config),
                return_dict=True,
                output_hidden_states=self._inner(layers) or False,
            )
        last = output.last_hidden_state
        vectors = last[:, 0, :0].float() if self.family.late_only else pooled_states(last, features)
        if self.family.token_head is not None and not self.family.late_only:
            vectors = getattr(self.backbone, self.family.token_head)(vectors)
        pooled = F.normalize(vectors[:asked], dim=-1)
        # hidden_states[-1] equals last_hidden_state in transformers 5 only; taking the last layer by its name is safe.
        states = [last if self._is_last(layer) else output.hidden_states[layer] for layer in layers]
        return pooled, *kept_states(states, features, asked)

    @property
    def token_layers(self) -> tuple[int, ...]:
        """The hidden states that tokens are made of, numbered as `scoring.layer`."""
        return (self.scoring.layer,) if self.projection is None else self.projection.layers

    @property
    def needs_hidden_states(self) -> bool:
        """Whether a forward has to keep states of inner layers, because tokens come from others than the last."""
        return bool(self.inner_layers)

    @property
    def inner_layers(self) -> list[int]:
        """The inner layers among `token_layers`. A forward keeps their states and no others; a backbone whose code is
        not transformers' own may keep all."""
        return self._inner(self.token_layers)

    def _inner(self, layers: Sequence[int]) -> list[int]:
        return [layer for layer in layers if not self._is_last(layer)]

    def _is_last(self, layer: int) -> bool:
        return layer in (-1, self.config.get_text_config().num_hidden_layers)

    def encode_query(
        self,
        inputs: Any | Sequence[Any],
        *,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        num_workers: int | None = None,
    ) -> Embeddings:
        """Queries (str, image, path, URL, dict or ModelInput; one or many) -> Embeddings, fp32, on the CPU, in order.

        An input that holds nothing (no image or video, and no text but blanks) is encoded as its family's prompt around
        no text; Qwen3-VL-Embedding writes NULL there, as its authors' script does. Public collections hold some. Rows
        of data and the queries of `smart-train search` must hold something.

        Args:
            batch_size: inputs per forward. show_progress_bar: None shows it from 10 batches on.
            num_workers: processes that decode and tokenise ahead of the model; 0 does it in this one. None: up to 8 for
                images and videos on a GPU, by the cores at hand; 0 otherwise.

        Raises:
            ModelError: nothing to encode, or the model gives NaN. DataError: an input cannot be read.
        """
        return encoded(self, inputs, "query", batch_size, show_progress_bar, num_workers)

    def encode_document(
        self,
        inputs: Any | Sequence[Any],
        *,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        num_workers: int | None = None,
    ) -> Embeddings:
        """Documents -> Embeddings; arguments as `encode_query`."""
        return encoded(self, inputs, "document", batch_size, show_progress_bar, num_workers)

    def similarity(self, queries: Embeddings, documents: Embeddings, *, scoring: ScoringConfig | None = None) -> Tensor:
        """The SMART score of every pair, fp32 [Q, N], with this model's weights or those of `scoring`."""
        return smart_scores(queries, documents, scoring or self.scoring)

    def encode_document_parts(
        self, inputs: Sequence[Any], size: int, *, batch_size: int = 32, num_workers: int | None = None
    ) -> Iterator[Embeddings]:
        """`encode_document` of `size` inputs at a time, for more than fit in memory; arguments as there."""
        options: dict[str, Any] = {"batch_size": batch_size, "num_workers": num_workers, "show_progress_bar": False}
        return encoded_parts(self, inputs, "document", size=size, **options)
