"""mteb's evaluator over states that were drawn before: its loaders, its search of a whole corpus, its metrics.

mteb ranks by one score at a time, so an evaluation by three scores is three of its evaluations. A text's states come
from a dictionary; what is left is mteb's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr
from io import StringIO
from types import SimpleNamespace
from typing import Any

from torch import Tensor

WHERE: dict[str, Any] = {"hf_split": "test", "hf_subset": "default"}


class Drawn:
    """What mteb's search asks of an encoder.

    Args:
        states: of a list of texts. similarity: of the states of queries and of documents, [Q, N].
    """

    mteb_model_meta = None

    def __init__(self, states: Callable[[Sequence[str]], Any], similarity: Callable[[Any, Any], Tensor]) -> None:
        self.states, self.similarity = states, similarity

    def encode(self, inputs: Any, **_: Any) -> Any:
        return self.states([text for batch in inputs for text in batch["text"]])


def mteb_evaluation(
    asked: Mapping[str, str],
    corpus: Mapping[str, str],
    relevant: Mapping[str, set[str]],
    encoder: Drawn,
    *,
    ks: Sequence[int],
    scores: int,
) -> Callable[[], list[dict[str, float]]]:
    """What evaluates by each of so many scores, and returns the metrics of each.

    Args:
        asked, corpus: id -> text. relevant: query id -> ids of its documents.
    """
    from datasets import Dataset
    from mteb._evaluators import RetrievalEvaluator
    from mteb.models.search_wrappers import SearchEncoderWrapper
    from mteb.timing import TimingStack

    sides = [Dataset.from_dict({"id": list(side), "text": list(side.values())}) for side in (corpus, asked)]
    metadata = SimpleNamespace(name="drawn", get_modalities=lambda kind: ["text"])
    judged = {query: dict.fromkeys(documents, 1) for query, documents in relevant.items()}

    def by_one_score() -> dict[str, float]:
        evaluator = RetrievalEvaluator(*sides, task_metadata=metadata, top_k=max(ks), timer=TimingStack(), **WHERE)
        with redirect_stderr(StringIO()):  # the bars of datasets
            options = {"batch_size": 32, "show_progress_bar": False}
            ranked = evaluator(SearchEncoderWrapper(encoder), encode_kwargs=options)
        measured = evaluator.evaluate(judged, ranked, list(ks))
        named = {f"ndcg@{k}": measured.ndcg[f"NDCG@{k}"] for k in ks}
        return {
            **named,
            **{f"recall@{k}": measured.recall[f"Recall@{k}"] for k in ks},
            "mrr@10": measured.mrr["MRR@10"],
        }

    return lambda: [by_one_score() for _ in range(scores)]
