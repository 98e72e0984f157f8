"""Whether a sentence stands alone, or speaks of what is before it, beside it or elsewhere in its document.

Words of English that point count in a sentence of any language; those of other languages are in `pointing`, and count
in their own. What sends the reader elsewhere ("see Figure 3") is in `leaning_phrases` for several languages."""

from __future__ import annotations

import re
from collections.abc import Iterable

import regex

from smart_train.pairs.dropped_subject import drops_subject
from smart_train.pairs.leaning_phrases import ONE_OF_SEVERAL, SENT_ELSEWHERE
from smart_train.pairs.pointing import end_of_showing, opens_with_link, points_out
from smart_train.pairs.words import words_of

# A sentence that opens so speaks of what stands before it.
_POINTING_WORDS = """
he here it its others see she such that their these they this those
"""
_POINTING = frozenset(_POINTING_WORDS.split())
# One that opens so goes on from what stands before it; with its heading it may say enough.
_LINKING_WORDS = """
again also and another both but everyone finally furthermore hence however indeed instead likewise moreover neither
nevertheless nonetheless now or other otherwise similar similarly so then there therefore thus whereas yet
"""
_LINKING_FIRST = frozenset(_LINKING_WORDS.split())
# The same: "First, it allows", "For example, one", "In addition, the".
_LINKING = re.compile(
    r"(?:as a|for|in|on the)\s\w+,\s|(?:better|worse) (?:still|yet)\b|to be (?:fair|honest|sure)\b"
    r"|(?:example|first of all|in other words|note)\b|after all,\s"
    r"|for (?:example|instance)\b|(?:in|for) our (?:case|example)\b"
    r"|examples? (?:include|are|is)\b|by analogy\b|as (?:last|in the (?:last|previous))\b"
    r"|as (?:you|we) (?:\w+ )?(?:know|saw|see|seen)\b|(?:i\.\s?e|e\.\s?g)\."
    r"|as (?:can be|is|was|has been) \w+(?:en|ed|wn)\b|it (?:suffices|is enough) to\b"
    r"|(?:first|second|third|last)(?:ly)?,\s|(?:finally|next),\s|then (?:comes?|follows?)\b|including\b"
    r"|an? (?:greater|higher|larger|smaller|lower|bigger) (?:amount|number|percentage|proportion|rate"
    r"|share)\b(?!.*\bthan\b)"
    r"|on (?:the )?one hand\b|on the other (?:hand|side)\b"
    r"|(?:in|on|under|within|during|with|for|by|as|at|to|from|of|after|before) (?:this|these|that|those|such|both)\b"
    r"|as (?:explained|mentioned|described|noted|shown|seen)\b|recall\b|remember\b|we (?:have|will|can)\b",
    re.IGNORECASE,
)
# A first word with a comma; but not the first name of several ("Lyon, Paris and Nice have pumps").
_FIRST_WORD = regex.compile(r"[\p{L}\p{M}]+,\s(?!\p{Lu})")
# What links a sentence to the one before and says nothing itself: the sentence is whole without it.
_LINK = regex.compile(
    r"(?:(?:above all|accordingly|additionally|at the same time|besides|vor allem|avant tout|sobre todo|прежде всего"
    r"|(?:perhaps )?(?:more|most) (?:importantly|interestingly|notably|surprisingly)"
    r"|also|alternatively|as a result|consequently|finally|for (?:example|instance)|furthermore|hence|however"
    r"|in (?:addition|fact|other words)|instead|likewise|moreover|nevertheless|nonetheless|on the contrary|similarly"
    r"|therefore|thus|beispielsweise|zum beispiel"
    r"|cependant|de plus|en (?:conséquence|effet|outre)|enfin|néanmoins|par (?:ailleurs|conséquent|exemple)|toutefois"
    r"|además|asimismo|en consecuencia|es decir|finalmente|no obstante|por (?:consiguiente|ejemplo|lo tanto|tanto)"
    r"|sin embargo|ad esempio|in altri termini|inoltre|per esempio|pertanto|tuttavia"
    r"|além disso|assim|contudo|no entanto|ou seja|por (?:conseguinte|exemplo|isso)|porém|portanto"
    r"|впрочем|кроме того|например|однако|следовательно|таким образом|при этом),\s"
    r"|(?:note|recall|remember) that\s"
    r"|(?:但是|不过|此外|另外|同时|因此|所以|然而|しかし|また|さらに|従って|したがって)[,、]\s?|(?:그러나|따라서|또한|한편),?\s)"
    r"(?=\p{L})",
    regex.IGNORECASE,
)
# What points to another place, in brackets at the end: the sentence is whole without it.
_POINTER = re.compile(
    r"\s\((?:see |cf\. |siehe |vgl\. |voir |véase |vedi |см\. )?(?:tables?|fig(?:ure)?s?\.?|exhibits?|sections?|sec\."
    r"|chapters?|ch\.?|appendix|pages?|pp?\.|abb(?:ildung|\.)|tabelle|abschnitt|kapitel|seite|tableau|chapitre"
    r"|tabla|figura|sección|capítulo|tabella|sezione|capitolo|рис\.|табл\.|раздел|глава)\s[^()]{1,40}\)$"
    r"|\s?[(（](?:请?参[看见阅照]|见)[^()（）]{1,20}[)）]$",
    re.IGNORECASE,
)
# Demonstratives, where they point out of a sentence; but not "such as", or Russian "это" between a term and what it is:
# a dash is not among the words with which the phrases of a language are compared.
_DEMONSTRATIVE = regex.compile(
    r"\b(?:this|these|those(?! (?:who|that|which|whose|of|in|with|for|\w+ing|\w+ed)\b)|such(?! as\b)"
    r"|the others?(?! (?:hand|side)\b))\b|(?<![–—-] )\bэто\b",
    regex.IGNORECASE,
)
# Pronouns near the beginning speak of the sentence before, further on mostly of their own.
_PRONOUNS = frozenset(["he", "him", "his", "it", "its", "she", "their", "them", "they"])
_NEAR_THE_BEGINNING = 5
# "The rating is", "La date est": the sentence before says of what. A name has a capital ("The Office"),
# and in German every noun.
_BARE_SUBJECT = re.compile(
    r"the (?-i:[a-zß-ÿ])\w* (?:is|are|was|were|has|have|had|can|may|must|will|should|does|do|could|would|shall|needs?"
    r"|shows?|showed|finds?|found|suggests?|suggested|uses?|used|gives?|gave|takes?|took|makes?|made"
    r"|provides?|allows?|requires?|returns?|remains?|seems?|appears?|became|began|came|reported|indicates?)\b"
    r"|(?:der|die|das) \w+ (?:ist|sind|wird|werden|kann|können|muss|müssen|hat|haben|war|waren|zeigt|zeigen|dient"
    r")\b"
    r"|(?:les? |la |l')(?-i:[a-zß-ÿ])\w* (?:est|sont|peut|peuvent|doit|doivent|a|ont|sera|seront|était|étaient"
    r"|permet|permettent|montre|montrent)\b"
    r"|(?:el|la|los|las) (?-i:[a-zß-ÿ])\w* (?:es|son|está|están|puede|pueden|debe|deben|ha|han|se|tiene"
    r"|tienen|permite|permiten|muestra"
    r"|muestran|era|eran|fue|fueron)\b"
    r"|(?:il|lo|la|i|gli|le) (?-i:[a-zß-ÿ])\w* (?:è|sono|può|possono|deve|devono|ha|hanno|viene|permette|mostra"
    r"|era|erano|aveva)\b",
    re.IGNORECASE,
)
# Parts of a document, which a text names when it speaks of itself or shows something.
_PARTS_WORDS = """
chapter document example figure following page section table
abbildung abschnitt beispiel dokument folgende folgenden kapitel seite tabelle
chapitre exemple suivant suivante suivants tableau
capítulo documento ejemplo figura página sección siguiente siguientes tabla
capitolo esempio pagina seguente seguenti sezione tabella exemplo seguinte seguintes seção tabela
глава документ пример рисунок раздел следующая следующие следующий таблица
bab bagian berikut contoh dokumen gambar halaman tabel hoofdstuk voorbeeld volgende
následující obrázek kapitola příklad rozdział rysunek przykład наступні приклад рисунку таблиця
"""
_PARTS = frozenset(_PARTS_WORDS.split())


