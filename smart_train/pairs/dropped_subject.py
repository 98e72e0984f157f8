"""Japanese sentences that do not say what they are about, and requests and proposals to a reader, in Japanese and
Korean, that do not say when or what for.

Both languages leave out a subject that the text before names; in Japanese the missing particles tell it. In Korean they
do not: manuals there write whole instructions without a subject, which stand alone.
"""

from __future__ import annotations

import regex

# "a is", "b does", "c too"; but not in "can", "may", "must", "even if", nor inside words.
_PARTICLE = regex.compile(r"[はがも]")
_IDIOM = regex.compile(
    r"(?:こと|可能性|必要|恐れ|おそれ)[がはも](?=でき|可能|多|少|ある|あり|望|必要|な|生)|か[もが](?:し|あ)"
    r"|とも|もの|ても|もう|もと|もっと|もら|ども|はず|はじ|ながら|ければ|れば|つもり|とても|がち|ありがと"
    r"|はっきり|すがた|たがい|ばら"
)
_STATEMENT = regex.compile(
    r"(?:ま(?:す|した|せん)|で(?:す|した|ある|あった|きる)|[らさ]れ[るた]|[てで]い[るた]|した|った)$"
)
_REQUEST = regex.compile(r"(?:ください|下さい|ましょう|てみます)[!！]?$")
# "To open it, press", "If it does not start, press": what for, or when, is told.
_PURPOSE = regex.compile(r"(?:には|ため|場合[はに]?|とき[はに]?|[時際][はに]|[たれな]ら|れば)[、,は]")
_HIRAGANA_AT_END = regex.compile(r"\p{Hiragana}[!！]?$")
# "Let us", "I shall": but "beginner" and "defect" end in the same syllables.
_PROPOSAL = regex.compile(r"(?:[해어아여]\s?보자|(?<=\p{Hangul})하자|도록 하자|[보하]겠(?:다|습니다)|봅시다|합시다)$")


def drops_subject(sentence: str) -> bool:
    """Whether a Japanese sentence leaves out what it is about, or one in Japanese or Korean asks its reader for
    something without saying when or what for."""
    if sentence.isascii():
        return False
    if _HIRAGANA_AT_END.search(sentence) is None:
        return _PROPOSAL.search(sentence) is not None
    if _REQUEST.search(sentence):
        return _PURPOSE.search(sentence) is None
    plain = "、" not in sentence and _STATEMENT.search(sentence) is not None
    return plain and _PARTICLE.search(_IDIOM.sub("", sentence)) is None
