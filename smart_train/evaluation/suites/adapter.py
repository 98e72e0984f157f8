"""A `SmartModel` as a model of mteb: what `mteb.evaluate` needs to rank documents by the pooled, late or hybrid score.

mteb has two protocols. Its `EncoderProtocol` passes on the scores of a chunk of documents without their ids, so a
second stage is impossible, and encodes again for every score. Its `SearchProtocol`, used here, passes whole sets: one
encoding and one scoring give all three rankings, and tasks with ranked lists (reranking) work, too.

    import mteb
    from smart_train.evaluation.suites import MtebModel
    hybrid = MtebModel(model, cache="encoded")
    mteb.evaluate(hybrid, tasks)                        # scores of the hybrid score
    mteb.evaluate(hybrid.by("pooled"), tasks)           # encodes nothing again
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from smart_train.errors import DataError
from smart_train.evaluation.suites.catalogue import load_mteb
from smart_train.evaluation.suites.ranking import Kept, rank_all, rank_chosen, rank_two_stage
from smart_train.evaluation.suites.rows import Rows, Side, read_rows
from smart_train.evaluation.suites.store import EncodedSets
from smart_train.retrieval.encoder import WorkerEncoder, check_pooled
from smart_train.utils.terms import SCORES

_SIMILARITIES = {"pooled": "cosine", "late": "MaxSim", "hybrid": "custom"}
_UNNAMED = "smart_train/local-model"


class MtebModel:
    """Ranks the documents of an mteb task for its queries by one of the three scores.

    Args:
        model: a `SmartModel`.
        score: "pooled", "late" or "hybrid"; see `by`.
        cache: folder that keeps the embeddings, for later calls too. None: a temporary one.
        store: what token states are kept as: float32 (exact), float16, bfloat16 or int8.
        candidates: None scores every document by its tokens; otherwise only so many of each query, those that the
            pooled score puts first.
        task_prompts: give the model the instruction that mteb has for a task, in place of its own. Published figures
            of a model are made with its own, as a rule.
        name: OWNER/NAME, by which results are filed. revision: likewise; None: a digest of weights and settings.
        show_progress_bar: None shows one where it takes long.

    Attributes:
        weights: the model's fingerprint, of the kind that the folder of results (or `cache`) holds.

    Raises:
        DataError: an unknown score, or what is wrong with `cache`. ModelError: `cache` holds another model's, or the
            model is late only.
        MissingExtra: mteb is not installed.
    """

    def __init__(
        self,
        model: WorkerEncoder,
        score: str = "hybrid",
        *,
        cache: str | Path | None = None,
        store: str = "float32",
        candidates: int | None = None,
        task_prompts: bool = False,
        name: str = _UNNAMED,
        revision: str | None = None,
        show_progress_bar: bool | None = None,
    ) -> None:
        load_mteb()
        check_pooled(model, "benchmark", "results here are of three scores; mteb itself runs such models")
        if candidates is not None and candidates < 1:
            raise DataError(f"candidates is {candidates}, it must be at least 1")
        if cache is None:
            self._own_folder = tempfile.TemporaryDirectory()  # removed with this object and its views
            cache = self._own_folder.name
        self.model = model
        self.encoded = EncodedSets(model, cache, store=store)
        self.candidates, self.task_prompts = candidates, task_prompts
        self.name = name
        self._revision = revision
        self.weights = self.encoded.weights
        self.show_progress_bar = show_progress_bar
        # What the views of the three scores share: rows by their data set's fingerprint, and rankings.
        self._rows: dict[tuple[Side, str], Rows] = {}
        self._rankings: dict[tuple[Any, ...], dict[str, Kept]] = {}
        self._documents: Rows | None = None
        self.score = score
        self._check_score()

    @property
    def revision(self) -> str:
        return self._revision or self.weights[:16]

    def by(self, score: str) -> MtebModel:
        """The same model, ranking by another score: what one of them has encoded and scored serves all."""
        view = copy.copy(self)
        view.score = score
        view._check_score()
        return view

    def _check_score(self) -> None:
        if self.score not in SCORES:
            raise DataError(f"score is {self.score!r}, it must be one of {', '.join(SCORES)}")

    @property
    def mteb_model_meta(self) -> Any:
        """What mteb files results under. Those of the pooled and late score, and of two stages, are experiments beside
        the results of the model."""
        from mteb.models.model_meta import ModelMeta, ScoringFunction

        experiment: dict[str, Any] = {} if self.score == "hybrid" else {"score": self.score}
        if self.candidates is not None and self.score != "pooled":
            experiment["candidates"] = self.candidates
        return ModelMeta.create_empty(
            overwrites={
                "name": self.name,
                "revision": self.revision,
                "n_parameters": sum(tensor.numel() for tensor in self.model.state_dict().values()),
                "framework": ["PyTorch", "Transformers"],
                "similarity_fn_name": ScoringFunction(_SIMILARITIES[self.score]),
                "use_instructions": self.model.family.default_query_instruction is not None,
                "modalities": list(self.model.family.modalities),
                "model_type": ["dense"] if self.score == "pooled" else ["late-interaction"],
                "experiment_kwargs": experiment or None,
            }
        )

    def rows(self, dataset: Any, side: Side, metadata: Any, subset: str, split: str) -> Rows:
        """The queries or documents of a task. Raises DataError for what cannot be asked; see `read_rows`."""
        from mteb.types import PromptType

        key = (side, dataset._fingerprint)
        if key not in self._rows:
            kind = PromptType.query if side == "query" else PromptType.document
            instruction = metadata.prompt if self.task_prompts else None
            if isinstance(instruction, Mapping):  # by side; a plain text is for queries alone
                instruction = instruction.get(kind.value)
            elif side == "document":
                instruction = None
            where = f"{metadata.name} ({subset}, {split})"
            self._rows[key] = read_rows(dataset, side, metadata.get_modalities(kind), where, instruction)
        return self._rows[key]

    def forget(self) -> None:
        """Lets go of the rows and rankings of the tasks so far; the embeddings on disk stay."""
        self._rows.clear()
        self._rankings.clear()

    def index(
        self,
        corpus: Any,
        *,
        task_metadata: Any,
        hf_split: str,
        hf_subset: str,
        encode_kwargs: Mapping[str, Any],
        num_proc: int | None = None,
        **_: Any,
    ) -> None:
        """mteb's call: encodes the documents of a task, those that the cache lacks."""
        self._documents = self.rows(corpus, "document", task_metadata, hf_subset, hf_split)
        self.encode(self._documents, encode_kwargs, num_proc)

    def encode(self, rows: Rows, encode_kwargs: Mapping[str, Any], num_proc: int | None = None) -> None:
        """Encodes what the cache lacks of `rows`; under several processes all of them must call it."""
        self.encoded.encode(
            rows,
            batch_size=encode_kwargs.get("batch_size", 32),
            num_workers=num_proc or 0,
            show_progress_bar=encode_kwargs.get("show_progress_bar", self.show_progress_bar),
        )

    def search(
        self,
        queries: Any,
        *,
        task_metadata: Any,
        hf_split: str,
        hf_subset: str,
        top_k: int,
        encode_kwargs: Mapping[str, Any],
        top_ranked: Mapping[str, list[str]] | None = None,
        num_proc: int | None = None,
        **_: Any,
    ) -> dict[str, dict[str, float]]:
        """mteb's call: query id -> document id -> score, the best `top_k` of the indexed documents, or all those that
        `top_ranked` lists for a query. A query that is a document itself stays in: mteb takes it out where the task's
        rule (BEIR's, for ArguAna) says so."""
        if self._documents is None:
            raise DataError("MtebModel.search: no documents are indexed; call index first")
        rows = self.rows(queries, "query", task_metadata, hf_subset, hf_split)
        self.encode(rows, encode_kwargs, num_proc)
        return self.found(rows, self._documents, top_k, top_ranked)

    def found(
        self, queries: Rows, documents: Rows, top_k: int, top_ranked: Mapping[str, list[str]] | None = None
    ) -> dict[str, dict[str, float]]:
        """What `search` returns, of rows that are encoded."""
        ranked = self.rankings(queries, documents, top_k, top_ranked)[self.score]
        names = documents.ids
        return {
            query: {names[column]: score for score, column in zip(scores.tolist(), columns.tolist(), strict=True)}
            for query, (scores, columns) in zip(queries.ids, ranked, strict=True)
        }

    def rankings(
        self, queries: Rows, documents: Rows, top_k: int, top_ranked: Mapping[str, list[str]] | None = None
    ) -> dict[str, Kept]:
        """The rankings by all three scores, made once; both sides must be encoded."""
        candidates = None if top_ranked is None else tuple(tuple(top_ranked.get(query, ())) for query in queries.ids)
        key = (queries.key, tuple(queries.ids), documents.key, tuple(documents.ids), top_k, candidates)
        if key not in self._rankings:
            self._rankings[key] = self._rank(queries, documents, top_k, top_ranked)
        return self._rankings[key]

    def _rank(
        self, queries: Rows, documents: Rows, top_k: int, top_ranked: Mapping[str, list[str]] | None
    ) -> dict[str, Kept]:
        ids = (queries.ids, documents.ids)
        encoded = (self.encoded.shards(queries).load_all(), self.encoded.shards(documents))
        scoring, device = self.model.scoring, self.model.device
        if top_ranked is not None:
            places_of = _places(queries.ids, documents.ids, top_ranked)
            depth = max(1, *(len(places) for places in places_of))
            return rank_chosen(*encoded, *ids, scoring, places_of, depth=depth, device=device)
        if self.candidates is not None and self.candidates < len(documents):
            return rank_two_stage(*encoded, *ids, scoring, candidates=self.candidates, depth=top_k, device=device)
        return rank_all(*encoded, *ids, scoring, depth=top_k, device=device, show_progress_bar=self.show_progress_bar)


def _places(query_ids: list[str], document_ids: list[str], top_ranked: Mapping[str, list[str]]) -> list[np.ndarray]:
    """Per query the places in the corpus of the documents that it is to rank, each once."""
    place = {identity: at for at, identity in enumerate(document_ids)}
    columns = []
    for query in query_ids:
        names = dict.fromkeys(top_ranked.get(query, ()))
        strange = next((name for name in names if name not in place), None)
        if strange is not None:
            raise DataError(
                f"query {query!r} is to rank document {strange!r}, which is not in the corpus of {len(document_ids)}"
            )
        columns.append(np.array(sorted(place[name] for name in names), dtype=np.int64))
    return columns
