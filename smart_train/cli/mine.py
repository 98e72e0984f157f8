"""`smart-train mine`: hard negatives for the rows of a recipe."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from smart_train.cli.arguments import BatchSize, Overrides, RecipePath, Workers
from smart_train.cli.output import plain_console
from smart_train.cli.typed_options import naming_options
from smart_train.utils.defaults import BATCH_SIZE, MINING, MINING_SHARD, MINING_STORE
from smart_train.utils.terms import EXACT, NUMBER_FORMATS

if TYPE_CHECKING:
    from smart_train.recipe import Recipe
    from smart_train.recipe.sections import TrainSourceSection
    from smart_train.retrieval import MiningConfig, MiningSummary

    Mined = dict[Path, tuple[TrainSourceSection, MiningSummary]]

# What keeps a candidate out, by its name in the summary -> the option that sets it.
_OPTIONS = {"before the window": "--first-rank", "above the maximum": "--max-score", "within the margin": "--margin"}

Output = Annotated[Path, typer.Option(help="The folder to write. An interrupted call continues there.")]
Model = Annotated[
    str | None,
    typer.Option(help="Model to search with: a run folder, an adapter or any other model. Default: the recipe's base."),
]
Teacher = Annotated[
    str | None,
    typer.Option(
        help="A Qwen3-VL-Reranker, folder or Hub id, whose scores are written to the rows. Default: the scores of the "
        "model that searches.",
        show_default=False,
    ),
]
Corpus = Annotated[
    Path | None, typer.Option(help="More documents to choose negatives from, which answer no query: rows or a folder.")
]
Score = Annotated[
    str, typer.Option(metavar="<hybrid|late|pooled>", help="The score that ranks documents and is written to the rows.")
]
Negatives = Annotated[int, typer.Option(help="Number of negatives per row.")]
FirstRank = Annotated[
    int, typer.Option(help="First rank from which negatives are taken. Known positives are not counted.")
]
LastRank = Annotated[int, typer.Option(help="Last rank from which negatives are taken.")]
Margin = Annotated[
    float, typer.Option(help="Highest score of a negative, as a share of the positive's score; 0 disables this rule.")
]
MaxScore = Annotated[float | None, typer.Option(help="Highest score of a negative.")]
Pick = Annotated[
    str, typer.Option(metavar="<top|random>", help="Take the first candidates that pass, or draw among all that pass.")
]
Seed = Annotated[int, typer.Option(help="Seed for --pick random.")]
Candidates = Annotated[
    int | None, typer.Option(help="Let the pooled score preselect this many documents. Default: all are scored.")
]
WhenShort = Annotated[
    str,
    typer.Option(
        metavar="<drop|keep>",
        help="A row with fewer negatives than wanted: leave it out (drop), or write it as it is (keep).",
    ),
]
Store = Annotated[
    str, typer.Option(metavar=f"<{'|'.join(NUMBER_FORMATS)}>", help="Data type of the token states on disk.")
]
Products = Annotated[
    str,
    typer.Option(
        metavar="<exact|bfloat16|float16>",
        help="Find what may be among the best by products of rounded tokens, several times as fast on a GPU, and score "
        "that again exactly. The ranking is the same.",
    ),
]
ShardSize = Annotated[int, typer.Option(help="Number of items encoded and held in memory at a time.")]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Discard what --output holds from another model or corpus.")
]


def mine(
    recipe: RecipePath,
    overrides: Overrides = None,
    *,
    output: Output,
    model: Model = None,
    teacher: Teacher = None,
    corpus: Corpus = None,
    score: Score = MINING.score,
    negatives: Negatives = MINING.negatives,
    first_rank: FirstRank = MINING.first_rank,
    last_rank: LastRank = MINING.last_rank,
    margin: Margin = MINING.margin,
    max_score: MaxScore = MINING.max_score,
    pick: Pick = MINING.pick,
    seed: Seed = MINING.seed,
    candidates: Candidates = MINING.candidates,
    when_short: WhenShort = MINING.when_short,
    store: Store = MINING_STORE,
    products: Products = EXACT,
    shard_size: ShardSize = MINING_SHARD,
    batch_size: BatchSize = BATCH_SIZE,
    workers: Workers = None,
    overwrite: Overwrite = False,
) -> None:
    """Find hard negatives for the training rows of RECIPE, and write them with their scores as a data set.

    If there are several sources, each is searched separately. Several processes
    (accelerate launch -m smart_train mine ...) share the work.
    """
    from smart_train.cli.process_group import joined_processes
    from smart_train.distributed import on_main
    from smart_train.recipe import load_recipe
    from smart_train.retrieval import MiningConfig
    from smart_train.run.mining import check_mining_folder

    wanted: dict[str, Any] = {
        "score": score,
        "negatives": negatives,
        "first_rank": first_rank,
        "last_rank": last_rank,
        "margin": margin or None,
        "max_score": max_score,
        "pick": pick,
        "seed": seed,
        "candidates": candidates,
        "when_short": when_short,
    }
    meant = load_recipe(recipe, overrides or ())
    options = {
        "shard_size": shard_size,
        "store": store,
        "products": products,
        "batch_size": batch_size,
        "num_workers": workers,
        "overwrite": overwrite,
    }
    with joined_processes():
        with naming_options(*wanted, "store", "products", "shard_size", "batch_size"):
            config = on_main(lambda: MiningConfig(**wanted))
            on_main(lambda: check_mining_folder(output))
            mined, start = _mine(meant, model, teacher, output, corpus, config, options)
        _finish(mined, recipe, meant, output, start, overrides or ())


def _mine(
    recipe: Recipe,
    model: str | None,
    teacher: str | None,
    output: Path,
    corpus: Path | None,
    config: MiningConfig,
    options: dict[str, Any],
) -> tuple[Mined, str | None]:
    """Mines every source of `recipe`; on every process. Also the model that training may start from: the one that
    mined, unless it can only be a teacher; None is the recipe's base."""
    from smart_train.distributed import on_main
    from smart_train.distributed.stages import on_every_rank
    from smart_train.models.reranker import load_reranker
    from smart_train.retrieval import mine_negatives
    from smart_train.run import build
    from smart_train.run.mining import mining_sources
    from smart_train.run.prepare import prepare_data

    on_main(lambda: prepare_data(recipe.data.prepare, plain_console()))
    sources = on_main(lambda: mining_sources(recipe, output, corpus))
    for source in sources:
        _say(
            f"{source.name}: {source.report.summary()}",
            *(f"  {label}: {value}" for label, value in source.report.details()),
        )
    loaded = on_every_rank(lambda: build.mining_model(recipe, model))
    scorer = on_every_rank(lambda: None if teacher is None else load_reranker(teacher))
    options = {**options, "teacher": scorer}
    mined = {}
    for source in sources:
        summary = mine_negatives(loaded, source.rows, source.folder, config, extra=source.extra, **options)
        mined[source.folder] = (source.section, summary)
        _say(*_described(summary, source.folder, config.negatives, str(options["products"])))
    if loaded.family.late_only and model is not None:
        _say(f"{model}: is late only and is not trained here; the new recipe starts from the recipe's own model")
        return mined, None
    return mined, model


