"""Signs that a sentence of running text is not worth asking, though it is whole: it announces or sums up other parts of
its document, holds symbols that another sentence defines, or has a subject that another sentence names."""

from __future__ import annotations

import regex

_LOOKED_AT = 400  # characters; no longer text is asked
_COMMAS = 2  # of a text without a verb that is not a mere list
# What a part of a document says of itself: "Section II provides background on", "In Kapitel 3 wird gezeigt".
_OUTLINE = regex.compile(
    r"^(?:(?:section|chapter|part|appendix|abschnitt|kapitel|teil|anhang|(?:la )?(?:section|partie)|(?:le )?chapitre"
    r"|(?:la )?(?:sección|parte|sezione|seção)|(?:el |il |o )?(?:capítulo|capitolo)|hoofdstuk|rozdział)"
    r"\s(?:\d\d?(?:\.\d+)*|[IVXLC]+|[A-Z])\s(?:\w+ly )?"
    r"(?:addresses|begins|compares|contains|deals|details|discusses|evaluates|examines|focuses|gives|illustrates"
    r"|introduces|lists|offers|outlines|presents|proposes|provides|reports|reviews|shows|studies|treats"
    r"|behandelt|beschreibt|bietet|enthält|erklärt|erläutert|führt|gibt|stellt|zeigt"
    r"|conclut|décrit|donne|expose|introduit|montre|présente|propose|traite"
    r"|analiza|concluye|describe|expone|introduce|muestra|ofrece|presenta|trata"
    r"|descrive|illustra|mostra|tratta|apresenta|descreve|beschrijft|geeft|opisuje|przedstawia)\b"
    r"|in (?:abschnitt|kapitel|teil) \S+ (?:wird|werden)\b"
    r"|в (?:главе|разделе|части) \S+ \w*(?:ваются|вается|дятся|дится"
    r"|саны|сана|сано|лены|лено|лена)\b)"
    r"|^第\s?[\d一二三四五六七八九十]+\s?[章节節部](?:では|将?(?:介绍|讨论|描述|说明|给出|阐述))|^제?\d+장(?:에서는|은)"
    r"|\b(?:are|is|was|were) (?:introduced|outlined|presented|reviewed|summari[sz]ed)(?:$|,)"
    r"|\b(?:wurden?|werden|wird) \P{L}?(?:eingeführt|vorgestellt|zusammengefasst)$"
    r"|\b(?:ont été|a été|sont) (?:introduit|présenté|résumé)e?s?$"
    r"|\b(?:han sido|fueron|se han) (?:presentad|introducid|resumid)[oa]s$",
    regex.IGNORECASE,
)
# Letters that stand for something; those that are words of a language, or mostly marks of a class, are not here. A unit
# stands after its number.
_SYMBOL = regex.compile(
    r"(?<![\p{L}\p{N}.'’/&+#-])(?<!\d )(?:[bcdfghjlmnpqrtxB-DF-HJ-NP-TW-XZα-ωΓΔΘΛΞΠΣΦΨΩ]"
    r"|(?!kW|mW|mA|kV|mV|dB|pH|eV|kB|kN|hP|mH|mP)[a-z][A-Z])(?![\p{L}\p{N}'’&+#-]|\.\p{L}|\. ?\p{Lu})"
)
_RELATION = regex.compile(r"[∈∉⊂⊆∪∩∀∃≤≥≈≡∞∑∫√∂∇⇒⇔↦→]|\S/∈|\b7→|§\d")
_DEFINES = regex.compile(
    r"\b(?:(?:is|are) (?:called|defined|denoted)|heißt|heißen|nennt|bezeichnet|s'appelle|est (?:appelée?|dite?)"
    r"|se llama|si (?:chiama|dice)|называется|обозначает)\b|称为|と呼ぶ|라고 한다",
    regex.IGNORECASE,
)
_VARIABLE = regex.compile(r"\b(?:of|in|for|by|with|von|de|di|до|от) (?:X|Z|[fghjknpqx])(?=$|[\s,;:])(?![ ]\p{Lu})")
# The subject is an article and common words up to its verb, and no name, nor "of" or "in" that would say of what.
_VERBS = (
    "is|are|was|were|has|have|had|can|may|must|will|should|does|do|could|would|shall"
    "|ist|sind|war|waren|wird|werden|wurde|wurden|kann|können|muss|müssen|hat|haben"
    "|est|sont|était|étaient|peut|peuvent|doit|doivent|a|ont|sera|seront"
    "|es|son|era|eran|está|están|puede|pueden|debe|deben|ha|han|fue|fueron"
    "|è|sono|può|possono|deve|devono|hanno|viene|vengono|é|são|foi|foram|pode|podem"
)
_DEFINITE = regex.compile(
    rf"(?:the|der|die|das|les|la|le|los|las|el|il|lo|gli|os|as|o) (?-i:[\p{{Ll}}-]+ ){{1,3}}?(?:{_VERBS})\b"
    rf"|l[’'](?-i:[\p{{Ll}}-]+ ){{1,3}}?(?:{_VERBS})\b",
    regex.IGNORECASE,
)
_SOME_OF = regex.compile(
    r"(?:(?:more|less|fewer) than )?(?:half|most|some|many|none|all|\d[\d.,]* ?%)(?: \([^()]*\))? of the (?-i:\p{Ll})"
    r"|die meisten der \p{L}|la plupart des (?-i:\p{Ll})|la mayoría de l[ao]s (?-i:\p{Ll})"
    r"|la maggior parte dei (?-i:\p{Ll})",
    regex.IGNORECASE,
)
_OF_WHAT = regex.compile(
    r"\b(?:of|for|in|on|to|from|with|that|which|von|des|der|für|im|zur|zum|du|des?|d[’']|pour|del?|della?|dei|para|per)\b",
    regex.IGNORECASE,
)
# An entry of a list of sources without stops after initials; and what follows its authors.
_AUTHOR = r"\p{Lu}[\p{L}'’-]+ \p{Lu}{1,3}"
_AUTHORS = regex.compile(rf"^{_AUTHOR}(?:, {_AUTHOR})+[.,]|^{_AUTHOR}, et al\b")
_AUTHORS_END = regex.compile(rf"(?:^|, ){_AUTHOR}(?:, et al)?\.$")
# A small letter four times in a row inside a word, which no language writes.
_STUTTER = regex.compile(r"([a-zß-ÿ])\1{3,}(?!\1)\p{Ll}")
# The end of a list of places or things, and a number from beside it: "District of Columbia first-time 5".
_NUMBER_AT_END = regex.compile(r"\p{Ll}\s\d{1,3}$")


