"""Running text cut into whole sentences, and into lines that stand for themselves."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import regex

from smart_train.data.formats.pdf_characters import REPLACEMENT
from smart_train.pairs.clauses import clauses_of
from smart_train.pairs.doubts import ends_with_authors, is_entry_of_sources, is_garbled, is_glued_after_end
from smart_train.pairs.leaning import has_bare_subject, leans, links, without_link, without_pointer
from smart_train.pairs.wholeness import Told
from smart_train.pairs.words import is_alphabetic, is_small, is_unspaced, length_in_words, tokens_of, words_of
from smart_train.pairs.worth import says_something

MAX_OF_SENTENCE, MAX_OF_LINE = 320, 240  # characters
_MOST_CHARACTERS = 400  # of a sentence with the pointer at its end, which is taken off
SENTENCE_WORDS, SENTENCE_CHARACTERS = (6, 50), 100  # characters of a script without blanks, each of them half a word
_ALPHABETIC = 0.75  # share of a sentence's tokens that are words: below it is code, a formula or a row of a table
LINE_WORDS, LINE_CHARACTERS = (5, 16), 12  # at least so many characters of a script without blanks
_ALPHABETIC_LINE = 0.6  # a line of a form or a slide has more numbers
# Full stops before a blank; those of scripts whose full stop ends a sentence wherever it stands.
_STOPS, _STOPS_ALONE = ".!?؟۔።։", "。！？।॥။៕។༎།"
_BETWEEN_SENTENCES = re.compile(
    rf"(?<=[{_STOPS}])[\"')\]]*\s+(?=[\"'(\[«¿¡「『“„]*[^\W_])|(?<=[{_STOPS_ALONE}])\s*(?![{_STOPS_ALONE}])"
)
SENTENCE_END = re.compile(rf"[{_STOPS}{_STOPS_ALONE}][\"')\]]*$")
FULL_STOPS = ".。।॥۔።։။៕។༎།"  # taken off; a question or an exclamation keeps its mark
_ABBREVIATED = re.compile(
    r"(?:\b[A-Z]|[^\W\d_]str|\b(?:abs|approx|art|bzgl|bzw|ca|cf|ch|co|corp|dept|d\.\s?h|dr|e\.\s?g|ed|eq|etc|evtl|fig|figs|ggf|i\.\s?e|inc|inkl"
    r"|jr|llc|ltd|mr|mrs|ms|no|nos|nr|núm|p\.\s?ex|p\.\s?ej|pp|prof|pág|sec|sr|sra|st|tel|u\.\s?a|vgl|vol|vs|z\.\s?b"
    r"|blvd|dipl|geb|gest|hs|ing|mlle|mme|rs|sog|str|zzgl|bijv|blz|np|tj|tzw|ul|čl|např|odst|tzn|т\.\s?[кн]|ул"
    r"|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec|см|рис|табл|стр|гл|напр|т\.\s?е))\.$",
    re.I,
)
# German ordinals: "am 3. August", "der 2. Vorsitzende"; without such a word, before a month alone.
_ORDINAL = re.compile(
    r"\b(?:ab|am|bis|das|dem|den|der|des|die|ein|eine|einem|einen|einer|eines|im|seit|und|vom|zum|zur) \d{1,2}\.$", re.I
)
_DAY = re.compile(r"(?:^|\s)\d{1,2}\.$")
_COUNTED = re.compile(  # what stands after an ordinal
    r"(?:Januar|Jänner|Februar|März|April|Mai|Juni|Juli|August|September|Oktober|November|Dezember|Jahrhundert"
    r"|Auflage|Geburtstag|Jahrestag|Klasse|Lebensjahr)"
)
_ABBREVIATION = 20  # characters, more than any has
_ADDRESS = regex.compile(r"\S[^\s@]*+@\S+\.\p{L}")  # cut at one of its stops by the end of a line
# Where letters have no capitals, a small one of another script may begin a sentence: "설치. apt upgrade".
_UNCASED_END = regex.compile(r"\p{Lo}[\p{M}]*[.!?]$")
_STOP_INSIDE = regex.compile(r"\p{L}{3}[.!?] \p{L}")  # a line of two texts
_BROKEN_OFF = 14  # words
# Ends a sentence if a capital follows.
_MAY_END = re.compile(r"\b(?:etc|usw|u\.\s?a|u\.\s?ä|enz|itd|ecc|т\.\s?[дп])\.$", re.I)
_CUT_OFF = re.compile(
    r"[;,:]\s*(?:and|or)?\s*!$|\b(?:e\.\s?g|i\.\s?e|z\.\s?b|p\.\s?ex|p\.\s?ej|cf|vs|viz)\.?$|\b(?:inc|co|corp|llc|ltd"
    r"|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)\.$",
    re.I,
)
# The date or the authors of a source; its title follows.
_DATED = re.compile(
    r"(?:^|[.(]\s?|\([A-Z][a-z]+ )(?:19|20)\d\d[a-z]?\)?\.$"
    r"|(?<![A-Z]\.)\b(?!U\.\s?S\.)(?:[A-Z]\.[ -]?)+[^\W\d_a-z][^\W\d_]+\.$"
)
# What begins a note to a table, and a mark by itself before one; a number there may be that of a step.
_NOTE = re.compile(
    r"^(?i:notes?|n\.?b\.?|sources?|anmerkung|hinweis|quellen?|remarques?|notas?|fuentes?|fonti|fontes?|примечани[ея]"
    r"|источники?|pozn|przyp|anm|oppmerk|注|資料|자료|주)\s?\.?[:：.]|^[*†‡^]"
)
_NOTE_INSIDE = re.compile(
    r"^(?:Note|Warning|Caution|Important|Tip)(?=[A-Z][a-z])"
    r"|(?:^|\s)(?:NOTES?|SOURCES?|Notes?|Sources?|Quelle|Fuente|Fonte|Источник):\s"
)
_NOTE_MARK = re.compile(r"\W*[a-z]\W*$|[^\w*†‡§]*[*†‡§]\W*$")
# Not the number of a footnote, but a share.
_BEGINS = re.compile(r"[\"'(\[¿¡«„]*(?:[^\W\d_]|\d+(?:[.,]\d+)?\s?%)")
_GLUED = re.compile(r"[^\W\d_]{4}\)?\. [^\W\d_A-Z]")  # two sentences, or an entry of a glossary and the next
# The letters over the columns of a form; the number of a note, in the middle of another sentence.
_COLUMNS = re.compile(r"\([a-z]\) \([a-z]\)|\b\d{1,2}[A-Z][a-z]+ [a-z]")
# The numbers of two lines of a form, or a number and that of the next line, before what the line is for.
_ROW_OF_FORM = regex.compile(r"(?<!\p{Lu}\p{Ll}{2} )\b\d{1,3} \d{1,3} \p{Lu}\p{Ll}")
_SECTION_AT_END = re.compile(r"[)\]\"»] \d+(?:\.\d+)+$")  # the number of the next section
# A heading in the print of the text, and the sentence after it: "Governors of engines In the event of a fault".
_HEADED = re.compile(
    r"(?<=[^\W\d_A-Z][^\W\d_]{2})\)? (?:The|In|If|When|This|These|For|To|It|An|At"
    r"|We|Our|You|Your|There|As|While|Since|Although|Because|However|Each|Some|Many|Most|Let|Assume|Suppose|Given|What"
    r"|Nous|Vous|Lorsque|Wir|Wenn|Diese|Мы|Так"
    r"|Le|Les|La|Il|Dans|Pour|El|Los|Las|En|Para|Si|Se|Gli|Nel|Per|На|При|Если|Для|Это) (?=[^\W\d_A-ZÀ-ÞА-Я])"
)
_ENDS_IN_NUMBER = re.compile(r"[^\W\d_]\s\d{1,4}$")
# A price; characters of a script without blanks that one divides.
_CELLS = regex.compile(r"[$€£¥]|\d\S*\s\d|[\p{Han}\p{Hiragana}\p{Katakana}]\s[\p{Han}\p{Hiragana}\p{Katakana}]")
_NUMBERED = re.compile(r"\d+\s")  # a line of a listing, with its number
_BULLET = re.compile(r"[•‣▪●·◦○■□➡→☐©]|(?:^|\s)\*\s|(?:^|[^\w)\]'\"»]\s)[–—]\s|[–—]\s.*\s[–—]\s.*\s[–—]\s|//|/\*")
_LONE_MARK = regex.compile(r"(?<!\S)\p{M}")  # a vowel sign without its letter: the text layer has lost the order
_CODE = re.compile(r"[_=<>{}|\\*#]")
_LEADERS = re.compile(r"(?:\.\s?){5}|~{3}|…\s?…")  # before the price of a dish, or the box of a form
# What stands before an item: a mark, its number, a letter with a bracket, the number of a note.
MARK = re.compile(r"^(?!\*\*)(?:[•‣▪●○◦·➢➡➔→✓■□*–—-]\s*)*(?:\(?\d{1,2}[.)]\s+|\(\d{1,2}\)\s*|\(?[a-zA-Z]\)\s+)?")
# The letter of a font of marks before each field of a form: "L Have you moved?". One alone is a name: "C Programming".
_LETTER = re.compile(r"^([B-HJ-ZÂÃÈ-ÖØ-Þ])\s(?=[A-Z][a-z])", re.MULTILINE)
_LABEL = re.compile(r"[A-ZÀ-ÞА-Я]{5,}(?: [A-ZÀ-ÞА-Я]{3,})* [A-ZÀ-ÞА-Я][a-zß-ÿа-я]")  # a head, glued to its text


def mostly_unspaced(words: Sequence[str]) -> bool:
    """Whether most words are single characters of scripts without blanks."""
    return len(words) > 1 and sum(is_unspaced(word[0]) for word in words) > len(words) / 2


def split_sentences(prose: str) -> list[str]:
    """The texts of `told_sentences` that need no heading."""
    return [told.text for told in told_sentences(prose) if not (told.bare or links(told.text))]


def told_sentences(prose: str) -> list[Told]:
    """Whole sentences of running text that stand for themselves, without their full stop. The first and the last of a
    page often belong to its neighbours: what begins in lower case or does not end is left out, and where a script has
    neither small letters nor full stops, the first and the last clause."""
    sentences = []
    paragraphs = [(clauses_of(text), text) for text in _without_marks(prose)]
    # A sentence with its place in its paragraph and whether it is a clause, and the one before it.
    pieces = [
        (piece, place, beside, clauses is not None)
        for clauses, text in paragraphs
        for beside in [clauses or pieces_of(text)]
        for place, piece in enumerate(beside)
    ]
    for at, (sentence, place, beside, is_clause) in enumerate(pieces):
        before, after_clause = (pieces[at - 1][0], pieces[at - 1][3]) if at else ("", False)
        if len(sentence) > _MOST_CHARACTERS:  # some patterns would take very long for a line of 20,000
            continue
        note = _NOTE.match(beside[0]) or _NOTE_INSIDE.search(sentence) or (None if place else _NOTE_MARK.match(before))
        if _DATED.search(before[-_MOST_CHARACTERS:]) or ends_with_authors(before):
            continue
        if not after_clause and _breaks_off(before):
            continue
        if is_clause:
            ends = 0 < at < len(pieces) - 1 or len(pieces) == 1
        else:
            ends = bool(SENTENCE_END.search(sentence)) and not _CUT_OFF.search(sentence)
        if not _begins(sentence) or not ends:
            continue
        printed, sentence = sentence, without_pointer(without_link(sentence.rstrip(FULL_STOPS + " ")))
        most = SENTENCE_CHARACTERS if mostly_unspaced(words_of(sentence)) else SENTENCE_WORDS[1]
        if REPLACEMENT in sentence or not SENTENCE_WORDS[0] <= length_in_words(sentence) <= most:
            continue
        words = words_of(sentence)
        few = sum(map(is_alphabetic, words)) < (SENTENCE_WORDS[0] - 1) * (2 if mostly_unspaced(words) else 1)
        if few or leans(sentence, under_heading=True) or sentence.count(": ") > 1:
            continue
        if is_entry_of_sources(sentence) or is_garbled(sentence) or not says_something(sentence, head=False):
            continue
        if (
            _GLUED.search(sentence)
            or _LONE_MARK.search(sentence)
            or _HEADED.search(sentence)
            or _LABEL.match(sentence)
            or _COLUMNS.search(sentence)
            or _ROW_OF_FORM.search(sentence)
            or _SECTION_AT_END.search(sentence)
            or _LEADERS.search(sentence)
            or is_glued_after_end(sentence)
            or (sentence[0] == "(" and sentence[-1] == ")")
        ):
            continue
        whole = is_balanced(sentence) and not _BULLET.search(sentence)
        if whole and _alphabetic(sentence) >= _ALPHABETIC and len(sentence) <= MAX_OF_SENTENCE:
            told = Told(
                sentence,
                first=place == 0,
                alone=len(beside) == 1,
                note=note is not None,
                bare=has_bare_subject(sentence),
                printed=printed,
            )
            sentences.append(told)
    return sentences


def _without_marks(prose: str) -> list[str]:
    """The paragraphs without what marks them as items."""
    letters = Counter(_LETTER.findall(prose))
    paragraphs = [MARK.sub("", paragraph) for paragraph in prose.split("\n")]
    return [text[2:] if (match := _LETTER.match(text)) and letters[match[1]] > 1 else text for text in paragraphs]


def _breaks_off(piece: str) -> bool:
    """Whether a text without an end is as long as sentences are: what follows it is the rest, in another column."""
    if SENTENCE_END.search(piece) or piece[-1:] in ":;":
        return False
    words = words_of(piece)
    return sum(map(is_alphabetic, words)) >= _BROKEN_OFF * (2 if mostly_unspaced(words) else 1)


def _begins(sentence: str) -> bool:
    """Whether a text begins as a sentence does: with a capital, a letter of a script without capitals, or a name in
    lower case, which is quoted or stands in a script without blanks ("cron 作业每小时运行一次")."""
    begins = _BEGINS.match(sentence)
    if begins is None or not is_small(begins[0][-1]):
        return begins is not None
    return begins[0][0] in "\"'«„" or mostly_unspaced(words_of(sentence))


def split_lines(prose: str) -> list[str]:
    """Lines that stand for themselves without being sentences, without an item's mark. What ends in a colon or a comma
    goes on below."""
    lines = []
    for line in _without_marks(prose):
        if len(line) > MAX_OF_LINE:  # some patterns would take very long for it
            continue
        fewest = LINE_CHARACTERS if mostly_unspaced(words_of(line)) else LINE_WORDS[0]
        if (
            line.endswith((":", ","))
            or _NUMBERED.match(line)
            or _ENDS_IN_NUMBER.search(line)
            or _STOP_INSIDE.search(line)
            or _CELLS.search(line)
            or _LONE_MARK.search(line)
            or not fewest <= length_in_words(line) <= LINE_WORDS[1]
            or leans(line)
        ):
            continue
        whole = (
            REPLACEMENT not in line
            and line[0].isalnum()
            and not is_small(line[0])
            and is_balanced(line)
            and not _BULLET.search(line)
            and not _CODE.search(line)
        )
        if whole and _alphabetic(line) >= _ALPHABETIC_LINE and says_something(line, head=False):
            lines.append(line.rstrip(FULL_STOPS + " ;"))
    return lines


def _alphabetic(text: str) -> float:
    """The share of tokens that are words."""
    tokens = tokens_of(text)
    return sum(is_alphabetic(token.strip(".,;:()'\"-")) for token in tokens) / len(tokens)


def pieces_of(paragraph: str) -> list[str]:
    """The text cut after full stops, but not after initials and abbreviations, nor before a lower-case letter."""
    pieces: list[str] = []
    for piece in _BETWEEN_SENTENCES.split(paragraph):
        piece = piece.strip()
        end = pieces[-1][-_ABBREVIATION:] if pieces else ""
        goes_on = (_ABBREVIATED.search(end) and not _MAY_END.search(end)) or _ADDRESS.match(piece)
        goes_on = goes_on or _ORDINAL.search(end) or (_DAY.search(end) and _COUNTED.match(piece))
        small = is_small(piece.lstrip("\"'([")[:1]) and not _UNCASED_END.search(end)
        if pieces and (goes_on or small):
            pieces[-1] = f"{pieces[-1]} {piece}"
        else:
            pieces.append(piece)
    return pieces


def is_balanced(sentence: str) -> bool:
    """Whether brackets and quotes that are opened are closed: what was cut in the middle usually fails."""
    pairs = all(sentence.count(opened) == sentence.count(closed) for opened, closed in ("()", "[]", "{}"))
    return pairs and sentence.count('"') % 2 == 0
