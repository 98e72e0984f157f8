"""What a stage of `scripts/gpu_check.sh` found, in a file that is whole after every addition."""

from __future__ import annotations

import json
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch


class Result:
    """A mapping that is written to `path` whenever it changes: a stage that is ended at its limit keeps what it had.

    `skipped` and `failed` hold a sentence for each part that did not run, or went wrong.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.values: dict[str, Any] = {"skipped": [], "failed": []}

    def __setitem__(self, name: str, value: Any) -> None:
        self.values[name] = value
        self._write()

    def skip(self, what: str, why: str) -> None:
        self._say("skipped", f"{what}: {why}")

    def fail(self, what: str, why: str) -> None:
        self._say("failed", f"{what}: {why}")

    def _say(self, kind: str, text: str) -> None:
        print(f"{kind}: {text}", flush=True)
        self.values[kind].append(text)
        self._write()

    @contextmanager
    def part(self, what: str) -> Iterator[None]:
        """One part: what it raises costs no other. Too little memory counts as skipped."""
        print(f"{what} ...", flush=True)
        try:
            yield
        except torch.OutOfMemoryError as error:
            self.skip(what, f"too little memory ({str(error).splitlines()[0]})")
        except Exception as error:  # a part may fail in any way
            traceback.print_exc()
            self.fail(what, f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')[:300]}")

    def _write(self) -> None:
        if self.path is None:
            return
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps(self.values, indent=1) + "\n", encoding="utf-8")
        new.replace(self.path)
