"""Whether a model still tells its inputs apart, measured on a sample of the held-out rows at every evaluation.

    rank        effective rank of the documents' states around their mean: exp(entropy of the components' shares of the
                variance) (after Roy and Vetterli, EUSIPCO 2007; see `effective_rank`). One direction gives 1, d equal
                ones give d
    alignment   mean squared distance of a query's pooled vector to its answer's
    uniformity  log of the mean of exp(-2 * squared distance) over pairs of documents' pooled vectors; 0 when all are
                one point, -4 when they fill a sphere (both: Wang and Isola, ICML 2020)
    winning     share of the documents' tokens that are the best match of at least one query token
    spread      standard deviation of a query's scores over documents, mean over queries

Ranking quality says that a run has failed, often long after the cause. A spread of nothing says why: every document has
the same score, so the loss has no gradient, and no later step changes that.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

import torch
from torch import Tensor

from smart_train.errors import DivergedError
from smart_train.evaluation import EvaluationSet
from smart_train.models import SmartModel
from smart_train.scoring.embeddings import Embeddings
from smart_train.scoring.geometry import effective_rank
from smart_train.scoring.hybrid import pooled_scores, score_parts

SAMPLE = 64  # queries, and the documents that answer them
SCORED = 16  # of them, where all tokens meet
TOKENS = 1024  # whose rank is taken
# Of a spread. The quickstart has 5e-5 (late, all tokens of a page kept) to 0.01 before training and 0.02 to 0.2 after
# it; where all pages have the same score it is 0, or what rounding leaves.
COLLAPSED = 1e-5
# Of the pooled vectors' effective rank and uniformity, where a collapse is near. On one line, all queries rank all
# documents in one order, or in its reverse: below rank 1.5 one direction holds more than 86% of the variance. Two
# groups of near-duplicate pages lie on a line, too, so the vectors must also be nearly equal: a query's scores of two
# documents differ by at most their distance, whose mean square is about 0.005 at a uniformity of -0.01. That is a
# distance of 0.07, no more than usual temperatures. Two runs of the quickstart at a learning rate of 1e-2 have ranks of
# 1.01 to 1.33 and uniformities of -5e-7 to -0.004; at 5e-4 the rank is at least 3.9 (from step 20 on, 35 evaluations).
NEAR_RANK, NEAR_UNIFORMITY = 1.5, -0.01
LEAST_DOCUMENTS = 8  # fewer may lie on a line by chance; two do so always


def measure(model: SmartModel, data: EvaluationSet, batch_size: int) -> dict[str, float]:
    """`rank_pooled`, `rank_tokens`, `alignment`, and, where at least two documents are to be told apart, `uniformity`,
    `spread_pooled`, `spread_late`; `winning`. Every rank must call it, and encodes the same sample: the forward of a
    sharded model is collective.

    Args:
        batch_size: inputs encoded at a time.
    """
    answers = _answers(data)
    different = sorted(set(answers))
    queries = model.encode_query(data.queries[:SAMPLE], batch_size=batch_size, show_progress_bar=False)
    documents = model.encode_document(
        [data.documents[place] for place in different], batch_size=batch_size, show_progress_bar=False
    )
    answer_rows = torch.tensor([different.index(place) for place in answers])
    pooled = documents.pooled.float()
    every = max(1, len(documents.packed) // TOKENS)
    late, winning = _late(queries[:SCORED], documents[:SCORED])
    measured = {
        "rank_pooled": effective_rank(pooled),
        "rank_tokens": effective_rank(documents.packed[::every].float()),
        "alignment": (queries.pooled.float() - pooled[answer_rows]).square().sum(dim=1).mean().item(),
        "winning": winning,
    }
    if len(different) > 1:
        measured |= {
            "uniformity": torch.pdist(pooled).square().mul(-2).exp().mean().log().item(),
            "spread_pooled": _spread(pooled_scores(queries.pooled, documents.pooled)),
            "spread_late": _spread(late),
        }
    return measured


def check(
    before: Mapping[str, float] | None,
    now: Mapping[str, float],
    needs: Collection[str],
    step: int,
    learning_rate: float,
) -> None:
    """Raises DivergedError when a score that the objective `needs` ("pooled", "late") no longer tells documents apart.

    Two evaluations must say so: a few steps, or a few rows that are cut to the same tokens, prove nothing yet.

    Args:
        before, now: what `measure` gave at the last evaluation and at this one; None: this is the first.
    """
    pairs = () if before is None else (before, now)
    gone = [
        score for score in needs if pairs and all(item.get(f"spread_{score}", math.inf) < COLLAPSED for item in pairs)
    ]
    if gone:
        listed = " and ".join(f"{score} ({now[f'spread_{score}']:.1e})" for score in gone)
        raise DivergedError(
            f"step {step}: the model has collapsed: at this evaluation and the one before, every held-out document has "
            f"the same score; standard deviation over documents, at least {COLLAPSED:g}: {listed}. Such a run does not "
            f"recover, because the loss has no gradient left. Lower training.learning_rate ({learning_rate:g}; the "
            "quickstart collapses at 1e-2 and learns at 5e-4), or raise training.warmup_steps. A model drawn at random "
            "also needs scoring.document_tokens visual: the prompt, which all pages share, would be the best match of "
            "every query"
        )


def near_collapse(
    before: Mapping[str, float] | None,
    now: Mapping[str, float],
    needs: Collection[str],
    data: EvaluationSet,
    step: int,
    learning_rate: float,
) -> str | None:
    """What to tell where the pooled vectors have nearly collapsed at two evaluations in a row, and the objective needs
    them; None elsewhere. A warning and not a stop: the spread left is enough for a gradient, and some runs come back.

    Args:
        as those of `check`; `data` is what was measured.
    """
    documents = len(set(_answers(data)))
    if "pooled" not in needs or before is None or documents < LEAST_DOCUMENTS:
        return None
    if not all(item["rank_pooled"] < NEAR_RANK and item["uniformity"] > NEAR_UNIFORMITY for item in (before, now)):
        return None
    return (
        f"step {step}: the model has nearly collapsed: at this evaluation and the one before, the pooled vectors of "
        f"{documents} held-out documents lie almost on one line (effective rank {now['rank_pooled']:.3f}, below "
        f"{NEAR_RANK:g}) and almost in one point (uniformity {now['uniformity']:.1e}, above {NEAR_UNIFORMITY:g}), so "
        "all queries rank them in one order or its reverse. The run goes on; if the loss stays that of guessing, lower "
        f"training.learning_rate ({learning_rate:g}) or raise training.warmup_steps, and start over"
    )


def _answers(data: EvaluationSet) -> list[int]:
    """The place of the document that answers each of the sampled queries best."""
    places = {identity: place for place, identity in enumerate(data.document_ids)}
    return [places[max(grades, key=lambda name: grades[name])] for grades in list(data.qrels.values())[:SAMPLE]]


def _late(queries: Embeddings, documents: Embeddings) -> tuple[Tensor, float]:
    """Late scores, and the share of document tokens that win: those that a gradient of the scores reaches."""
    with torch.enable_grad():
        packed = documents.packed.detach().float().requires_grad_()
        scored = Embeddings(documents.pooled, packed, documents.offsets)
        scores = score_parts(queries, scored, pooled=False).of("late")
        (gradient,) = torch.autograd.grad(scores.sum(), packed)
    return scores.detach(), (gradient != 0).any(dim=1).float().mean().item()


def _spread(scores: Tensor) -> float:
    return scores.std(dim=1).mean().item()
