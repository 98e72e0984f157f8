"""An explanation as one HTML page: the score in parts, heat maps or coloured words, and a row for each query token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from smart_train.errors import DataError
from smart_train.explain.explanation import Explanation
from smart_train.explain.heat import LEVELS, css_heat, css_winner, image_strengths, layer_of, small_page, strengths
from smart_train.explain.picture import save_picture
from smart_train.explain.tokens import SeenToken
from smart_train.inputs.images import describe_image
from smart_train.report import Facts, Paragraph, Picture, Report, Section, Table, write_report
from smart_train.report.text import shown
from smart_train.types import ModelInput

_SIDE = 1000  # pixels of a page's longer side: print can be read
_WIDEST, _TALLEST = 44, 50  # rem, of a page as it is shown
_TEXT = 300  # characters of a text in the list of facts


@dataclass(frozen=True)
class MatchMap:
    """The document with the heat of the whole query, and of each of its tokens by choice; without a script.

    Args:
        name: letters and digits that no other map of the same page has.
    """

    explanation: Explanation
    name: str = "map"

    def html(self) -> Markup:
        template = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
            files("smart_train.explain").joinpath("map.html.j2").read_text("utf-8")
        )
        template.globals["shown"] = shown
        explanation = self.explanation
        views = [None, *range(len(explanation.query_tokens))]
        by_view = [image_strengths(explanation, token) for token in views]
        images = [_stage(explanation, image, views, by_view) for image in range(len(explanation.document.images))]
        return Markup(
            template.render(
                name=self.name,
                heat_colours={level: css_heat(level) for level in range(1, LEVELS + 1)},
                winner_colour=css_winner(),
                count=len(views),
                chips=_chips(explanation),
                images=images,
                texts=[coloured_words(explanation, token) for token in views] if _has_text(explanation) else [],
                notes=[_note(explanation, token) for token in views],
            )
        )


def explanation_report(explanation: Explanation) -> Report:
    """The page as a report, whose sections may go into another one."""
    facts = [
        ("query", _described(explanation.query)),
        ("document", _described(explanation.document)),
        ("score", explanation.sum),
        ("late part", f"{explanation.late:.4f}, the mean over {len(explanation.best)} tokens of the query"),
    ]
    blocks: list[Any] = [Facts(facts)]
    if explanation.document.images:
        blocks.append(Paragraph(images_note(explanation)))
    return Report(
        f"Why this document scores {explanation.score:.3f}",
        [
            Section("Score", blocks),
            Section("Where it matches", [MatchMap(explanation)]),
            Section("Tokens of the query", [token_table(explanation)]),
        ],
    )


def token_table(explanation: Explanation) -> Table:
    """A row for each kept token of the query: its best similarity, its share of the score, and what it matches."""
    rows = [
        (
            str(place + 1),
            row["token"],
            row["match"],
            f"{row['best']:.4f}",
            f"{row['share']:.4f}",
            _percent(row, explanation),
        )
        for place, row in enumerate(explanation.records())
    ]
    if explanation.pooled is not None:
        pooled = (f"{explanation.pooled:.4f}", f"{explanation.pooled_share:.4f}")
        rows.append(
            ("", "pooled vector", "pooled vector", *pooled, _percent({"share": explanation.pooled_share}, explanation))
        )
    return Table(
        ("", "token", "best match in the document", "similarity", "share", "of the score"),
        rows,
        caption=f"The shares add up to the score, {explanation.score:.4f}.",
        left=3,
    )


def write_explanation(explanation: Explanation, path: str | Path) -> Path:
    """Writes an HTML page (`.html`) or, of a document with images, a picture (`.png`), whole or not at all.

    Raises:
        DataError: another ending, or a picture of a document that holds text alone.
    """
    path = Path(path)
    check_output(path, text_alone=not explanation.document.images)
    if path.suffix.lower() == ".png":
        return save_picture(explanation, path)
    return write_report(explanation_report(explanation), path)


def check_output(path: Path, *, text_alone: bool) -> None:
    """Raises DataError where an explanation of such a document cannot be written to `path`."""
    ending = path.suffix.lower()
    if ending not in (".html", ".png"):
        raise DataError(f"--output {path}: must end in .html or .png")
    if ending == ".png" and text_alone:
        raise DataError(
            f"--output {path}: a picture shows a page, and this document is text; name an .html file, whose words are "
            "coloured"
        )


def _percent(row: dict[str, Any], explanation: Explanation) -> str:
    """A share in percent of the score. A share of a score below 0 means nothing, so none is given."""
    return f"{100 * row['share'] / explanation.score:.1f} %" if explanation.score > 0 else "-"


def images_note(explanation: Explanation) -> str:
    """Of a document with images: how many of the query's tokens have their best match on one, in words."""
    total = len(explanation.winners)
    if not any(token.image is not None for token in explanation.document_tokens):
        return (
            f"scoring.document_tokens is {explanation.scoring.document_tokens!r}: no token of an image takes part in "
            "late interaction, so the page has no heat map."
        )
    matched = round(explanation.on_images * total)
    rest = "" if matched == total else f" The other {total - matched} match words of the document's prompt."
    return f"{matched} of {total} tokens of the query have their best match on an image.{rest}"


