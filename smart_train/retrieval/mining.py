"""Hard negatives: for every row, documents that a model ranks high for its query and that do not answer it.

`mining_rules` says which of them become negatives.

    folder/work     encoded corpus and queries in shards, and how far the search has come; may be deleted at the end
    folder/         train.jsonl, images, mining.json: the data set (see `mined_rows`) and what was done
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from smart_train.distributed import barrier, gather_objects, is_main, on_main, rank, world_size
from smart_train.errors import DataError, listing
from smart_train.retrieval.corpus import RowCorpus
from smart_train.retrieval.encoder import WorkerEncoder, check_pooled, with_workers
from smart_train.retrieval.fingerprints import fingerprint_like, model_fingerprint, prompt_settings
from smart_train.retrieval.index import document_settings
from smart_train.retrieval.mined_rows import RowWriter
from smart_train.retrieval.mining_rules import RULES, MiningConfig, Selection, select_negatives
from smart_train.retrieval.mining_search import CorpusSearch, Ranking
from smart_train.retrieval.rounded_search import Rescored
from smart_train.retrieval.shards import EmbeddingShards
from smart_train.retrieval.teacher_scoring import Teacher, teacher_scores
from smart_train.scoring import ScoringConfig
from smart_train.scoring.product import check_products
from smart_train.types import Example, ModelInput
from smart_train.utils.atomic import remove, write_json
from smart_train.utils.defaults import BATCH_SIZE, MINING_SHARD, MINING_STORE
from smart_train.utils.differences import changes, flat, lines, sections
from smart_train.utils.locks import LOCK_NAME, only_one
from smart_train.utils.terms import EXACT, NUMBER_FORMATS

WORK_FOLDER = "work"
WORK_FILE = "work.json"
SUMMARY_FILE = "mining.json"


@dataclass(frozen=True)
class MiningSummary:
    """What mining found; `mining.json` holds it.

    Attributes:
        rows, rows_short, rows_written: rows read, rows with fewer negatives than wanted, rows in the data set.
        documents, queries: distinct ones.
        negatives: number of negatives -> rows that have so many, before `when_short`.
        discarded: rule -> candidates it kept out, of those up to the last rank.
        positive_first: share of rows whose positive outranks every document that is not a known positive.
        positive_score, negative_score: means over rows, and over their negatives (None: there are none).
        rescored: how many scores were computed again by fp32 products, in words, also where "exact" chose products in
            the stored dtype itself; "" where all products were fp32 at once.
    """

    rows: int
    rows_short: int
    rows_written: int
    documents: int
    queries: int
    negatives: dict[int, int]
    discarded: dict[str, int]
    positive_first: float
    positive_score: float
    negative_score: float | None
    rescored: str = ""

    @property
    def negatives_in_every_row(self) -> int:
        """How many negatives each row that was written has at least."""
        every = self.rows_written == self.rows
        return min(self.negatives) if every else max(self.negatives)


def mine_negatives(
    model: WorkerEncoder,
    examples: Sequence[Example],
    folder: str | Path,
    config: MiningConfig | None = None,
    *,
    extra: Sequence[tuple[str, ModelInput]] = (),
    shard_size: int = MINING_SHARD,
    store: str = MINING_STORE,
    batch_size: int = BATCH_SIZE,
    num_workers: int | None = None,
    overwrite: bool = False,
    show_progress_bar: bool | None = None,
    teacher: Teacher | None = None,
    products: str = EXACT,
) -> MiningSummary:
    """Writes `examples` with mined negatives into `folder`. Killed at any moment and called again, it goes on. Where a
    process group is running, all of its processes must call it: they share the work, and the first one writes.

    The corpus is every document of every row and `extra`, (id, document) pairs that answer no query. What was encoded
    serves later calls with another `config` too.

    Args:
        model: a `SmartModel`.
        shard_size: items encoded, held and written at once.
        store: what token states are kept as on the disk: float32, float16, bfloat16 or int8.
        batch_size: items per forward. num_workers: processes that decode and tokenise ahead of the model; None leaves
            it to the model.
        overwrite: discard what `folder` holds of another model, corpus or way of storing.
        teacher: what scores the rows that were mined, such as a reranker; None: `model`, by the score that ranked. The
            rules that choose negatives, and the summary, are by `model` in either case.
        products: "exact", fp32; or "bfloat16" or "float16": products of rounded tokens, several times as fast on a GPU,
            find what may be among the best, and that is scored again in fp32. The ranking is the same. "exact" does so
            too, in the stored dtype, where `store` has 16 bits and the device multiplies tokens as they are.

    Raises:
        DataError: `folder` was begun with something else (named), no row is left, the disk is too small, or a file
            cannot be read.
        ModelError: the model is late only, and `config` asks for its pooled score.
        BusyError: another process mines into `folder`.
    """
    config, folder = config or MiningConfig(), Path(folder)
    if shard_size < 1:
        raise DataError(f"mining shard_size is {shard_size}; it must be at least 1")
    if store not in NUMBER_FORMATS:
        raise DataError(f"mining store is {store!r}; choose one of {', '.join(NUMBER_FORMATS)}")
    check_products(products, "mining products")
    if products != EXACT and (config.score == "pooled" or config.candidates is not None):
        way = "the pooled score" if config.score == "pooled" else "two stages (candidates)"
        raise DataError(
            f"mining products is {products!r}; {way} needs no narrow products of tokens: leave products out"
        )
    if config.score != "late":
        check_pooled(model, f"mining score {config.score!r}", "choose late (--score late)")
    if config.candidates is not None:
        check_pooled(model, f"mining candidates {config.candidates}", "leave candidates out")
    with only_one(folder / LOCK_NAME, "mining", by=on_main):
        corpus = RowCorpus(examples, extra, show_progress_bar)
        with_tokens = config.scoring(model.scoring).late_weight > 0
        work = folder / WORK_FOLDER / ("tokens" if with_tokens else "pooled")
        _open_work(work, model, _identity(model, corpus, shard_size, store if with_tokens else None), overwrite)
        shards = partial(EmbeddingShards, work, size=shard_size, tokens=with_tokens, store=store)
        queries, documents = shards("queries", corpus.query_count), shards("documents", corpus.document_count)
        options = {**with_workers(batch_size, num_workers), "show_progress_bar": False}
        show = show_progress_bar
        queries.encode(lambda at: model.encode_query(corpus.queries(at), **options), show_progress_bar=show)
        documents.encode(lambda at: model.encode_document(corpus.documents(at), **options), show_progress_bar=show)
        scoring, device = config.scoring(model.scoring), model.device
        rankings, count = _search(queries, documents, corpus, config, scoring, work, device, show, products)
        return _write(examples, corpus, rankings, config, folder, teacher, show, count.told)


def _search(
    queries: EmbeddingShards,
    documents: EmbeddingShards,
    corpus: RowCorpus,
    config: MiningConfig,
    scoring: ScoringConfig,
    work: Path,
    device: Any,
    show_progress_bar: bool | None,
    products: str,
) -> tuple[list[Ranking], Rescored]:
    """The ranking of every query, on every process, and how much was scored again; each ranks its share."""
    own_queries = list(range(rank(), corpus.query_count, world_size()))
    most = max(map(len, corpus.positives))  # so many of a query's best documents may be known positives
    rankings: list[Ranking] = []
    count = Rescored()
    if own_queries:
        everyone = queries.load_all()
        search = CorpusSearch(
            everyone if world_size() == 1 else everyone[torch.tensor(own_queries)],
            documents,
            [corpus.positives[query] for query in own_queries],
            scoring,
            depth=config.last_rank + most,
            candidates=None if config.candidates is None else config.candidates + most,
            file=work
            / (f"search-{rank()}-of-{world_size()}.safetensors" if world_size() > 1 else "search.safetensors"),
            device=device,
            products=products,
        )
        rankings = search.run(show_progress_bar=show_progress_bar)
        count = search.rescored
    shares, counts = zip(*gather_objects((rankings, count)), strict=True)
    whole = Rescored(sum(part.scores for part in counts), sum(part.again for part in counts))
    ranks = world_size()
    return [shares[query % ranks][query // ranks] for query in range(corpus.query_count)], whole


def _write(
    examples: Sequence[Example],
    corpus: RowCorpus,
    rankings: Sequence[Ranking],
    config: MiningConfig,
    folder: Path,
    teacher: Teacher | None,
    show_progress_bar: bool | None,
    rescored: str,
) -> MiningSummary:
    selections = []
    for row, (query, positive) in enumerate(zip(corpus.row_query, corpus.row_positive, strict=True)):
        name = f"{examples[row].query_id} {examples[row].document_ids[0]}" if config.pick == "random" else ""
        selections.append(select_negatives(rankings[query], corpus.positives[query], positive, config, name))
    positive_scores = [rankings[q].positives[p] for q, p in zip(corpus.row_query, corpus.row_positive, strict=True)]
    written = [
        row
        for row, selection in enumerate(selections)
        if config.when_short == "keep" or len(selection.places) == config.negatives
    ]
    summary = replace(_summary(corpus, rankings, selections, positive_scores, len(written), config), rescored=rescored)
    if not written:
        left_out = ", ".join(f"{count} {rule}" for rule, count in summary.discarded.items())
        raise DataError(
            f"mining: no row of {len(selections)} has {config.negatives} negatives. Candidates left out: {left_out}; "
            f"documents: {corpus.document_count}. Lower first_rank or negatives, raise last_rank, margin or max_score"
        )

    scores = [[positive_scores[row], *selections[row].scores] for row in written]
    if teacher is not None:
        pairs = [(corpus.row_query[row], (corpus.row_positive[row], *selections[row].places)) for row in written]
        scores = teacher_scores(teacher, corpus, pairs, folder / WORK_FOLDER, show_progress_bar=show_progress_bar)

    def rows() -> Iterator[tuple[Example, list[ModelInput], list[float]]]:
        for row, scored in zip(written, scores, strict=True):
            yield examples[row], corpus.documents(selections[row].places), scored

    if is_main():
        RowWriter(folder, among_images=corpus.shows).write(rows())
        write_json(folder / SUMMARY_FILE, {"config": asdict(config), **asdict(summary)})
    barrier()
    return summary


def _summary(
    corpus: RowCorpus,
    rankings: Sequence[Ranking],
    selections: Sequence[Selection],
    positive_scores: Sequence[float],
    written: int,
    config: MiningConfig,
) -> MiningSummary:
    counts = Counter(len(selection.places) for selection in selections)
    first = 0
    for query, score in zip(corpus.row_query, positive_scores, strict=True):
        ranked = zip(rankings[query].places.tolist(), rankings[query].scores.tolist(), strict=True)
        best = next((other for place, other in ranked if place not in corpus.positives[query]), -float("inf"))
        first += score > best
    scores = [score for selection in selections for score in selection.scores]
    return MiningSummary(
        rows=len(selections),
        rows_short=sum(rows for count, rows in counts.items() if count < config.negatives),
        rows_written=written,
        documents=corpus.document_count,
        queries=corpus.query_count,
        negatives=dict(sorted(counts.items())),
        discarded={rule: sum(selection.discarded[rule] for selection in selections) for rule in RULES},
        positive_first=first / len(selections),
        positive_score=sum(positive_scores) / len(positive_scores),
        negative_score=sum(scores) / len(scores) if scores else None,
    )


def _identity(model: WorkerEncoder, corpus: RowCorpus, shard_size: int, store: str | None) -> dict[str, Any]:
    """What encoded shards depend on, by the name a user knows it under."""
    prompts = json.dumps(prompt_settings(model), sort_keys=True)
    return {
        "model": on_main(lambda: model_fingerprint(model)),  # reads all weights, which one rank's reading is enough for
        "prompts": hashlib.blake2b(prompts.encode(), digest_size=16).hexdigest(),
        "scoring": {**document_settings(model), "query_tokens": model.scoring.query_tokens},
        **corpus.fingerprint(),
        "shard_size": shard_size,
        "store": store,
    }


def _open_work(work: Path, model: WorkerEncoder, identity: dict[str, Any], overwrite: bool) -> None:
    """Makes `work` fit to go on in with `model`, of which it is known by `identity`.

    Raises:
        DataError: it was begun with something else, which is named, and `overwrite` is not given.
    """
    path = work / WORK_FILE
    try:
        begun = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    except ValueError as error:  # not JSON, or not UTF-8
        raise DataError(f"{path}: cannot be read ({error}); delete {work}, which is made again") from error
    defaults = flat({"scoring": ScoringConfig().to_dict()})
    ours = identity if begun is None else identity | {"model": fingerprint_like(model, begun.get("model"))}
    differing = {} if begun is None else changes(flat(begun), flat(ours), defaults)
    barrier()  # all have looked before one writes
    if differing and not overwrite:
        raise DataError(
            f"{work}: was encoded with other {', '.join(sections(differing))}; choose another output folder, or "
            f"discard it with overwrite (--overwrite on the command line)\n{listing(lines(differing))}"
        )
    if is_main() and (differing or begun is None):
        if work.exists():
            remove(work)
        write_json(path, identity)
    barrier()
