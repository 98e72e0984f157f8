"""Small data sets in the layouts in which the published ones lie on the Hub: parquet files and a README that names the
configurations. `load_dataset` reads such a folder as it reads the Hub, so mteb's own tasks run on them."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import datasets
from PIL import Image

COLOURS = {"red": (220, 30, 30), "green": (20, 150, 60), "blue": (30, 60, 220), "black": (20, 20, 20)}


def write_configs(folder: Path, configs: Mapping[str, datasets.Dataset], split: str = "test") -> Path:
    """`folder` with one parquet file for each configuration."""
    folder.mkdir(parents=True)
    lines = ["---", "configs:"]
    for name, rows in configs.items():
        (folder / name).mkdir()
        rows.to_parquet(folder / name / f"{split}-00000-of-00001.parquet")
        lines += [f"- config_name: {name}", "  data_files:", f"  - split: {split}", f"    path: {name}/{split}-*"]
    (folder / "README.md").write_text("\n".join([*lines, "---", ""]))
    return folder


def rows_of(**columns: Sequence[Any]) -> datasets.Dataset:
    rows = datasets.Dataset.from_dict({name.replace("__", "-"): list(values) for name, values in columns.items()})
    return rows.cast_column("image", datasets.Image()) if "image" in columns else rows


def pages(count: int) -> tuple[list[Image.Image], list[str]]:
    """Pages of four coloured squares, 64 x 64 pixels, and their colours in order, as a query names them."""
    orders = list(itertools.permutations(COLOURS, 4))
    random.Random(0).shuffle(orders)
    drawn = []
    for names in orders[:count]:
        page = Image.new("RGB", (64, 64))
        for at, name in enumerate(names):
            x, y = 32 * (at % 2), 32 * (at // 2)
            page.paste(COLOURS[name], (x, y, x + 32, y + 32))
        drawn.append(page)
    return drawn, [" ".join(names) for names in orders[:count]]


def vidore(folder: Path, count: int = 8, languages: Sequence[str] = ()) -> Path:
    """ViDoRe v1 (numbers for ids), or with `languages` v2: query i is answered by page i, and by page i + 1 with a
    lower grade."""
    drawn, texts = pages(count)
    asked = [(text, language) for language in languages or ("",) for text in texts]
    queries: dict[str, Any] = {"query__id": range(len(asked)), "query": [text for text, _ in asked]}
    if languages:
        queries["language"] = [language for _, language in asked]
    judged = [(at, (at % count + step) % count, 2 - step) for at in range(len(asked)) for step in (0, 1)]
    return write_configs(
        folder,
        {
            "queries": rows_of(**queries),
            "corpus": rows_of(corpus__id=range(count), image=drawn),
            "qrels": _judgements(judged),
        },
    )


def vidore_v3(folder: Path, languages: Sequence[str], count: int = 8, *, text: bool = False, ranked: int = 0) -> Path:
    """ViDoRe v3: three configurations a language, the pages the same in all; `text`: v3.1, with what OCR read beside
    each page; `ranked`: a reranking task, that many pages listed for each query."""
    drawn, texts = pages(count)
    names = [f"page_{at}" for at in range(count)]
    configs: dict[str, datasets.Dataset] = {}
    for language in languages:
        corpus: dict[str, Any] = {"id": names, "image": drawn}
        if text:
            corpus["text"] = [f"# Page {at}" for at in range(count)]
        asked = [f"{language}-{at}" for at in range(count)]
        configs[f"{language}-corpus"] = rows_of(**corpus)
        configs[f"{language}-queries"] = rows_of(id=asked, text=[f"{language} {words}" for words in texts])
        configs[f"{language}-qrels"] = _judgements([(asked[at], names[at], 1) for at in range(count)])
        if ranked:
            lists = [[names[(at + step) % count] for step in range(ranked)] for at in range(count)]
            configs[f"{language}-top_ranked"] = rows_of(query__id=asked, corpus__ids=lists)
    return write_configs(folder, configs)


def visrag(folder: Path, count: int = 8) -> Path:
    """VisRAG: names for ids, the judgements in the configuration `qrels`."""
    drawn, texts = pages(count)
    return write_configs(
        folder,
        {
            "queries": rows_of(id=[f"q{at}" for at in range(count)], text=texts),
            "corpus": rows_of(id=[f"p{at}" for at in range(count)], image=drawn),
            "qrels": _judgements([(f"q{at}", f"p{at}", 1) for at in range(count)]),
        },
        split="train",
    )


def beir(
    folder: Path,
    queries: Mapping[str, str],
    documents: Mapping[str, str | tuple[str, str]],
    judged: Sequence[tuple[str, str, int]],
) -> Path:
    """BEIR's texts as mteb keeps them: `_id`, `title`, `text`. A document is its text, or (title, text)."""
    parts = [held if isinstance(held, tuple) else ("", held) for held in documents.values()]
    return write_configs(
        folder,
        {
            "queries": rows_of(_id=queries, text=queries.values()),
            "corpus": rows_of(_id=documents, title=[t for t, _ in parts], text=[text for _, text in parts]),
            "default": _judgements(judged),
        },
    )


def _judgements(judged: Sequence[tuple[Any, Any, int]]) -> datasets.Dataset:
    queries, documents, grades = zip(*judged, strict=True)
    return rows_of(query__id=queries, corpus__id=documents, score=grades)
