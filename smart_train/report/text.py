"""Text of others in a page, escaped: rows of data, paths, what a model's folder says about itself."""

from __future__ import annotations

from markupsafe import Markup, escape

from smart_train.errors import printable


def shown(value: object) -> Markup:
    """`value` as HTML that shows exactly these characters: markup escaped, and whatever would be obeyed instead of
    shown (control characters, marks that turn the direction of the text, halves of characters) written out."""
    return escape(printable(str(value)).encode("utf-8", "backslashreplace").decode("utf-8"))
