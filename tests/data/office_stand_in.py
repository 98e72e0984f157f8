"""A stand-in for LibreOffice's program: it takes the arguments of the real one, and no others, and writes PDF files.

Run as a script it is the program. A document's text becomes a page; its first word may tell the program how to fail.
"""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
FIRST = ["--headless", "--norestore", "--convert-to", "pdf", "--outdir"]
FILTER = "--infilter="  # may follow the first two


def install(folder: Path, name: str = "stand-in-soffice") -> Path:
    """Writes the program into `folder`; beside it, `calls.jsonl` will tell how it was called."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / name
    # As LibreOffice's own: a script that starts another program.
    program.write_text(f'#!/bin/sh\nSTAND_IN_CALLS="{folder}/calls.jsonl" "{sys.executable}" "{__file__}" "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program


def calls(program: Path) -> list[list[str]]:
    file = program.with_name("calls.jsonl")
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def _text(source: Path) -> str:
    return source.read_bytes().decode("utf-8-sig", errors="ignore")


def _main(arguments: list[str]) -> int:
    with Path(os.environ["STAND_IN_CALLS"]).open("a") as file:
        file.write(json.dumps(arguments) + "\n")
    environment, *rest = arguments
    rest = [argument for place, argument in enumerate(rest) if place != 2 or not argument.startswith(FILTER)]
    if not environment.startswith("-env:UserInstallation=file:///") or rest[: len(FIRST)] != FIRST:
        print(f"wrong arguments: {arguments}", file=sys.stderr)
        return 64
    profile = Path(environment.removeprefix("-env:UserInstallation=file://"))
    profile.mkdir(exist_ok=True)  # its parent must be there
    (profile / "used").touch()
    out, *sources = map(Path, rest[len(FIRST) :])
    if not sources or not all(source.is_absolute() and source.is_file() for source in sources):
        print("Error: source file could not be loaded", file=sys.stderr)
        return 0  # as the real one does
    sys.path.insert(0, str(ROOT))
    from tests.pdf_files import make_pdf, words

    for source in sources:
        order = _text(source).split(maxsplit=1)[:1]
        if order == ["HANG"]:
            subprocess.run(["sleep", "600"])
        if order == ["CRASH"]:
            print("warn: javaldx\nFatal: out of luck", file=sys.stderr)
            return 77
        if order == ["SILENT"]:
            continue
        target = out / f"{source.stem}.pdf"
        if order == ["JUNK"]:
            target.write_bytes(b"no PDF")
        else:
            text = _text(source).replace("<p>", "").replace("</p>", "").strip()
            make_pdf(target, [[*text.splitlines(), *words(text)]], [])
        print(f"convert {source} -> {target} using filter : writer_pdf_Export")
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
