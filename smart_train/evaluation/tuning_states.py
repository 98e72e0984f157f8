"""Queries and documents, encoded once, and what a list of settings scores on them.

Shapes: Q queries, N documents.
"""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from smart_train.distributed import on_main
from smart_train.evaluation.metrics import depth_for, score_rankings
from smart_train.evaluation.ranking import RankingBuilder
from smart_train.evaluation.sets import EvaluationSet
from smart_train.evaluation.shared_encoding import encode_layers_together
from smart_train.evaluation.tuning_grid import check_metric
from smart_train.retrieval.encoder import check_readable
from smart_train.scoring import ScoringConfig, combine, score_parts
from smart_train.scoring.embeddings import Embeddings
from smart_train.scoring.index_form import documents_for_index, queries_for_index
from smart_train.types import ModelInput, ScoreParts
from smart_train.utils.atomic import naming_refusals

if TYPE_CHECKING:
    from smart_train.models import SmartModel
    from smart_train.models.family import Role
    from smart_train.models.layered_states import Filter, LayeredStates

MEMORY_BYTES = 4 * 2**30
_MATRICES_BYTES = 2 * 2**30  # score matrices of several stored forms that are in memory at once
Kind = tuple[int, str, str, str]  # layer, query tokens, document tokens, pooled token
Form = tuple[int | None, str]  # width, number format


@dataclass(frozen=True)
class Measurement:
    """One setting on one evaluation set.

    Args:
        values: [Q], the metric of each query, in the order of the set.
        bytes_per_document: of the pooled vector and the tokens that an index keeps, on average.
        ms_per_query: milliseconds to score all documents for one query on this machine, as an exact search does.
    """

    scoring: ScoringConfig
    values: np.ndarray
    bytes_per_document: float
    ms_per_query: float


class TuningStates:
    """An evaluation set, encoded once for all layers and token filters. A context manager: what does not fit in memory
    lies in temporary files.

    Args:
        layers: to keep, numbered as `scoring.layer`.
        batch_size: items per forward.
        memory_bytes: of document states kept in memory; the rest goes to files in the system's folder for them.
        across_ranks: share the encoding with the other processes, which must all make this object; the main one's
            alone holds what was encoded, and measures.
    """

    def __init__(
        self,
        model: SmartModel,
        data: EvaluationSet,
        layers: Sequence[int],
        *,
        batch_size: int = 32,
        memory_bytes: int = MEMORY_BYTES,
        show_progress_bar: bool | None = None,
        across_ranks: bool = False,
    ) -> None:
        named = (("queries", data.query_ids, data.queries), ("documents", data.document_ids, data.documents))
        for kind, names, items in named:
            check = partial(check_readable, model, list(zip(names, items, strict=True)), f"evaluation set, {kind}")
            on_main(check) if across_ranks else check()
        self.data, self.device = data, torch.device(model.device)
        self._stack = contextlib.ExitStack()
        self._folder: Path | None = None
        self._free = memory_bytes
        self.seconds = -time.perf_counter()
        options: dict[str, Any] = {"batch_size": batch_size, "show_progress_bar": show_progress_bar}
        try:
            encode = partial(encode_layers_together if across_ranks else _encode_layers_alone, model)
            self.queries = encode(data.queries, "query", layers, take=lambda states: states, **options)
            self.documents = encode(data.documents, "document", layers, take=self._in_memory_or_mapped, **options)
        except BaseException:
            self._stack.close()
            raise
        self.seconds += time.perf_counter()
        self._same = {role: _same_masks(batches) for role, batches in (("q", self.queries), ("d", self.documents))}

    def __enter__(self) -> TuningStates:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def identity(self, scoring: ScoringConfig, layers: int) -> tuple[object, ...]:
        """Equal for settings that rank alike on these items: filters that keep the same tokens, one layer under two
        numbers (of `layers` + 1 states), weights in one ratio."""
        return (
            scoring.layer % (layers + 1),
            self._same["q"][scoring.query_tokens, scoring.pooled_token],
            self._same["d"][scoring.document_tokens, scoring.pooled_token],
            scoring.width,
            scoring.pool_factor,
            scoring.stored_as,
            round(scoring.late_weight / (scoring.pooled_weight + scoring.late_weight), 9),
        )

    def measure(
        self, scorings: Sequence[ScoringConfig], metric: str, *, show_progress_bar: bool | None = None
    ) -> list[Measurement]:
        """The hybrid score under each of `scorings`, in their order."""
        kinds: dict[tuple[Kind, int], dict[Form, list[int]]] = defaultdict(lambda: defaultdict(list))
        for place, item in enumerate(scorings):
            kind = (item.layer, item.query_tokens, item.document_tokens, item.pooled_token)
            kinds[kind, item.pool_factor][item.width, item.stored_as].append(place)
        measurements: dict[int, Measurement] = {}
        total = len(scorings)
        hidden = total < 50 if show_progress_bar is None else not show_progress_bar
        with tqdm(total=total, desc="Measuring settings", unit="setting", disable=hidden) as bar:
            for (kind, factor), forms in kinds.items():
                for form, measured in self._some_forms(kind, factor, list(forms)):
                    for place in forms[form]:
                        scoring = scorings[place]
                        values = self._values(combine(measured.parts, scoring), metric)
                        measurements[place] = Measurement(scoring, values, measured.size, measured.ms)
                        bar.update()
        return [measurements[place] for place in range(total)]

    def _some_forms(self, kind: Kind, factor: int, forms: Sequence[Form]) -> Iterator[tuple[Form, _Scored]]:
        """As `_forms`, of so many forms at a time as there is memory for: their matrices grow with the number of
        queries times that of documents. Pooling again costs less than a machine without memory."""
        size = 2 * 4 * len(self.data.queries) * len(self.data.documents)
        count = max(1, _MATRICES_BYTES // size)
        for start in range(0, len(forms), count):
            yield from self._forms(kind, factor, forms[start : start + count])

    def _forms(self, kind: Kind, factor: int, forms: Sequence[Form]) -> Iterator[tuple[Form, _Scored]]:
        """Both terms of the score for each stored form of one choice of tokens. Pooling takes longest, so all forms of
        one factor share it."""
        layer, query_tokens, document_tokens, pooled_token = kind
        plain = ScoringConfig()
        every = self.embeddings("query", layer, query_tokens, pooled_token)
        query_embeddings = {
            width: queries_for_index(every, replace(plain, width=width)).to(self.device) for width, _ in forms
        }
        shape = len(self.data.queries), len(self.data.documents)
        scored = {form: _Scored(ScoreParts(torch.empty(shape), torch.empty(shape))) for form in forms}
        for places, states in self.documents:
            some = states.select(layer, document_tokens, pooled_token).pool_tokens(factor, show_progress_bar=False)
            for (width, stored_as), into in scored.items():
                stored = documents_for_index(some, replace(plain, width=width, stored_as=stored_as)).to(self.device)
                into.add(query_embeddings[width], stored, places)
        for form in forms:
            whole = scored.pop(form)  # not held while the next ones are measured
            whole.average(*shape)
            yield form, whole

    def embeddings(self, role: Role, layer: int, keep: str, pooled_token: str) -> Embeddings:
        """All queries or documents, in the order of the set, as the model gives them with this layer and filter."""
        batches = self.queries if role == "query" else self.documents
        embeddings = Embeddings.concatenate(states.select(layer, keep, pooled_token) for _, states in batches)
        order = torch.tensor([place for places, _ in batches for place in places])
        return embeddings[order.argsort()]

    def _values(self, scores: Tensor, metric: str) -> np.ndarray:
        """[Q], from a matrix of scores [Q, N]."""
        data, ks = self.data, (check_metric(metric),)
        builder = RankingBuilder(data.query_ids, data.document_ids, depth_for(ks), data.own)
        builder.add(scores)
        rankings = dict(zip(data.query_ids, builder.rankings(), strict=True))
        return np.array(score_rankings(rankings, data.qrels, ks)[metric])

    def _in_memory_or_mapped(self, states: LayeredStates) -> LayeredStates:
        """`states`, in memory while there is room, else mapped from a file."""
        self._free -= states.nbytes
        if self._free >= 0:
            return states
        if self._folder is None:
            self._folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="smart_train_tune_")))
        file = self._folder / f"{len(list(self._folder.iterdir()))}.pt"
        with naming_refusals(file):
            torch.save(states.to_tensors(), file)
        return type(states).from_tensors(torch.load(file, mmap=True, weights_only=True))