def _finish(
    mined: Mined, recipe: Path, meant: Recipe, output: Path, model: str | None, overrides: Sequence[str]
) -> None:
    from smart_train.distributed import on_main
    from smart_train.run.mining import RECIPE_FILE, write_recipe

    output_dir = str(meant.training["output_dir"])
    written = on_main(
        lambda: write_recipe(recipe, output, mined, model=model, output_dir=output_dir, overrides=overrides)
    )
    if written.name != RECIPE_FILE:
        _say(f"{output / RECIPE_FILE} was edited and is left as it is; the new one is beside it")
    _say(f"Train with them: smart-train train {shlex.quote(str(written))}")


def _described(summary: MiningSummary, folder: Path, wanted: int, products: str) -> Iterator[str]:
    yield (
        f"{summary.rows} rows, {summary.queries} queries, {summary.documents} documents; the positive ranks first for "
        f"{summary.positive_first:.1%}"
    )
    for count, rows in summary.negatives.items():
        yield f"  rows with {count} negatives: {rows}"
    for rule, count in summary.discarded.items():
        yield f"  candidates left out by {_OPTIONS[rule]}: {count}"
    negative = "none" if summary.negative_score is None else f"{summary.negative_score:.4f}"
    yield f"mean score of a positive {summary.positive_score:.4f}, of a negative {negative}"
    if products != EXACT and summary.rescored:  # not the choice that exact products make by themselves
        yield f"scored again by exact products: {summary.rescored}"
    yield f"{folder}: {summary.rows_written} rows written ({summary.rows_short} have fewer than {wanted} negatives)"


def _say(*lines: str) -> None:
    """Prints on the main process."""
    from smart_train.distributed import is_main

    if is_main():
        for line in lines:
            plain_console().print(line)
