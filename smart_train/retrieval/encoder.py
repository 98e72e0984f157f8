"""What searching, indexing and evaluation need of a model. `SmartModel` has all of it; a model of your own may be used
where it has the members named here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import torch

from smart_train.data.references import READ_AS_TEXT
from smart_train.errors import DataError
from smart_train.scoring import ScoringConfig
from smart_train.scoring.embeddings import Embeddings
from smart_train.types import ModelInput

if TYPE_CHECKING:
    from smart_train.models.family import Family


_SHOWN = 5


def check_readable(model: Encoder, items: Sequence[tuple[str, ModelInput]], where: str) -> None:
    """Looks for images and videos that a model does not read, before anything is encoded. An encoder of your own that
    has no family is taken to read everything.

    Args:
        items: (name, input). where: what the message begins with.

    Raises:
        DataError: names the first of them.
    """
    reads = getattr(getattr(model, "family", None), "modalities", None)
    if reads is None:
        return
    for kind in ("image", "video"):
        if kind in reads:
            continue
        unread = [name for name, item in items if (item.images if kind == "image" else item.video is not None)]
        if unread:
            more = f" and {len(unread) - _SHOWN} more" if len(unread) > _SHOWN else ""
            raise DataError(
                f"{where}: {len(unread)} of {len(items)} hold {kind}s, but the model reads only {', '.join(reads)}: "
                f"{', '.join(map(repr, unread[:_SHOWN]))}{more}; choose a model that reads {kind}s, or leave these out"
                f"{READ_AS_TEXT if kind == 'image' else ''}"
            )


def check_pooled(model: Encoder, what: str, instead: str) -> None:
    """Raises ModelError where `model` is late only, and `what` needs a pooled vector; says what to do `instead`. An
    encoder of your own whose family does not say is taken to have one."""
    family: Any = getattr(model, "family", None)
    if family is not None and getattr(family, "late_only", False):
        family.check_pooled(what, instead)


def documents_in_parts(
    model: Encoder, items: Sequence[Any], size: int, *, batch_size: int, num_workers: int | None
) -> Iterator[Embeddings]:
    """`model.encode_document` of `size` items at a time, nothing for no items. A `SmartModel` has one loader for all of
    them, whose workers go on while a part is stored.

    Args:
        num_workers: None leaves it to the model.
    """
    options = with_workers(batch_size, num_workers)
    if not items:  # every document is known: some were removed or renamed, or a killed call had encoded all
        return
    if hasattr(model, "encode_document_parts"):
        yield from model.encode_document_parts(items, size, **options)
        return
    for start in range(0, len(items), size):
        yield model.encode_document(items[start : start + size], show_progress_bar=False, **options)


def with_workers(batch_size: int, num_workers: int | None) -> dict[str, Any]:
    """Arguments of an encoder, which need not know of workers unless somebody asks for them."""
    return {"batch_size": batch_size} if num_workers is None else {"batch_size": batch_size, "num_workers": num_workers}


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
        num_workers: int | None = ...,
    ) -> Embeddings:
        """As `Encoder.encode_query`. `num_workers`: how many processes; 0 does it in this one, None is up to it."""
        ...

    def encode_document(
        self,
        inputs: Any | Sequence[Any],
        *,
        batch_size: int = ...,
        show_progress_bar: bool | None = ...,
        num_workers: int | None = ...,
    ) -> Embeddings:
        """As `Encoder.encode_document`; arguments as `encode_query`."""
        ...
