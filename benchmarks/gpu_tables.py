"""gpu_check.json as tables of docs/benchmarks.md, under the card, the versions and the command they came from.

    python -m benchmarks.gpu_tables runs/gpu_check/gpu_check.json            # shows them
    python -m benchmarks.gpu_tables runs/gpu_check/gpu_check.json --write    # puts them into docs/benchmarks.md

Needs nothing but the file. Results of --scale tiny are shown and never written: their figures mean nothing.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.document import replace_section

DOCUMENT = Path(__file__).parents[1] / "docs" / "benchmarks.md"
SECTION = "gpu_check"
VERSIONS = ("torch", "triton", "transformers", "accelerate", "peft", "late-interaction-kernels", "deepspeed")
VERSIONS += ("bitsandbytes",)
SPEED = "times the authors' speed"
SHARES = ("vision", "language", "score", "backward", "optimiser")


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(line)} |" for line in (columns, ["---"] * len(columns), *rows)] + [""]


def head(found: dict[str, Any]) -> list[str]:
    """Command, card and versions."""
    machine = found["machine"]
    device = machine.get("device")
    card = "no CUDA device"
    if device:
        card = f"{device['name']} ({device['GB']:.0f} GB), driver {device['driver']}, CUDA {device['cuda']}"
    packages = machine.get("packages", {})
    versions = [f"{name} {packages[name]['version']}" for name in VERSIONS if packages.get(name, {}).get("version")]
    return [
        "## On a GPU",
        "",
        f"`{found['command']}` on {card}, Python {machine['python']}, {', '.join(versions)}.",
        "",
    ]


def stages(found: dict[str, Any]) -> list[str]:
    rows = []
    for name, entry in found["stages"].items():
        skipped = "; ".join(entry["found"].get("skipped", []))
        why = "; ".join(filter(None, [entry["why"], skipped])).replace("|", "/")
        rows.append([f"{name}: {entry['title']}", entry["state"], f"{entry['seconds']:.0f}", why])
    return table(["stage", "result", "s", "skipped, or failed by"], rows)


def tests(values: dict[str, Any]) -> list[str]:
    counts = values.get("tests", {})
    return ["Tests: " + ", ".join(f"{count} {outcome}" for outcome, count in counts.items()) + ".", ""]


def loss_rows(title: str, values: dict[str, Any]) -> list[str]:
    """Losses side by side, a column for each run."""
    runs = values.get("losses", {})
    if not runs:
        return []
    steps = sorted({int(step) for run in runs.values() for step in run})
    rows = [
        [name, *(f"{run[str(step)]:.5f}" if str(step) in run else "" for step in steps)] for name, run in runs.items()
    ]
    return [f"**{title}**", "", *table(["loss at step", *map(str, steps)], rows)]


def scores(values: dict[str, Any]) -> list[str]:
    """The grid of losses, its bounds, and the packed scorers."""
    lines: list[str] = []
    cases = values.get("losses", {})
    if cases:
        rows = []
        for case, measured in cases.items():
            for name, figures in measured["losses"].items():
                times = [f"{figures['forward']:.2f}", f"{figures['step']:.2f}"]
                rows.append([case, name, *times, _megabytes(figures["peak"])])
        title = "Late-interaction loss, bf16, 64 queries of 40 tokens: times over the bare product"
        columns = ["candidates x tokens x width", "loss", "forward", "forward + backward", "peak above the inputs"]
        lines += [f"**{title}**", "", *table(columns, rows)]
        kept = [
            [case, text, f"{value:.2f} ({'met' if value <= bound else 'MISSED'}: <= {bound:g})"]
            for case, measured in cases.items()
            for text, value, bound in measured["bounds"]
        ]
        lines += table(["candidates x tokens x width", "bound", "measured"], kept) if kept else []
    rows = [
        [
            width,
            dtype,
            f"{figures[SPEED]:.2f}",
            f"{figures['over product']:.2f}",
            _megabytes(figures["peak"]),
            f"{figures['error']:.0e}",
        ]
        for width, forms in values.get("scoring", {}).items()
        for dtype, figures in forms.items()
        if dtype != "authors"
    ]
    if rows:
        columns = ["width", "documents stored as", SPEED, "time over the product", "extra memory"]
        lines += ["**Scoring of packed documents**", "", *table([*columns, "largest score error"], rows)]
    return lines


def step(values: dict[str, Any]) -> list[str]:
    """Training steps at real size."""
    variants = values.get("variants", {})
    if not variants:
        return []
    options = values["options"]
    columns = ["training", "tokens a page", "s a step", "pages a second", "peak", "planned / peak", "utilisation"]
    columns += [*SHARES, "waiting for data"]
    rows = [
        [
            name,
            f"{found['tokens']:.0f}",
            f"{found['seconds']:.2f}",
            f"{found['pages'] / found['seconds']:.1f}",
            _gigabytes(found["peak"]),
            f"{found['planned'] / found['peak']:.2f}" if found["peak"] else "",
            f"{found['utilisation']:.0%}" if "utilisation" in found else "",
            *(f"{found['shares'][share]:.0%}" for share in SHARES),
            f"{found['waiting']:.0%}",
        ]
        for name, found in variants.items()
    ]
    title = f"A step of {values['scale'].upper()}: {options['pages']} pages, {options['chunk']} encoded at a time where"
    title += f" gradients are cached, {options['workers']} loader workers"
    if "loader pages a second" in values:
        title += f" that make {values['loader pages a second']:.0f} pages a second"
    title += "; shares of the step's time"
    return [f"**{title}**", "", *table(columns, rows)]


def plans(values: dict[str, Any]) -> list[str]:
    rows = []
    for name, found in values.get("variants", {}).items():
        whole = sum(found["estimated"].values())
        share = f"{whole / found['peak']:.2f}" if found["peak"] else ""
        rows.append([name, _megabytes(whole), _megabytes(found["peak"]), share])
    if not rows:
        return []
    columns = ["training", "planned", "measured", "planned / measured"]
    return ["**Memory of the runs of `benchmarks.memory_plan`**", "", *table(columns, rows)]


def body(found: dict[str, Any]) -> Iterator[str]:
    made = {
        "tests": tests,
        "quickstart": lambda values: loss_rows("The quickstart in fp32, on a CPU and on CUDA", values),
        "scores": scores,
        "step_2b": step,
        "step_8b": step,
        "memory_plan": plans,
        "qlora": step,
        "engines": lambda values: loss_rows("Engines alone on one device", values),
    }
    for name, entry in found["stages"].items():
        if entry["found"]:
            yield from made[name](entry["found"])


def page(found: dict[str, Any]) -> list[str]:
    """All lines of the section."""
    return [*head(found), *stages(found), *body(found)]


def _megabytes(count: float | None) -> str:
    return f"{count / 1e6:.0f} MB" if count else "not measured"


def _gigabytes(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count else "not measured"


def read(path: Path) -> dict[str, Any]:
    """What gpu_check wrote. Raises SystemExit where that is not what is in `path`."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if {"command", "scale", "machine", "stages"} <= found.keys():
            return found
    except OSError as error:
        raise SystemExit(f"{path}: cannot be read ({error.strerror}); scripts/gpu_check.sh writes it") from error
    except (json.JSONDecodeError, AttributeError):
        pass
    raise SystemExit(f"{path}: not a result of scripts/gpu_check.sh; it must be its gpu_check.json")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="gpu_check.json of a run")
    parser.add_argument("--write", action="store_true", help="write the tables into docs/benchmarks.md")
    given = parser.parse_args()
    found = read(given.file)
    lines = page(found)
    print("\n".join(lines))
    if given.write:
        if found["scale"] != "real" or not found["machine"].get("device"):
            raise SystemExit(f"{given.file}: no results of a GPU at --scale real, so nothing was written")
        replace_section(DOCUMENT, SECTION, lines)


if __name__ == "__main__":
    main()
