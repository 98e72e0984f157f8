"""Running text of Thai and Lao, which has no full stops: a blank is between two clauses or sentences there."""

from __future__ import annotations

import regex

from smart_train.pairs.words import length_in_words

_LETTER = regex.compile(r"[\p{Thai}\p{Lao}]")
_OTHER_LETTER = regex.compile(r"[\p{L}--[\p{Thai}\p{Lao}]]", regex.V1)
_STOPPED = regex.compile(r"[\p{Thai}\p{Lao}][.!?](?=\s|$)")  # what is set with full stops is cut at them
_BLANK = regex.compile(r"\s+")
_LEAST = 4  # words; a shorter part is a number, a name or an example inside a clause
# What begins so goes on with the clause before: and, or, but, which, by, for, because, of, with, such as.
_GOES_ON = regex.compile(
    "และ|หรือ|แต่|ซึ่ง|ที่|โดย|เพื่อ|เพราะ|เนื่องจาก|ของ|กับ|เช่น|จึง|ก็|รวมทั้ง|ตลอดจน|ได้แก่|คือ"
    "|ແລະ|ຫຼື|ຫລື|ແຕ່|ເຊິ່ງ|ຊຶ່ງ|ທີ່|ໂດຍ|ເພື່ອ|ເພາະ|ຂອງ|ກັບ|ເຊັ່ນ|ຈຶ່ງ|ກໍ"
)


def clauses_of(paragraph: str) -> list[str] | None:
    """The clauses of a paragraph of Thai or Lao, each with those that go on with it; None where the paragraph is mostly
    in other letters, or has full stops."""
    if _STOPPED.search(paragraph) or len(_LETTER.findall(paragraph)) <= len(_OTHER_LETTER.findall(paragraph)):
        return None
    clauses: list[str] = []
    enough = False  # whether the last clause has so many words: a long one is not counted again for each part
    for part in _BLANK.split(paragraph.strip()):
        before = clauses[-1] if clauses else ""
        short = length_in_words(part) < _LEAST
        if not (short or enough):
            enough = length_in_words(before) >= _LEAST
            short = not enough
        foreign = not _LETTER.match(part) or not _LETTER.match(before[-1:])  # a number or a foreign name ends no clause
        if before and (short or foreign or _GOES_ON.match(part)):
            clauses[-1] = f"{before} {part}"
        else:
            clauses.append(part)
            enough = False
    return clauses