def _described(item: ModelInput) -> str:
    text = (item.text or "")[:_TEXT] + ("..." if len(item.text or "") > _TEXT else "")
    return "\n".join([*(describe_image(image) for image in item.images), *([text] if text else [])])


def _has_text(explanation: Explanation) -> bool:
    return any(token.is_words for token in explanation.document_tokens)


def _chips(explanation: Explanation) -> list[dict[str, Any]]:
    """The query's prompt: its kept tokens to choose from, with the number of their view, and what is beside them."""
    levels = iter(strengths(explanation.best.tolist()))
    chips, view = [], 0
    for token in explanation.query_prompt:
        view += token.kept
        level = round(LEVELS * next(levels)) if token.kept else 0
        chips.append({"text": token.label, "view": view if token.kept else 0, "level": level})
    return chips


def _stage(
    explanation: Explanation, image: int, views: Sequence[int | None], by_view: Sequence[dict[int, float]]
) -> dict[str, Any]:
    """One image of the document: the page, and for each view a layer of heat and the frames of what wins."""
    page = small_page(explanation.document.images[image], _SIDE)
    stage: dict[str, Any] = {
        "page": Picture.of_image(page, "").address,
        "width": page.width,
        "height": page.height,
        "widest": round(min(_WIDEST, _TALLEST * page.width / page.height), 2),
        "layers": [],
        "frames": [],
    }
    for view, (token, strength) in enumerate(zip(views, by_view, strict=True)):
        layer = layer_of(explanation, image, strength)
        if layer is not None:
            stage["layers"].append({"view": view, "source": Picture.of_image(layer, "").address})
        won = explanation.won() if token is None else {explanation.winners[token]: [token]}
        for place, tokens in won.items():
            box = explanation.document_tokens[place].box
            if box is None or explanation.document_tokens[place].image != image:
                continue
            left, top, right, bottom = (round(100 * side, 3) for side in box)
            place_style = f"left:{left}%;top:{top}%;width:{right - left:.3f}%;height:{bottom - top:.3f}%"
            label = " ".join(str(token + 1) for token in tokens)
            stage["frames"].append({"view": view, "style": place_style, "label": label})
    return stage


def coloured_words(explanation: Explanation, token: int | None) -> list[tuple[str, int, bool]]:
    """The document's prompt for one view: (text, level of its colour, whether it wins). Neighbours of one colour are
    one piece, and an image is the number of its tokens."""
    heat = iter(explanation.heat(token).tolist())
    values = [next(heat) if seen.kept else None for seen in explanation.document_prompt]
    texts = [(seen, value) for seen, value in zip(explanation.document_prompt, values, strict=True) if seen.is_words]
    strength = iter(strengths([value for _, value in texts if value is not None]))
    level = {id(seen): round(LEVELS * next(strength)) for seen, value in texts if value is not None}
    tokens = explanation.document_tokens
    winners = explanation.winners if token is None else [explanation.winners[token]]
    won = {id(tokens[place]) for place in winners}

    def kind(seen: SeenToken) -> tuple[int | None, int, bool]:
        return None if seen.is_words else seen.image, level.get(id(seen), 0 if seen.kept else -1), id(seen) in won

    pieces = []
    for (image, colour, wins), group in groupby(explanation.document_prompt, key=kind):
        run = list(group)
        text = "".join(seen.text for seen in run) if image is None else f"[image {image + 1}: {len(run)} tokens]"
        pieces.append((text, -1 if image is not None else colour, wins and image is None))
    return pieces


def _note(explanation: Explanation, token: int | None) -> str:
    """What one view shows, in one sentence."""
    if token is None:
        return (
            "The darker, the more of the late part comes from there. A frame is the best match of the tokens whose "
            "numbers it has. Choose a token to see how much alike each place is to it."
        )
    row = explanation.records()[token]
    return f"{row['token']}: best match {row['match']}, similarity {row['best']:.4f}, adds {row['share']:.4f}."
