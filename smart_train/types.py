"""The vocabulary of the package. No model, no file format, no score is defined here.

Shape legend, used in every docstring of the package:

    Q  queries              N  documents          B  batch (either)
    T  tokens of one item   D  pooled width       d  token width
    sum T  all tokens of a set, packed end to end; `offsets` [B + 1] says where each item starts
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import Tensor

HIGHEST_GRADE = 1_000_000  # of a judgement; trec_eval, which counts metrics, keeps a table as long as the highest one


@dataclass(frozen=True)
class ModelInput:
    """One query or one document, before any model has seen it.

    `images` holds paths, URLs, encoded bytes or PIL images; `video` a path, a URL or a list of frames.
    Decoding waits until `inputs.images.load_image` and `inputs.video.load_video`, which the data loader's workers call.
    """

    text: str | None = None
    images: tuple[Any, ...] = ()
    video: Any | None = None
    instruction: str | None = None

    @property
    def is_blank(self) -> bool:
        """Whether it holds nothing to read: no image or video, and no text but what nobody sees (blanks, controls)."""
        seen = (letter.isprintable() and not letter.isspace() for letter in self.text or "")
        return not self.images and self.video is None and not any(seen)


@dataclass(frozen=True)
class Example:
    """A training or evaluation row: a query, its positive document, and any explicit negatives.

    `documents[0]` is the positive; `document_ids` runs parallel to it. `source` and `row` (0-based) are for messages.

    `scores` are a teacher's, for distillation: parallel to `documents` (the positive's first), None for a document that
    the teacher did not score; empty where the row has none at all. `task` names the kind of row it is. `grade` says how
    relevant the positive is, for evaluation by graded judgements.
    """

    query: ModelInput
    documents: tuple[ModelInput, ...]
    query_id: str
    document_ids: tuple[str, ...]
    source: str
    row: int
    scores: tuple[float | None, ...] = ()
    task: str | None = None
    grade: int = 1

    @property
    def where(self) -> str:
        return f"{self.source}, row {self.row}"


class ScoreParts(NamedTuple):
    """The two terms of the SMART score, fp32 [Q, N] each; a term that was not asked for is None."""

    pooled: Tensor | None
    late: Tensor | None

    def of(self, term: str) -> Tensor:
        """The matrix [Q, N] of `term`, "pooled" or "late", which must have been asked for."""
        matrix = self.pooled if term == "pooled" else self.late
        assert matrix is not None, f"the {term} scores were not asked for"
        return matrix


class LossOutput(NamedTuple):
    """A loss as named scalar parts (already weighted); the total is their sum, so logs always add up.

    `metrics` are detached scalars worth logging that are not part of the loss. A tuple, because engines that shard a
    model look for tensors in what its modules return, and know plain containers only.
    """

    parts: dict[str, Tensor]
    metrics: dict[str, Tensor]

    @property
    def total(self) -> Tensor:
        """The sum of the parts: a scalar that gradients flow through."""
        return sum(self.parts.values())  # type: ignore[return-value]  # 0 only where there are no parts
