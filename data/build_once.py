"""A built data set appears whole or not at all, and is never mistaken for another. Shared by the builders beside it."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any


def build_once(output: Path, name: str, parameters: dict[str, Any], write: Callable[[Path], dict[str, Any]]) -> None:
    """Make sure that `output` holds the data set `name` made with `parameters`.

    Args:
        output: the folder to make. Holding that very data set, it is left alone; holding anything else, it is refused.
        parameters: what the content depends on, as JSON values; kept in `output/manifest.json`.
        write: fills an empty folder and returns {split: {"rows": int, "pages": int, ...}}; each split has a file
            `SPLIT.jsonl` and its pages in `images/SPLIT` (none where the documents are text).

    Exits with a message when `output` cannot be used.
    """
    if _built_already(output, name, parameters):
        print(f"{output}: already built with these parameters")
        return
    output.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{output.name}-", dir=output.parent))
    try:
        splits = write(scratch)
        manifest = {"name": name, "parameters": parameters, "splits": splits}
        (scratch / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
        scratch.chmod(0o755)  # mkdtemp keeps other users out
        try:
            os.replace(scratch, output)
        except OSError:  # somebody else built it in the meantime: as good, if it is the same
            if not _built_already(output, name, parameters):
                raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    counts = ", ".join(
        f"{facts['rows']} {split} queries" + (f" on {facts['pages']} pages" if facts["pages"] else "")
        for split, facts in splits.items()
    )
    print(f"{output}: {counts}")


def _built_already(output: Path, name: str, parameters: dict[str, Any]) -> bool:
    if not output.exists() or (output.is_dir() and not any(output.iterdir())):
        return False
    manifest_file = output / "manifest.json"
    manifest = json.loads(manifest_file.read_text(encoding="utf-8")) if manifest_file.is_file() else {}
    if manifest.get("name") != name:
        sys.exit(f"--output {output}: exists and is not a {name} data set; name a new folder")
    theirs = manifest["parameters"]
    if theirs != parameters:
        names = sorted(key for key in theirs.keys() | parameters.keys() if theirs.get(key) != parameters.get(key))
        detail = ", ".join(f"{key} {theirs.get(key)} there, {parameters.get(key)} requested" for key in names)
        sys.exit(f"--output {output}: was built with other parameters ({detail}); remove it or name a new folder")
    for split, facts in manifest["splits"].items():
        found = sum(1 for file in (output / "images" / split).iterdir()) if (output / "images" / split).is_dir() else 0
        if found != facts["pages"] or not (output / f"{split}.jsonl").is_file():
            sys.exit(f"--output {output}: incomplete, {found} of {facts['pages']} {split} pages; remove it")
    return True
