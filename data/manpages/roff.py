"""The plain text of a manual page's sections. Not a typesetter: it keeps the words and drops code, tables and layout.

It reads the `man` macros (`.SH NAME`), not BSD's `mdoc` (`.Sh NAME`); a page written in those has no sections here.
"""

from __future__ import annotations

import re

_JOINED = ("BR", "RB", "BI", "IB", "IR", "RI")  # fonts that alternate without a space between
_SPACED = ("B", "I", "SM", "SB")
_BLOCKS = {"nf": "fi", "EX": "EE", "TS": "TE", "de": "."}  # code, tables, macros of the page's own: begin -> end
_CHARACTERS = {
    "aq": "'",
    "dq": '"',
    "bu": "",
    "em": ", ",
    "en": "-",
    "rs": "\\",
    "ti": "~",
    "ha": "^",
    "lq": '"',
    "rq": '"',
}


def sections(source: str) -> dict[str, str]:
    """Title of each section, in capitals -> its text on one line."""
    found: dict[str, list[str]] = {}
    current: list[str] = []
    until = None
    for line in source.splitlines():
        is_macro = line[:1] in (".", "'")
        macro, _, rest = line[1:].strip().partition(" ") if is_macro else ("", "", "")
        if until is not None:
            until = None if macro == until else until
        elif macro in _BLOCKS:
            until = _BLOCKS[macro]
        elif macro == "SH":
            current = found.setdefault(rest.strip(' "').upper(), [])
        elif macro in _SPACED or macro in _JOINED:
            current.append(("" if macro in _JOINED else " ").join(_arguments(rest)))
        elif not is_macro:
            current.append(line)
    return {title: _clean(" ".join(lines)) for title, lines in found.items()}


def _arguments(rest: str) -> list[str]:
    before_comment = rest.split('\\"')[0]
    return [quoted or bare for quoted, bare in re.findall(r'"([^"]*)"|(\S+)', before_comment)]


def _clean(text: str) -> str:
    text = re.sub(r"\\f(\[\w*\]|\(\w\w|\w)|\\s[+-]?\d+|\\[&/,|^%:cpdu]", "", text)  # fonts, sizes, thin spaces
    text = re.sub(r"\\\*?(?:\((\w\w)|\[(\w+)\])", lambda match: _CHARACTERS.get(match[1] or match[2], " "), text)
    text = re.sub(r"\\([-'`])", r"\1", text)
    text = text.replace("\\ ", " ").replace("\\~", " ").replace("\\e", "\\").replace("\\\\", "\\")
    return re.sub(r"\s+", " ", text).strip()
