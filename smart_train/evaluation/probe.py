"""What a model's hidden states hold at each layer: how well they retrieve, how they lie in space, how many of them a
search chooses, and how much of a pooled loss's gradient reaches them.

The figures behind the SMART paper's claim that the states which a single-vector model throws away are a multi-vector
retriever (arXiv 2605.24938), for any model on any held-out rows.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from smart_train.errors import DataError
from smart_train.evaluation.binding import binding_probe
from smart_train.evaluation.plots import save_figure
from smart_train.evaluation.probe_figure import probe_figure
from smart_train.evaluation.probe_result import GradientProbe, LayerProbe, ProbeResult
from smart_train.evaluation.sets import EvaluationSet
from smart_train.evaluation.tuning_states import TuningStates
from smart_train.scoring.embeddings import Embeddings
from smart_train.scoring.geometry import effective_rank, mean_cosine, winners
from smart_train.utils.atomic import write_json
from smart_train.utils.defaults import BATCH_SIZE, BINDING_QUERIES, PROBE_PAIRS
from smart_train.utils.terms import HEADLINE

if TYPE_CHECKING:
    from smart_train.models import SmartModel

PROBE_FILE, PROBE_PLOT = "probe.json", "probe.png"
_RANKED_TOKENS = 4096  # of which the effective rank is computed: its cost grows with their number, its value hardly


def probe(
    model: SmartModel,
    data: EvaluationSet,
    *,
    name: str = "model",
    metric: str = HEADLINE,
    layers: Sequence[int] | None = None,
    pairs: int = PROBE_PAIRS,
    binding_queries: int = BINDING_QUERIES,
    seed: int = 0,
    batch_size: int = BATCH_SIZE,
    show_progress_bar: bool | None = None,
) -> ProbeResult:
    """Measures `model` on `data`. Everything is encoded once. The local-binding test draws pages of its own.

    Args:
        metric: ndcg@K, recall@K or mrr@10.
        layers: numbered as `scoring.layer`; None: the embeddings and every layer. A model with a token projection has
            the one that its projection reads.
        pairs: how many queries, each with a document of its own, the gradient is taken over.
        binding_queries: of the local-binding test; 0 leaves it out.
        seed: of the tokens of which the effective rank is computed, and of the pages of the local-binding test.

    Raises:
        ModelError: a layer that the model does not have, or it is late only. DataError: fewer than two queries with
            documents of their own, an input that the model does not read, an unknown metric.
    """
    from smart_train.models.pooled_gradients import pooled_gradients
    from smart_train.models.token_projection import check_layer

    model.family.check_pooled("probe", "there is no pooled loss to take a gradient of; probe a model that has one")
    layer_numbers = _layers(model) if layers is None else list(dict.fromkeys(layers))
    for layer in layer_numbers:
        check_layer(layer, model.config, "layers")
    scoring = replace(model.scoring, width=None, pool_factor=1, stored_as="float32")
    gradient_pairs = _distinct_pairs(data, pairs)
    encoding: dict[str, Any] = {"batch_size": batch_size, "show_progress_bar": show_progress_bar}
    binding = binding_probe(model, binding_queries, seed=seed, **encoding) if binding_queries else []
    with TuningStates(model, data, layer_numbers, **encoding) as states:
        alone = [replace(scoring, layer=layer, pooled_weight=0.0, late_weight=1.0) for layer in layer_numbers]
        pooled = replace(scoring, layer=layer_numbers[-1], pooled_weight=1.0, late_weight=0.0)
        *late, vector = states.measure([*alone, pooled], metric, show_progress_bar=False)
        shares = [
            _layer(
                states, data, item.scoring.layer, float(np.mean(item.values)), scoring.document_tokens, scoring, seed
            )
            for item in late
        ]
    gradient = pooled_gradients(
        model, [data.queries[i] for i, _ in gradient_pairs], [data.documents[j] for _, j in gradient_pairs]
    )
    return ProbeResult(
        name,
        metric,
        float(np.mean(vector.values)),
        len(data.query_ids),
        len(data.document_ids),
        shares,
        [GradientProbe(layer, kind, *values) for (layer, kind), values in gradient.items()],
        binding,
    )


def _layers(model: SmartModel) -> list[int]:
    if model.head is not None:
        return [model.scoring.layer]
    return list(range(model.config.get_text_config().num_hidden_layers + 1))


def _distinct_pairs(data: EvaluationSet, wanted: int) -> list[tuple[int, int]]:
    """Places of up to `wanted` queries, and of a document of each that answers none of the others."""
    places = {document: place for place, document in enumerate(data.document_ids)}
    taken: set[str] = set()
    pairs: list[tuple[int, int]] = []
    for place, query in enumerate(data.query_ids):
        right = {document for document, grade in data.qrels[query].items() if grade > 0}
        if right and not right & taken and len(pairs) < wanted:
            taken |= right
            pairs.append((place, places[min(right)]))
    if len(pairs) < 2:
        raise DataError(
            f"probe: queries with a relevant document that answers no other query: {len(pairs)}; the gradient of an "
            "in-batch loss needs 2. Give rows with more documents"
        )
    return pairs


def _layer(
    states: TuningStates, data: EvaluationSet, layer: int, late: float, token_filter: str, scoring: Any, seed: int
) -> LayerProbe:
    documents = states.embeddings("document", layer, token_filter, scoring.pooled_token)
    queries = states.embeddings("query", layer, scoring.query_tokens, scoring.pooled_token)
    tokens = documents.packed
    if len(tokens) > _RANKED_TOKENS:
        tokens = tokens[torch.randperm(len(tokens), generator=torch.Generator().manual_seed(seed))[:_RANKED_TOKENS]]
    winning, busiest = _winners(data, queries, documents)
    return LayerProbe(
        layer,
        late,
        mean_cosine(documents.packed, documents.offsets),
        effective_rank(tokens),
        documents.packed.shape[1],
        winning,
        busiest,
    )


def _winners(data: EvaluationSet, queries: Embeddings, documents: Embeddings) -> tuple[float, float]:
    places = {document: place for place, document in enumerate(data.document_ids)}
    wins: dict[int, torch.Tensor] = {}
    busiest = []
    for place, query in enumerate(data.query_ids):
        tokens = _item(queries, place)
        for document, grade in data.qrels[query].items():
            page = _item(documents, places[document])
            if grade <= 0 or not len(tokens) or not len(page):
                continue
            won = winners(tokens, page)
            busiest.append(float(won.max()) / len(tokens))
            wins[places[document]] = wins.get(places[document], torch.zeros_like(won)) + won
    if not busiest:
        raise DataError("probe: no query with tokens has a relevant document with tokens")
    total = sum(len(won) for won in wins.values())
    return sum(int((won > 0).sum()) for won in wins.values()) / total, sum(busiest) / len(busiest)


def _item(embeddings: Embeddings, place: int) -> torch.Tensor:
    start, end = (int(value) for value in embeddings.offsets[place : place + 2])
    return embeddings.packed[start:end]


def check_probe_folder(folder: str | Path) -> None:
    """Raises DataError where `folder` holds files of the names that `save_probes` writes, and an earlier one did not
    write them."""
    file, plot = Path(folder, PROBE_FILE), Path(folder, PROBE_PLOT)
    try:
        probed = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
        if not all(field in result for result in probed for field in ("layers", "gradients")):
            raise ValueError
        if not probed and plot.exists():
            file = plot
            raise ValueError
    except (OSError, ValueError, TypeError) as error:
        raise DataError(f"{file}: exists and is not of an earlier probe; name another folder") from error


def save_probes(results: Sequence[ProbeResult], folder: str | Path) -> Path:
    """Writes FOLDER/probe.json and FOLDER/probe.png, each whole or not at all; returns the first's path."""
    # The plot last: one alone is then of somebody else.
    written = write_json(Path(folder, PROBE_FILE), [result.to_dict() for result in results])
    save_figure(probe_figure(results), Path(folder, PROBE_PLOT))
    return written
