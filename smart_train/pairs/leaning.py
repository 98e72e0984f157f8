"""Whether a sentence stands alone, or speaks of what is before it, beside it or elsewhere in its document.

Words of English that point count in a sentence of any language; those of other languages are in `pointing`, and count
in their own. What sends the reader elsewhere ("see Figure 3") is here for several languages."""

from __future__ import annotations

import re
from collections.abc import Iterable

import regex

from smart_train.pairs.dropped_subject import drops_subject
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
# The same: one of several that the text before names, one case of many, a premise, a participle without its noun.
_ONE_OF_SEVERAL = re.compile(
    r"the (?:second|third|fourth|next|other|others|former|latter|same|opposite|following|preceding|previous|remaining"
    r"|resulting|above|rest|corresponding|said)\b"
    r"|the (?:first|last|new|default|two|three|four)\b(?! (?:\w+ )?(?:of|for)\b)"
    r"|an? (?:second|third|fourth|similar|related|further|final|dual|new)\b|one of (?:the|them)\b"
    r"|(?:in|for|at) (?:\w+ ){1,2}(?:cases?|instances?|situations?)\b"
    r"|(?:the )?(?:left|right|top|bottom|upper|lower|middle) (?:panel|graph|plot|row|column|figure)\b"
    r"|(?:once|if|when|where|unless|until|as) \w+(?:ed|wn|en|ary|ble),"
    # What is set, and where: the text before says it.
    r"|(?:if|once|unless|until|when) (?:not )?(?:checked|disabled|empty|enabled|given|left|omitted|present|selected|set"
    r"|specified|true|false)\b"
    r"|(?:perhaps )?most \w+ of all\b|(?:yes|no|ja|nein|oui|non|sí|да|нет)\.\s(?-i:[A-ZÀ-ÞА-Я])"
    r"|additional (?:\w+ ){1,2}(?:are|can|come|exist|have|include|is|may|was|were|\w{3,}ed)\b"
    r"|more (?:specifically|precisely|generally)\b|in particular,|plus précisément\b|en particulier\b"
    r"|(?:tout )?d'abord\b|genauer gesagt\b|insbesondere\b|как (?:видим|видите|говорилось|сказано)\b"
    r"|(?:proof(?! of\b)|beweis|démonstration|dimostrazione|demostración|доказательство)\b"
    r"|지금까지\b|본 (?:글|장|절|문서|보고서)"
    r"|il (?:a|comprend|contient|dispose|doit|donne|fonctionne|indique|permet|représente|se|sert|utilise)\b"
    r"|(?:on|vous|nous|il faut|pour) (?:\w+ )?(?:en|y) (?=\w+(?:er|ir|re|oir)\b)"
    r"|(?:below|above|here)(?: (?:is|are|you|we)\b|,)|one (?:is|was)\b|of (?:the|these|those) \w+,"
    r"|(?:if|when|because|since|unless|once|as) (?:that (?:is|was|happens|fails|works)|so|not)\b"
    r"|(?:in|for|at|of|on|with|to) the (?:first|second|third|latter|former|next|last)"
    r" (?:example|case|step|approach|part|one)\b"
    r"|let (?:us\b|\S+ (?:be|denote)\b)|suppose\b|assume\b"
    r"|(?:der|die|das|dem|den) (?:erst|zweit|dritt|letzt|nächst|ander|folgend|obig|beiden|gleich|übrig|vorig)\w*"
    r"|eine? (?:zweit|weiter|ander|ähnlich)\w*|sei(?:en)?\s"
    r"|(?:les?|la) (?:premi|second|deuxi|troisi|derni|autre|même|deux|trois|suivant|précédent)\w*|l'autre\b"
    r"|une? (?:second|deuxième|troisième|autre|dernière?)\w*|soi(?:t|ent)\s|dans (?:\w+ )?cas\b"
    r"|(?:el|l[ao]s?) (?:primer|segund|tercer|últim|otr|mism|siguient|anterior|dos|tres|demás)\w*"
    r"|una? (?:segund|tercer|últim)\w*|en (?:\w+ )?casos?\b|sean?\s(?:un|el|la|[A-Z]\b)"
    r"|(?:il|l[aoe]|i|gli) (?:prim|second|terz|ultim|altr|stess|seguent|precedent|due|tre)\w*|sian?o?\s"
    r"|(?:перв|втор|трет|последн|следующ|предыдущ|остальн)\w+\b|пусть\b|в \w+ случа\w+",
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
# Sends the reader to another place of the document or to another one, or needs it.
_SENT_ELSEWHERE = re.compile(
    r"\bin (?:section|chapter|appendix) [\dA-Z][\d.]*,? (?:I|we)\b|\b(?:figures?|figs?\.?|tables?|equations?|eqs?\.?"
    r"|abbildung|abb\.|tabelle|gleichung|tableau|équation|figura|tabla|tabela"
    r"|ecuación|tabella|equazione|рис\.?|рисун\w+|табл\.?|таблиц\w+)\s*[\[(«]?[A-Z]?\.?\d"
    r"|\b(?:definition|theorem|lemma|corollary|proposition|remark|example|exercise|exhibit|annex|annexe|satz"
    r"|korollar|bemerkung|beispiel|aufgabe|anhang|théorème|définition|corollaire|remarque|exemple|exercice"
    r"|definición|teorema|corolario|ejemplo|ejercicio|definizione|esempio|определени\w+|теорем\w+|лемм\w+"
    r"|пример\w*|приложени\w+)\s(?:[A-Z]\.?)?\d"
    r"|\b(?:figures|tables|figuras|tablas|tabelas|figure|tabelle|abbildungen|tabellen|tableaux|рисунк\w+|таблиц\w+)\s\d"
    r"|\b(?:avsnitt|kapitel|figur|tabell|kap\.|afsnit|kapittel|luvu\w+|kuva\w*|kuvi\w*|taulukko|taulukossa|hoofdstuk"
    r"|afbeelding|kapitol\w*|část\w*|obráz\w+|tabulk\w+|rozdzia\w+|rysun\w+|rys\.|tabel\w+|bölüm\w*|şekil|tablo"
    r"|capitolul|figura|κεφάλαιο|κεφαλαίου|ενότητα|σχήμα|πίνακα\w*)\s\d"
    r"|\b\d+(?:\.\d+)*\.? (?:fejezet|ábra|táblázat|bölüm)\w*|\bv\.\s?\d+\b"
    r"|\b(?:i|we|you) (?:have|had|'ve) already\b|\b(?:already|just) (?:described|discussed|explained|introduced"
    r"|mentioned|said|seen)\b|\b(?:is|are|was|were|appears?|follows?|given|listed|written)"
    r" (?:\w+ ){0,4}(?:above|below)$"
    r"|\b(?:this|the present) (?:article|book|booklet|chapter|document|guide|guideline|manual|page|paper|report|section"
    r"|study|summary|text)\b|\bdies\w+ (?:buch|dokument|handbuch|kapitel|abschnitt|text)\w*"
    r"|\bce(?:t|tte)? (?:article|chapitre|document|guide|livre|manuel|rapport|section|texte)\b"
    r"|\best[ea] (?:artículo|capítulo|documento|guía|informe|libro|manual|sección)\b"
    r"|\bquest[oa] (?:articolo|capitolo|documento|guida|libro|manuale|sezione)\b"
    r"|\b(?:данн|эт)\w+ (?:главе|главы|глава|документ\w*|книг\w*|руководств\w*|раздел\w*|стать\w*|текст\w*)\b"
    r"|\bsee (?:the|also|page|section|chapter|figure|table|appendix|above|below|line|form|for)\b|\bsiehe\b"
    r"|\b(?:from|in|by|of|to|with|using|eqs?\.?|equations?) \(\d{1,3}[a-z]?\)"
    r"|\bhere (?:is|are) \w+ed\b|\b(?:is|are|was|were) here \w+ed\b|^(?:\w+ ){1,2}here\b"
    r"|\b(?:described|discussed|explained|introduced|shown|treated) (?:in (?:more )?detail )?(?:later|further on)\b"
    r"|\b(?:addressed|contained|covered|defined|described|discussed|explained|found|given|listed|outlined|presented"
    r"|provided|shown) (?:\w+ ){0,2}(?:in|under) (?:annex|appendix|chapter|figure|part|schedule|section|table)s?\b"
    r"|\bsee b?ell?ow\b|\b(?:described|discussed|listed|explained|shown|given) elsewhere\b|\bthat (?:section|chapter)\b"
    r"|\b(?:code|text|values?|examples?|commands?|rules?|results?) here\b"
    r"|^(?:section|chapter|appendix) [\dIVXA-Z.]+ (?:analy[sz]es|concludes|covers|describes|discusses"
    r"|explains|gives|introduces|presents|reviews|shows|summari[sz]es)\b|\bбудет (?:ясно|показан|описан|рассмотрен)\w*"
    r"|\b(?:elencat|indicat|descritt|riportat)[aeio] qui\b|\bприведен\w* (?:здесь|выше|ниже)\b"
    r"|\b이 (?:글|장|절|문서|보고서|표|그림)"
    r"|\bкак показано\b|\bas (?:shown|follows)$"
    r"|\bvoir (?:aussi|page|section|chapitre|figure|l[ae]s?)\b|\bvéase\b|\bvedi\b|\bсм\.|\bподробнее\b"
    r"|\b(?:more|further|additional) (?:information|details?)\b|\bweitere informationen\b|\bplus d'informations?\b"
    r"|\bmás información\b|\bmaggiori informazioni\b|\bmais informações\b"
    r"|\b(?:shown|given|described|listed|presented|mentioned|discussed|defined"
    r"|reported|explained|noted|stated|illustrated|calculated|cited|identified|indicated|named|obtained|outlined|specified"
    r"|used)"
    r" (?:here|above|below|earlier|previously|in the (?:next|previous|following|last)|next)\b"
    r"|\b(?:next|previous|preceding|following|present|last) (?:sub)?(?:section|chapter|page|paragraph|table|figure|part"
    r"|example|step|list)s?\b|\b(?:section|table|figure|list|example|chapter|diagram|row|column|line|box"
    r"|chart|worksheet|step|instruction|text)s? (?:above|below)\b"
    r"|\b(?:do|does|did) the same\b|\b(?:faites|faire|fait) de même\b|\b(?:haga|hacer|hace) lo mismo\b"
    r"|\bfare lo stesso\b"
    r"|\b(?:oben|unten|hier) (?:genannt|beschrieben|gezeigt|erwähnt|aufgeführt)\w*"
    r"|\b(?:nächsten?|folgenden|vorigen|letzten) (?:abschnitt|kapitel|beispiel|tabelle)\w*"
    r"|\bci-(?:dessus|dessous|après|contre)\b|\bprécédemment\b|\bplus (?:haut|bas)\b"
    r"|\ba continuación\b|\bmás (?:arriba|abajo|adelante)\b|\banteriormente\b"
    r"|\b(?:aforementioned|aforesaid|above-(?:mentioned|named))\b|\bwie (?:oben|zuvor)\b|\bhier(?:boven|onder)\b"
    r"|\b(?:citat|descritt|dett|elencat|indicat|menzionat|mostrat|riportat|spiegat|vist)[aeio] (?:\w+ )?(?:sopra"
    r"|sotto|prima)\b"
    r"|\b(?:выше|ниже) (?:описан|перечислен|приведен|упомянут|указан)\w*|\b(?:выше|ниже)(?:описан|приведен|упомянут"
    r"|указан)\w*"
    r"|\b(?:описан|перечислен|приведен|сказан|упомянут|указан)\w* (?:выше|ниже)\b|\b(?:powyżej|poniżej|wyżej)\b"
    r"|\bthe (?:(?:light|dark|pale)(?:er)?|shaded|dashed|dotted|highlighted|circled|gr[ae]y|black|blue|green|orange"
    r"|purple|red"
    r"|white|yellow) (?:area|arrow|bar|box|cell|circle|curve|dot|line|node|part|region|row)s?\b"
    r"|\((?:(?:light|dark|pale) )?(?:black|blue|dashed|dotted|gr[ae]y|green|orange|purple|red|solid|yellow) (?:area"
    r"|bar|curve|dot|line)s?\)"
    r"|\b(?:the|der|die|das|dem|den|le|la|el|il) (?:area|arrow|button|handle|knob|lever|zone|bereich|hebel|pfeil"
    r"|taste|bouton|flèche"
    r"|levier|botón|flecha|palanca|zona|pulsante|freccia|leva) \d{1,2}(?![\d.,:/%]| of\b)"
    r"|^[^,，、;；]{0,20}(?:它们|他们|她们)|아래(?:에서|와 같)|위에서 "
    r"|^(?:reportez-vous|se reporter|refer to|consulte[rz]?|si veda|veuillez consulter)\b|\bin the (?:left|right"
    r"|middle|last) (?:column|panel|row)\b"
    r"|\b(?:in|of) the (?:diagram|figure|illustration|picture|screenshot)\b(?! of)"
    r"|\bqui (?:sopra|sotto)\b|\bdi seguito\b|\bprecedentemente\b|\b(?:a seguir|acima|abaixo)\b"
    r"|[図图圖表]\s?\d|ご覧ください|を参照|ご検討|下記|前述|後述|次の例|以下[のでに]|[上下]で(?:説明|述べ)|请?参(?:阅|见|看)|屏幕快照|截图|请参考|详见|下文|上文|前文|本[节章书文案]|在[^,,。]{0,12}[章节]中?(?:找到|说明|介绍)|本手册|本手法|本研究|本稿|本書|本章|本節|如[下图]|后面的|上面的|下面的",
    re.IGNORECASE,
)
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
    opens = words and words[0] in _POINTING or _ONE_OF_SEVERAL.match(sentence)
    points = _demonstrates(sentence) or _SENT_ELSEWHERE.search(sentence)
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
