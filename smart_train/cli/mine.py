"""`smart-train mine`: hard negatives for the rows of a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from smart_train.cli.arguments import BatchSize, Overrides, RecipePath
from smart_train.cli.output import plain_console

if TYPE_CHECKING:
    from smart_train.retrieval import MiningSummary


Output = Annotated[Path, typer.Option(help="The folder to write; a call that was cut off goes on there.")]
Model = Annotated[
    str | None,
    typer.Option(help="What to search with: a run's export, an adapter, any model. The recipe's base if not given."),
]
Corpus = Annotated[
    Path | None, typer.Option(help="More documents to choose from, which answer no query: rows or a folder.")
]
Score = Annotated[
    str, typer.Option(metavar="<hybrid|late|pooled>", help="What ranks documents, and which scores are written.")
]
Negatives = Annotated[int, typer.Option(help="Negatives wanted per row.")]
FirstRank = Annotated[int, typer.Option(help="Best rank taken; known positives have no rank.")]
LastRank = Annotated[int, typer.Option(help="Worst rank taken.")]
Margin = Annotated[float, typer.Option(help="Share of the positive's score that a negative may reach; 0 asks nothing.")]
MaxScore = Annotated[float | None, typer.Option(help="Highest score of a negative.")]
Pick = Annotated[str, typer.Option(metavar="<top|random>", help="Take the first that pass, or any that pass.")]
Seed = Annotated[int, typer.Option(help="Decides what --pick random draws.")]
Candidates = Annotated[
    int | None, typer.Option(help="Let the pooled score choose this many first; all are scored if not given.")
]
WhenShort = Annotated[
    str,
    typer.Option(metavar="<drop|keep>", help="Leave out a row with fewer negatives than wanted, or write it as it is."),
]
Store = Annotated[
    str, typer.Option(metavar="<float32|float16|bfloat16|int8>", help="Type of the token states on the disk.")
]
ShardSize = Annotated[int, typer.Option(help="Items encoded and held at once.")]
Workers = Annotated[int, typer.Option(min=0, help="Processes that decode pages ahead of the model.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Discard what --output holds of another model or corpus.")]


def mine(
    recipe: RecipePath,
    overrides: Overrides = None,
    *,
    output: Output,
    model: Model = None,
    corpus: Corpus = None,
    score: Score = "hybrid",
    negatives: Negatives = 4,
    first_rank: FirstRank = 1,
    last_rank: LastRank = 100,
    margin: Margin = 0.95,
    max_score: MaxScore = None,
    pick: Pick = "top",
    seed: Seed = 0,
    candidates: Candidates = None,
    when_short: WhenShort = "drop",
    store: Store = "float32",
    shard_size: ShardSize = 512,
    batch_size: BatchSize = 32,
    workers: Workers = 0,
    overwrite: Overwrite = False,
) -> None:
    """Find hard negatives for the training rows of RECIPE, and write them with their scores as a data set."""
    from smart_train import build
    from smart_train.prepare import prepare_data
    from smart_train.recipe import load_recipe
    from smart_train.retrieval import MiningConfig, mine_negatives

    config = MiningConfig(
        score=score,
        negatives=negatives,
        first_rank=first_rank,
        last_rank=last_rank,
        margin=margin or None,
        max_score=max_score,
        pick=pick,
        seed=seed,
        candidates=candidates,
        when_short=when_short,
    )
    console = plain_console()
    meant = load_recipe(recipe, overrides or ())
    prepare_data(meant.data.prepare, console)
    rows, extra, report = build.mining_rows(meant, corpus)
    console.print(f"data.train: {report.summary()}")
    summary = mine_negatives(
        build.mining_model(meant, model),
        rows,
        output,
        config,
        extra=extra,
        shard_size=shard_size,
        store=store,
        batch_size=batch_size,
        num_workers=workers,
        overwrite=overwrite,
    )
    _show(summary, output, negatives)


def _show(summary: MiningSummary, output: Path, wanted: int) -> None:
    from rich.table import Table

    table = Table("negatives", "rows", box=None)
    for count, rows in summary.negatives.items():
        table.add_row(str(count), str(rows))
    for rule, count in summary.discarded.items():
        table.add_row(f"candidates {rule}", str(count))
    console = plain_console()
    console.print(
        f"{summary.rows} rows, {summary.queries} queries, {summary.documents} documents; the positive ranks first for "
        f"{summary.positive_first:.1%}"
    )
    console.print(table)
    negative = "none" if summary.negative_score is None else f"{summary.negative_score:.4f}"
    console.print(f"mean score of a positive {summary.positive_score:.4f}, of a negative {negative}")
    console.print(
        f"{output}: {summary.rows_written} rows written ({summary.rows_short} have fewer than {wanted} negatives). "
        f"Train with data.train.path={output} data.negatives_per_query={wanted}"
    )
