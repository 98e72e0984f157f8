"""The report as one HTML file that needs nothing beside it: numbers, findings, and pairs to look at."""

from __future__ import annotations

import base64
import io
import random
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment

from smart_train.inputs.images import load_image
from smart_train.inputs.video import describe_video
from smart_train.types import ModelInput
from smart_train.utils.atomic import write_text
from smart_train.utils.defaults import REPORT_SAMPLES
from smart_train.validation.reading import Part
from smart_train.validation.report import ValidationReport

PAGE_FILE = "report.html"
_SIDE, _QUALITY = 1000, 60  # pixels of an image: print can be read when it is enlarged
_TEXT = 400  # characters shown of a text


def write_page(
    report: ValidationReport, parts: Sequence[Part], folder: Path, *, samples: int = REPORT_SAMPLES, seed: int = 0
) -> Path:
    """Writes `report.html` into `folder`, with `samples` pairs of every part that asks, drawn under `seed`."""
    # Queries and paths are anybody's text: everything is escaped.
    template = Environment(autoescape=True, trim_blocks=True).from_string(
        files("smart_train.validation").joinpath("page.html.j2").read_text("utf-8")
    )
    drawn = {part.name: _pairs(part, samples, seed) for part in parts if part.asks and part.rows}
    findings = [
        # the first examples say where the pictures are from
        (
            finding,
            [
                (_small(one), _small(other), where)
                for (one, other), where in zip(finding.pictures, finding.examples, strict=False)
            ],
        )  # fmt: skip
        for finding in report.findings
    ]
    return write_text(folder / PAGE_FILE, template.render(report=report, findings=findings, samples=drawn))


def _pairs(part: Part, count: int, seed: int) -> list[dict[str, Any]]:
    rows = random.Random(f"{seed} {part.name}").sample(part.rows, min(count, len(part.rows)))
    pairs = []
    for row in sorted(rows, key=lambda row: row.place):
        example = part.examples[row.place]
        document = example.documents[0]
        pairs.append(
            {
                "query": _words(example.query),
                "query_images": [_small(image) for image in example.query.images],
                "where": row.where,
                "images": [_small(image) for image in document.images],
                "text": _words(document),
            }
        )
    return pairs


def _words(item: ModelInput) -> str:
    """What an input says beside its images."""
    text = (item.text or "")[:_TEXT] + ("..." if len(item.text or "") > _TEXT else "")
    video = "" if item.video is None else f"(a video: {describe_video(item.video)})"
    return " ".join(filter(None, [text, video]))


def _small(reference: Any) -> str:
    """A copy of an image in a moderate size, as a data URI."""
    image = load_image(reference)
    image.thumbnail((_SIDE, _SIDE))
    encoded = io.BytesIO()
    image.save(encoded, "JPEG", quality=_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(encoded.getvalue()).decode()}"
