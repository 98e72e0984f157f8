"""What is written of an explanation: one HTML file or picture, in which anybody's text is text."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from smart_train import SmartModel
from smart_train.errors import DataError
from smart_train.explain import Explanation, explain, explanation_picture, explanation_report, write_explanation
from smart_train.explain.heat import HEAT, WINNER, heat_layer, heated_page, strengths
from smart_train.explain.picture import panel_title
from smart_train.explain.report_block import StillMap
from smart_train.report import render_report
from smart_train.report.html import MADE_BY
from smart_train.types import ModelInput
from tests.browser import scripted
from tests.explain.test_explanation import page
from tests.models.conftest import TINY

HOSTILE = "</title><script>alert(1)</script><img src=x onerror=alert(2)>\" ' & $x^2$ {{ 7 * 7 }} \u202e\x1b[31m"
OWN_TAGS = {
    "html",
    "head",
    "meta",
    "title",
    "style",
    "body",
    "h1",
    "h2",
    "p",
    "nav",
    "a",
    "section",
    "dl",
    "dt",
    "dd",
} | {
    *("div", "table", "caption", "thead", "tbody", "tr", "th", "td", "figure", "img", "input", "label", "sup", "span"),
    *("b", "i"),
}


class Tags(HTMLParser):
    """The tags of a page, and what they fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs


@pytest.fixture(scope="module")
def found(tiny: SmartModel) -> Explanation:
    images = (page((160, 96)), page((64, 128), "blue"))
    return explain(tiny, f"red {HOSTILE}", ModelInput(f"caption {HOSTILE}", images))


def test_a_page_holds_the_numbers_and_needs_nothing_beside_it(found: Explanation, tmp_path: Path) -> None:
    text = write_explanation(found, tmp_path / "map.html").read_text(encoding="utf-8")
    tags = Tags(text)
    assert tags.tags <= OWN_TAGS
    assert not [name for name, _ in tags.attributes if name.startswith("on")]
    sources = [value or "" for name, value in tags.attributes if name in ("src", "href")]
    assert all(source.startswith(("data:image/", "#section-")) for source in sources)
    assert "url(" not in text and "@import" not in text
    assert "{{ 7 * 7 }}" in text and "\\u202e\\x1b[31m" in text and "\u202e" not in text
    for value in (found.score, found.pooled, found.late):
        assert f"{value:.4f}" in text
    # One layer for the whole query and one for each kept token, over each image.
    assert len(re.findall(r'<img class="v v\d+"', text)) == 2 * (len(found.query_tokens) + 1)
    assert text.count('type="radio"') == len(found.query_tokens) + 1


def test_shares_of_the_table_add_up(found: Explanation) -> None:
    shown = render_report(explanation_report(found)).split("Tokens of the query</h2>")[1]
    rows = re.findall(r"<tr>(.*?)</tr>", shown)[1:]
    shares = [float(re.findall(r"<td[^>]*>(.*?)</td>", row)[4]) for row in rows]
    assert len(shares) == len(found.query_tokens) + 1
    assert sum(shares) == pytest.approx(found.score, abs=1e-4 * len(shares))


def test_words_of_a_text_are_coloured(tiny: SmartModel, tmp_path: Path) -> None:
    found = explain(tiny, "red", "a red word\nand\n\n日本")
    text = write_explanation(found, tmp_path / "map.html").read_text(encoding="utf-8")
    seen = re.findall(r'<div class="v v0 seen">(.*?)</div>', text, flags=re.S)
    shown = re.sub(r"<[^>]*>", "", seen[0])
    assert "a red word\nand\n\n日本" in shown
    assert 'class="h9' in seen[0] and " won" in seen[0]


def test_a_still_text_is_its_words_and_what_is_long_is_cut(tiny: SmartModel) -> None:
    short = str(StillMap(explain(tiny, "red", f"a red {HOSTILE}"), f"after {HOSTILE}").html())
    assert "<script" not in short and short.count("&lt;script&gt;") >= 1 and " ..." not in short
    words = re.sub(r"<[^>]*>", "", short.split('<p class="text">')[1])
    assert "a red &lt;/title&gt;" in words.replace("\n", " ")
    assert "rgb(213 94 0 / 63%)" in short
    long = str(StillMap(explain(tiny, "red", "a red cat sat on the mat " * 60), "x").html())
    assert " ... " in long and len(re.sub(r"<[^>]*>", "", long)) < 1200


def test_a_still_page_shows_each_image(found: Explanation) -> None:
    html = str(StillMap(found, "after").html())
    assert html.count("<img ") == 2 and f"score {found.score:.3f}: pooled {found.pooled_share:.3f}" in html


def test_a_document_whose_patches_are_not_kept_says_so(found: Explanation) -> None:
    bare = SmartModel.from_config(TINY, init_std=0.05, scoring={"document_tokens": "text"})
    text = render_report(explanation_report(explain(bare, "red", ModelInput(images=(page((96, 96)),)))))
    assert "scoring.document_tokens is &#39;text&#39;: no token of an image takes part" in text
    assert "of the query have their best match on an image" in render_report(explanation_report(found))


