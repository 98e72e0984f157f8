"""An explanation as a small picture or a few coloured words, to stand beside others in a report."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from smart_train.explain.explanation import Explanation
from smart_train.explain.heat import css_heat, heated_page
from smart_train.explain.page import coloured_words
from smart_train.report import Picture
from smart_train.report.text import shown

_SIDE = 440  # pixels of a page's longer side
_PIECES = 120  # of a text
_AROUND = 70  # characters shown at both ends of a stretch that wins nothing


@dataclass(frozen=True)
class StillMap:
    """The document under the heat of the whole query: its pages where it has any, else its words.

    Args:
        caption: above it, for example "before".
    """

    explanation: Explanation
    caption: str

    def html(self) -> Markup:
        explanation = self.explanation
        parts = f"score {explanation.score:.3f}: {explanation.shares_text}"
        head = Markup("<p><b>{}</b> <span class='note'>{}</span></p>").format(shown(self.caption), shown(parts))
        if not explanation.document.images:
            return head + self._words()
        count = len(explanation.document.images)
        pictures = [
            Picture.of_image(
                heated_page(explanation, image, None, _SIDE), f"{self.caption}, image {image + 1} of {count}"
            )
            for image in range(count)
        ]
        return head + Markup("").join(picture.html() for picture in pictures)

    def _words(self) -> Markup:
        pieces = coloured_words(self.explanation, None)
        words = [
            Markup('<span style="background: {}">{}</span>').format(
                css_heat(max(level, 0)), shown(text if level > 0 else _shortened(text))
            )
            for text, level, _ in pieces[:_PIECES]
        ]
        rest = Markup(" ...") if len(pieces) > _PIECES else Markup("")
        return Markup('<p class="text">{}{}</p>').format(Markup("").join(words), rest)


def _shortened(text: str) -> str:
    return text if len(text) <= 2 * _AROUND + 20 else f"{text[:_AROUND]} ... {text[-_AROUND:]}"
