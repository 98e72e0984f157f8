"""What searching, indexing and evaluation need of a model. `SmartModel` has all of it; a model of your own may be used
where it has the members named here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import torch

from smart_train.scoring import ScoringConfig
from smart_train.scoring.embeddings import Embeddings

if TYPE_CHECKING:
    from smart_train.models.family import Family


class Encoder(Protocol):
    """Turns queries and documents into embeddings, and says how these are scored.

    Attributes:
        scoring: the weights of the two scores, and which tokens were kept.
        device: where the scores are computed. Embeddings come back on the CPU.
    """

    @property
    def scoring(self) -> ScoringConfig: ...

    @property
    def device(self) -> torch.device: ...

    def encode_query(
        self, inputs: Any | Sequence[Any], *, batch_size: int = ..., show_progress_bar: bool | None = ...
    ) -> Embeddings:
        """Q queries -> Embeddings: pooled [Q, D] and packed tokens [sum T, d], L2-normalised, on the CPU, in order.

        Args:
            inputs: texts, images, paths, URLs, dicts or `ModelInput`s; one or many.
            batch_size: inputs per forward.
            show_progress_bar: None leaves it to the encoder.
        """
        ...

    def encode_document(
        self, inputs: Any | Sequence[Any], *, batch_size: int = ..., show_progress_bar: bool | None = ...
    ) -> Embeddings:
        """N documents -> Embeddings; arguments as `encode_query`."""
        ...


class IndexEncoder(Encoder, Protocol):
    """An encoder whose embeddings may be kept: its fingerprint tells whether a later one would make the same.

    Attributes:
        family: its name, prompts and limits are part of the fingerprint.
    """

    @property
    def family(self) -> Family: ...

    def state_dict(self) -> Mapping[str, Any]:
        """Name of each weight -> its tensor."""
        ...


class WorkerEncoder(IndexEncoder, Protocol):
    """An `IndexEncoder` that can decode and tokenise in processes of their own, ahead of the model."""

    def encode_query(
        self,
        inputs: Any | Sequence[Any],
        *,
        batch_size: int = ...,
        show_progress_bar: bool | None = ...,
        num_workers: int = ...,
    ) -> Embeddings:
        """As `Encoder.encode_query`. `num_workers`: how many processes; 0 does it in this one."""
        ...

    def encode_document(
        self,
        inputs: Any | Sequence[Any],
        *,
        batch_size: int = ...,
        show_progress_bar: bool | None = ...,
        num_workers: int = ...,
    ) -> Embeddings:
        """As `Encoder.encode_document`; arguments as `encode_query`."""
        ...