def _encode_layers_alone(
    model: SmartModel,
    inputs: Sequence[ModelInput],
    role: Role,
    layers: Sequence[int],
    *,
    take: Callable[[LayeredStates], LayeredStates],
    **options: Any,
) -> list[tuple[list[int], LayeredStates]]:
    """`encode_layers_together` of a single process, in which no rank takes part."""
    from smart_train.models.layered_states import encode_layers

    batches = encode_layers(model, inputs, role, layers, **options)
    return [(places, take(states)) for places, states in batches]


class _Scored:
    """Score matrices that fill up block by block, and what they took."""

    def __init__(self, parts: ScoreParts) -> None:
        self.parts = parts
        self.size = self.ms = 0.0

    def add(self, queries: Embeddings, documents: Embeddings, places: list[int]) -> None:
        began = time.perf_counter()
        block = score_parts(queries, documents)
        for name in ("pooled", "late"):
            self.parts.of(name)[:, places] = block.of(name).cpu()  # waits for an accelerator, too
        self.ms += 1000 * (time.perf_counter() - began)
        held = (tensor for name, tensor in documents.parts().items() if name != "offsets")
        self.size += sum(tensor.numel() * tensor.element_size() for tensor in held)

    def average(self, queries: int, documents: int) -> None:
        self.ms, self.size = self.ms / queries, self.size / documents


def _same_masks(batches: Sequence[tuple[list[int], LayeredStates]]) -> dict[Filter, str]:
    """Filter -> a digest of what it keeps of all items."""
    digests: dict[Filter, hashlib._Hash] = defaultdict(hashlib.sha256)
    for _, states in batches:
        for token_filter, mask in states.masks.items():
            digests[token_filter].update(np.packbits(mask.numpy()).tobytes())
    return {token_filter: digest.hexdigest() for token_filter, digest in digests.items()}
