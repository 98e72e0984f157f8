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
    r"|[α-ωΓΔΘΛΞΠΣΦΨΩ]\d|(?!kW|mW|mA|kV|mV|dB|pH|eV|kB|kN|hP|mH|mP)[a-z][A-Z])(?![\p{L}\p{N}'’&+#-]|\.\p{L}|\. ?\p{Lu})"
)
# A capital alone may be a name ("Vitamin C", "the languages C and R"), but not after a word for what letters stand for.
_CAPITAL = regex.compile(r"[A-Z]")
_CAPITALS_STAND_FOR = regex.compile(
    r"\b(?:points?|sets?|subsets?|vectors?|matri(?:x|ces?)|events?|variables?|vertices|nodes?|quantit(?:y|ies)"
    r"|punkte?n?|mengen?|vektor(?:en)?|matrizen|ereignisse?|variablen?|knoten|größen?"
    r"|ensembles?|vecteurs?|événements?|sommets?|puntos?|conjuntos?|vectores|eventos?|vértices"
    r"|punt[io]|insiemi?|vettor[ei]|matric[ei]|eventi|pontos?|vetores|точ(?:ек|к[аиу])|множеств[ао]?|вектор[ыа]?)"
    r"\s(?-i:[A-Z])(?!\p{L})",
    regex.IGNORECASE,
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
    "|consiste|contient|comprend|indique|représente|contiene|incluye|indica|comprende|rappresenta|besteht|enthält|umfasst"
    r"|è|sono|può|possono|deve|devono|hanno|viene|vengono|é|são|foi|foram|pode|podem"
)
_DEFINITE = regex.compile(
    rf"(?:the|der|die|das|les|la|le|los|las|el|il|lo|gli|os|as|o) (?-i:[\p{{Ll}}-]+ ){{1,3}}?(?:{_VERBS})\b"
    rf"|l[’'](?-i:[\p{{Ll}}-]+ ){{1,3}}?(?:{_VERBS})\b",
    regex.IGNORECASE,
)
# An article, a word or two and what may be a verb: "The nut consists", "The plan lays".
_DEFINITE_SHORT = regex.compile(
    r"(?i:the) (?!\p{Ll}+ of\b)\p{Ll}[\p{Ll}-]* (?:\p{Ll}[\p{Ll}-]+ )?\p{Ll}{2,}(?:[^s\P{Ll}]s|ed)\b"
)
_SOME_OF = regex.compile(
    r"(?:out of|of) (?:the )?\d[\d.,]*\s(?-i:\p{Ll})|von (?:den )?\d[\d.]*\s\p{Ll}|sur (?:les )?\d[\d ]*\s\p{Ll}"
    r"|de (?:los|las) \d[\d.]*\s\p{Ll}|su(?:i|lle) \d[\d.]*\s\p{Ll}|из \d[\d ]*\s\p{Ll}"
    r"|(?:(?:more|less|fewer) than )?(?:half|most|some|many|none|all|\d[\d.,]* ?%)(?: \([^()]*\))? of the (?-i:\p{Ll})"
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
# One alone may be any name: "Linux, Mac OS."
_AUTHORS_END = regex.compile(rf"(?:^|[,.] ){_AUTHOR}(?:, {_AUTHOR}|,? et al)\.$")
# Hiragana that some fonts name 5776 places too far, as characters of CJK Extension A: "寿司䛾種類". Names have few of
# these: "䜣", which is also the last of them.
_FAR_KANA, _NAME, _KANA = regex.compile(r"[\u46d1-\u4726]"), "䜣", regex.compile(r"[\p{Hiragana}\p{Katakana}]")
# A small letter four times in a row inside a word, which no language writes.
_MIXED = regex.compile(  # letters of two scripts in a word, of which one is not Latin beside a script without capitals
    r"[\p{Devanagari}\p{Bengali}\p{Tamil}\p{Telugu}\p{Thai}\p{Hebrew}\p{Arabic}]\p{M}*[\p{Cyrillic}\p{Greek}\p{Armenian}]"
    r"|[\p{Cyrillic}\p{Greek}\p{Armenian}]\p{M}*[\p{Devanagari}\p{Bengali}\p{Tamil}\p{Telugu}\p{Thai}\p{Hebrew}\p{Arabic}]"
    r"|\p{Cyrillic}{2}\p{Latin}{2}|\p{Latin}{2}\p{Cyrillic}{2}|\p{Latin}\p{Cyrillic}\p{Latin}"
    r"|[\p{Hangul}\p{Arabic}\p{Hebrew}][\p{Cyrillic}\p{Greek}]"
    # Beside Chinese characters, one of a script that is written nowhere near them.
    r"|\p{Han}[[\p{L}\p{M}]--[\p{Han}\p{Hiragana}\p{Katakana}\p{Bopomofo}\p{Hangul}\p{Latin}\p{Greek}\p{Cyrillic}\p{Common}"
    r"\u0300-\u036f\u302a-\u302f\u3099\u309a\ufe00-\ufe0f]]",
    regex.V1,
)
_LONE_ACCENT = regex.compile(r"(?:^|[\s(])[´ˆ˜˘˙¨˚˝ˇ¸˛](?:$|[\s)])|\p{L}[ˆ˜˘˙¨˚˝ˇ¸˛]\p{L}")  # whose letter nobody knows
_SPLIT = regex.compile(r"\b(?:t he|th e|o f|an d|t hat|f or|w ith)\b")  # words that the print's spacing divides
# One letter again and again: a line that the print draws longer, or a font that names its letters alike.
_STUTTER = regex.compile(r"([a-zß-ÿ])\1{3,}(?!\1)\p{Ll}|(?!ه)(\p{Arabic})\2{3,}")
# The end of a list of places or things, and a number from beside it: "District of Columbia first-time 5".
_NUMBER_AT_END = regex.compile(r"\p{Ll}\s\d{1,3}$")
# What minutes say of every meeting.
_FORMALITY = regex.compile(
    r"\bthe (?:meeting|session) (?:is|was) (?:adjourned|called to order|closed|declared|opened)\b|\b(?:agenda"
    r"|minutes) .{0,40}\b(?:is|are|was"
    r"|were) (?:adopted|approved)\b|\bsitzung (?:ist|wird|wurde) .{0,20}(?:eröffnet|geschlossen)|\b(?:tagesordnung"
    r"|protokoll) .{0,40}genehmigt"
    r"|\bla séance (?:est|a été) (?:close|levée|ouverte)|\b(?:ordre du jour|procès-verbal) .{0,40}\b(?:est"
    r"|a été) (?:adopté|approuvé)"
    r"|\bse (?:abre|declara abierta|levanta) la (?:reunión|sesión)|\b(?:orden del día|acta) .{0,40}\b(?:es|fue"
    r"|queda) aprobad[ao]"
    r"|\badoption (?:de l'ordre du jour|of the (?:agenda|minutes))|\bpériode de questions?\b"
    r"|\bapproval of (?:the )?(?:agenda|minutes)"
    r"|\bgenehmigung (?:der tagesordnung|des protokolls)|\baprobación del (?:acta|orden)|\bapprovazione del verbale"
    r"|\bla seduta (?:è|viene) (?:aperta|chiusa|sciolta|tolta)|\bзаседани\w+ .{0,20}(?:открыт|закрыт)\w*",
    regex.IGNORECASE,
)
# What a table says of its own rows and columns.
_OF_A_TABLE = regex.compile(
    r"^(?:in (?:chained|constant|current|real) (?:\d{4} )?(?:dollars|euros?|prices|us\b|u\.s)"
    r"|(?:the )?(?:columns|countries|data|details|entries|estimates|figures|items|numbers|percentages|regions|rows"
    r"|states|totals|values)"
    r" (?:are|do|may|might|will) (?:not )?(?:listed|ordered|ranked|rounded|sorted|sum|add|not (?:add|sum))\b"
    r"|die (?:angaben|länder|werte|zahlen|zeilen) sind (?:nach|gerundet|sortiert)"
    r"|les (?:chiffres|données|lignes|pays|valeurs) sont (?:arrondi|classé|rangé|trié)"
    r"|los (?:datos|países|valores) están (?:clasificad|ordenad|redondead)|i (?:dati|paesi|valori) sono (?:arrotondat"
    r"|elencat|ordinat))",
    regex.IGNORECASE,
)
# "The page where the item is published": an entry of a list, whose only verb ends the clause about its noun.
_RELATIVE = regex.compile(
    r"(?:the|an?|each|any) (?P<noun>[^.,:;]*?)\s(?:where|which|whose|who|that)\s(?P<clause>[^,:;]+)$", regex.IGNORECASE
)
_CLAUSE = regex.compile(r"\b(?:is|are|was|were|be|been|has|have|can|may|must|will|should)\b", regex.IGNORECASE)
_VERB_AT_END = regex.compile(r"\b(?:is|are|was|were|be|been)(?: \w+){1,2}$", regex.IGNORECASE)
# Marks inside words, as OCR reads a poor print.
_MARK_INSIDE = regex.compile(r"\p{Ll}[&^£«»*§¦~]+\p{Ll}|\d[«»£^]\p{L}|\p{L}[«»£^]\d")
_MARKS_LEAST, _MARKS_SHARE = 3, 0.01  # of a page's words
# A question or an exclamation in the middle, and what does not begin a sentence.
_GLUED_AFTER_END = regex.compile(r"\p{Ll}{2}\)?[?!] \p{Ll}|\d[?!] \p{Ll}")


def is_formality(sentence: str) -> bool:
    """Whether a sentence is in the minutes of every meeting, or is a note that a table has on its rows."""
    text = sentence[:_LOOKED_AT]
    return _FORMALITY.search(text) is not None or _OF_A_TABLE.match(text) is not None


def is_noun_with_clause(sentence: str) -> bool:
    """Whether a text is a noun and a clause about it, as entries of a list define a term, and not a sentence."""
    match = _RELATIVE.fullmatch(sentence[:_LOOKED_AT])
    if match is None or _CLAUSE.search(match["noun"]):
        return False
    return len(_CLAUSE.findall(match["clause"])) == 1 and _VERB_AT_END.search(match["clause"]) is not None


def is_badly_read(prose: str) -> bool:
    """Whether a page's words often hold marks, as where OCR read a poor print: "aomb«rship"."""
    marks = len(_MARK_INSIDE.findall(prose))
    return marks >= _MARKS_LEAST and marks > _MARKS_SHARE * len(prose.split())


def is_glued_after_end(sentence: str) -> bool:
    """Whether words follow a question mark inside a text that do not begin a sentence: another column."""
    return _GLUED_AFTER_END.search(sentence) is not None


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
    names = all(map(_CAPITAL.fullmatch, symbols)) and " = " not in sentence
    names = names and _CAPITALS_STAND_FOR.search(sentence) is None
    return (len(symbols) > 1 and not names) or related or _VARIABLE.search(sentence) is not None


def has_definite_subject(sentence: str) -> bool:
    """Whether the subject is one that was told before: "The basic reason is", "Half of the infections"."""
    match = _DEFINITE.match(sentence)
    match = match or _DEFINITE_SHORT.match(sentence)
    said = match is not None and not _OF_WHAT.search(match[0].partition(" ")[2])
    return said or _SOME_OF.match(sentence) is not None


def is_entry_of_sources(text: str) -> bool:
    """Whether a text begins with authors as lists of sources give them: "Rossi A, Weber BL."."""
    return _AUTHORS.match(text[:_LOOKED_AT]) is not None


def ends_with_authors(text: str) -> bool:
    """The same of a text that the title of a source follows."""
    return _AUTHORS_END.search(text[-_LOOKED_AT:]) is not None


def is_garbled(text: str) -> bool:
    """Whether letters stand where a word does that no language has: "Aaaaaamaaba", "कҴ", an accent alone, "t he", or
    kana that are misnamed: several, or one beside other kana."""
    far = {*_FAR_KANA.findall(text)}
    return (
        any(sign.search(text) for sign in (_STUTTER, _MIXED, _LONE_ACCENT, _SPLIT))
        or len(far) > 1
        or (bool(far - {_NAME}) and _KANA.search(text) is not None)
    )


def is_cut_row(text: str) -> bool:
    """Whether a text without a verb is a row: a number ends it, or it is mostly commas."""
    return _NUMBER_AT_END.search(text) is not None or text.count(", ") > _COMMAS