def leans(sentence: str, *, under_heading: bool = False) -> bool:
    """Whether a sentence speaks of the one before, or of another place of its document.

    Args:
        under_heading: a heading may say what a bare subject is of, and what a sentence goes on from, see `links`.
    """
    words = words_of(sentence)
    opens = words and words[0] in _POINTING or ONE_OF_SEVERAL.match(sentence)
    points = _demonstrates(sentence) or SENT_ELSEWHERE.search(sentence)
    alone = under_heading or not (has_bare_subject(sentence) or links(sentence))
    near = any(word in _PRONOUNS for word in words[:_NEAR_THE_BEGINNING])
    return bool(opens or points or not alone or near or points_out(sentence, words) or drops_subject(sentence))


def links(sentence: str) -> bool:
    """Whether a sentence opens with what ties it to the one before: "But", "For example,", "Recently,"."""
    words = words_of(sentence)
    opens = words and words[0] in _LINKING_FIRST or _LINKING.match(sentence) or _FIRST_WORD.match(sentence)
    return bool(opens) or opens_with_link(sentence, words)


def has_bare_subject(sentence: str) -> bool:
    """Whether an article and one noun are all that a sentence names its subject by: "The rating is", "La date est"."""
    return _BARE_SUBJECT.match(sentence) is not None


def _demonstrates(sentence: str) -> bool:
    """Whether a demonstrative points out of a sentence."""
    end = end_of_showing(sentence)
    return any(match.start() < end for match in _DEMONSTRATIVE.finditer(sentence))


def without_link(sentence: str) -> str:
    """A sentence without what only links it to the one before: "However, the pump starts" -> "The pump starts"."""
    rest = _LINK.sub("", sentence, count=1)
    return sentence if rest == sentence else rest[0].upper() + rest[1:]


def without_pointer(sentence: str) -> str:
    """A sentence without a pointer in brackets at its end: "Iron pumps rust (see Table 3)" -> "Iron pumps rust"."""
    return _POINTER.sub("", sentence)


def names_a_part(words: Iterable[str]) -> bool:
    """Whether a part of a document is named: a text that does is about what stands beside it."""
    return not _PARTS.isdisjoint(words)
