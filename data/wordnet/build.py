"""Build the wordnet data set: a noun -> its definition, as WordNet 3.0 has them.

Run:     python data/wordnet/build.py --output data/wordnet/built
Needs:   `apt-get download` on Debian or Ubuntu.
Expect:  2,000 train and 1,000 held-out nouns, text only, 0.5 MB, in seconds.

Nothing is installed: the package is downloaded by name and unpacked into a cache folder.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parents[1])]
# The path above is set for these: data/ is not a package, and this file is run from anywhere.
from build_once import build_once  # noqa: E402
from debian_packages import cache_folder, fetch  # noqa: E402
from split_rows import split_rows  # noqa: E402

FORMAT = 1  # raise it when the same parameters would give other rows
NOUNS = "usr/share/wordnet/data.noun"
PACKAGES = {"wordnet-base": NOUNS}


def read_nouns(source: str) -> list[dict[str, str]]:
    """One row per noun that names one synset alone and whose definition no other synset has.

    A line of data.noun (wndb(5WN)): offset, file number, part of speech, hexadecimal count of words, then that many
    pairs of word and sense, pointers, and after a bar the definition, with examples in quotes behind semicolons.
    """
    words: Counter[str] = Counter()
    rows = []
    for line in source.splitlines():
        if line.startswith("  "):  # the licence
            continue
        fields, _, gloss = line.partition(" | ")
        offset, _, _, count, *rest = fields.split()
        nouns = [word.replace("_", " ") for word in rest[: 2 * int(count, 16) : 2]]
        words.update(nouns)
        definition = gloss.split('; "')[0].strip()
        rows.append({"query": nouns[0], "positive": definition, "query_id": offset, "document_id": offset})
    definitions = Counter(row["positive"] for row in rows)
    return [
        row
        for row in rows
        if words[row["query"]] == 1 and definitions[row["positive"]] == 1 and len(row["positive"].split()) >= 3
    ]


def write_data_set(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    rows = read_nouns((fetch(PACKAGES, options.cache) / NOUNS).read_text(encoding="utf-8"))
    chosen = random.Random(options.seed).sample(rows, min(options.nouns, len(rows)))
    return split_rows(chosen, folder, held_out=options.held_out, seed=options.seed)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Build the wordnet data set.")
    parser.add_argument("--output", type=Path, required=True, help="folder to make; see manifest.json in it")
    parser.add_argument(
        "--cache", type=Path, default=cache_folder("wordnet"), help="folder to keep the package in (%(default)s)"
    )
    parser.add_argument("--nouns", type=int, default=3000, help="nouns to draw from about 52,000 (%(default)s)")
    parser.add_argument("--held-out", type=int, default=1000, help="nouns to hold out (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the draw and the split")
    options = parser.parse_args(arguments)
    if not 1 <= options.held_out < options.nouns:
        parser.error(f"--held-out {options.held_out}: must be at least 1 and less than --nouns ({options.nouns})")
    parameters = {name: getattr(options, name) for name in ("nouns", "held_out", "seed")} | {"format": FORMAT}
    build_once(options.output, "wordnet", parameters, lambda folder: write_data_set(folder, options))


if __name__ == "__main__":
    main()