def is_outline(sentence: str) -> bool:
    """Whether a sentence announces or sums up a part of its document, which answers it elsewhere."""
    return _OUTLINE.search(sentence[:_LOOKED_AT]) is not None


def holds_symbols(sentence: str) -> bool:
    """Whether a sentence is about letters that stand for something which another sentence or a figure defines."""
    if len(sentence) > _LOOKED_AT:
        return False
    symbols = {match[0] for match in _SYMBOL.finditer(sentence)}
    if _DEFINES.search(sentence):
        return False
    related = bool(symbols) and _RELATION.search(sentence) is not None
    return len(symbols) > 1 or related or _VARIABLE.search(sentence) is not None


def has_definite_subject(sentence: str) -> bool:
    """Whether the subject is one that was told before: "The basic reason is", "Half of the infections"."""
    match = _DEFINITE.match(sentence)
    said = match is not None and not _OF_WHAT.search(match[0].partition(" ")[2])
    return said or _SOME_OF.match(sentence) is not None


def is_entry_of_sources(text: str) -> bool:
    """Whether a text begins with authors as lists of sources give them: "Rossi A, Weber BL."."""
    return _AUTHORS.match(text[:_LOOKED_AT]) is not None


def ends_with_authors(text: str) -> bool:
    """The same of a text that the title of a source follows."""
    return _AUTHORS_END.search(text[-_LOOKED_AT:]) is not None


def is_garbled(text: str) -> bool:
    """Whether letters stand where a word does that no language has: "Aaaaaamaaba"."""
    return _STUTTER.search(text) is not None


def is_cut_row(text: str) -> bool:
    """Whether a text without a verb is a row: a number ends it, or it is mostly commas."""
    return _NUMBER_AT_END.search(text) is not None or text.count(", ") > _COMMAS