def test_a_picture_has_a_panel_for_each_token_and_image(tiny: SmartModel, tmp_path: Path) -> None:
    found = explain(tiny, "$x^2$ \u65e5 \u202e", ModelInput(images=(page((160, 96)), page((64, 128), "blue"))))
    picture = explanation_picture(found)
    titles = [panel_title(found, token) for token in (None, *range(len(found.query_tokens)))]
    assert titles[:2] == ["whole query", f"1  {found.query_tokens[0].label}\n{found.shares[0]:+.4f}"]
    assert any("$" in title for title in titles) and any("\u25a1" in title for title in titles)
    assert any("\\u202e" in title for title in titles)
    rows = -(-2 * len(titles) // 5)
    assert picture.size[1] > rows * 280 and picture.size[0] > 5 * 280
    written = write_explanation(found, tmp_path / "map.png")
    opened = Image.open(written)
    assert opened.info["Software"] == MADE_BY and opened.size == picture.size


@pytest.mark.parametrize(("name", "message"), [("map.pdf", "must end in .html or .png"), ("map", "must end in")])
def test_other_endings_are_refused(found: Explanation, tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        write_explanation(found, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_picture_of_a_text_is_refused(tiny: SmartModel, tmp_path: Path) -> None:
    found = explain(tiny, "red", "a text")
    with pytest.raises(DataError, match="a picture shows a page, and this document is text; name an .html file"):
        write_explanation(found, tmp_path / "map.png")
    with pytest.raises(DataError, match="write an HTML page instead"):
        explanation_picture(found)


def test_heat_lies_on_its_box_and_nowhere_else() -> None:
    boxes = [(0.0, 0.0, 0.5, 0.5), (0.5, 0.0, 1.0, 0.5), (0.0, 0.5, 0.5, 1.0), (0.5, 0.5, 1.0, 1.0)]
    alpha = np.asarray(heat_layer(boxes, [0, 0, 1, 0.5]))[..., 3]
    assert alpha.tolist() == [[0, 0], [200, 100]]
    line = np.asarray(heat_layer([(0.1, 0.1, 0.3, 0.15), (0.35, 0.1, 0.5, 0.15), (0.55, 0.1, 0.7, 0.15)], [0, 1, 0.5]))
    assert line[..., 3].max() == 200, "words on one line are not a grid"
    uneven = np.asarray(heat_layer([(0.0, 0.0, 1.0, 1.0), (0.25, 0.25, 0.5, 0.75)], [0.1, 1.0]))
    assert tuple(uneven[uneven.shape[0] // 2, uneven.shape[1] // 3]) == (*HEAT, 200)
    assert uneven[0, 0, 3] == 20
    assert strengths([2.0, 4.0, 3.0]) == [0.0, 1.0, 0.5] and strengths([5.0, 5.0]) == [0.0, 0.0] and strengths([]) == []


def test_a_small_copy_of_a_page_shows_heat_and_the_winner(paint) -> None:
    """The page is white with a green rectangle: heat on it alone, and a frame around the patch that wins."""
    found = explain(paint("qwen3_vl_embedding"), "green", ModelInput(images=(page((320, 160), "green"),)))
    token = [seen.label for seen in found.query_tokens].index("green")
    shown = np.asarray(heated_page(found, 0, token, 640)).astype(int)
    assert shown.shape == (320, 640, 3)
    assert (shown[200:] == 255).all() and (shown[:, :320] == 255).all()
    reddened = shown[..., 0] > shown[..., 1]
    assert reddened[60:150, 390:570].mean() > 0.9
    framed = (np.abs(shown - WINNER) < 2).all(axis=2).nonzero()
    box = found.document_tokens[found.winners[token]].box
    assert box is not None
    left, top, right, bottom = (round(share * side) for share, side in zip(box, (640, 320, 640, 320), strict=True))
    assert (framed[1].min(), framed[0].min(), framed[1].max() + 1, framed[0].max() + 1) == (left, top, right, bottom)


@pytest.mark.slow
def test_a_browser_shows_it_wide_and_narrow(found: Explanation, tmp_path: Path) -> None:
    """Nothing is wider than the window, every picture is drawn, and a choice shows another layer."""
    written = write_explanation(found, tmp_path / "map.html")
    asked = (
        "(() => { const shown = () => [...document.querySelectorAll('.stage img.v')].filter(i => i.offsetWidth).length;"
        " const before = shown(); document.getElementById('map-3').checked = true;"
        " const drawn = [...document.querySelectorAll('.stage img')].every(i => i.naturalWidth > 0);"
        " return [document.documentElement.scrollWidth <= innerWidth, drawn, before, shown(),"
        " getComputedStyle(document.querySelector('.stage img.v3')).display].join(' ') })()"
    )
    assert scripted(written, asked, tmp_path) == "true true 2 2 block"
    assert scripted(written, asked, tmp_path, width=500) == "true true 2 2 block"
