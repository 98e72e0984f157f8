"""Phrases by which a sentence leans on another text, by language: it speaks of one of several that were told, or sends
its reader elsewhere. They count in a sentence of any language; those that count in their own are in `pointing`."""

from __future__ import annotations

import re
from collections.abc import Iterable

# At the beginning of a sentence: one of several that the text before names, one case of many, a premise, a participle
# without its noun.
_ONE_OF_SEVERAL = {
    "English": (
        r"the (?:second|third|fourth|next|other|others|former|latter|same|opposite|following|preceding|previous"
        r"|remaining|resulting|above|rest|corresponding|said)\b"
        r"|the (?:first|last|new|default|two|three|four)\b(?! (?:\w+ )?(?:of|for)\b)"
        r"|an? (?:second|third|fourth|similar|related|further|final|dual|new)\b|one of (?:the|them)\b"
        r"|(?:in|for|at) (?:\w+ ){1,2}(?:cases?|instances?|situations?)\b"
        r"|(?:the )?(?:left|right|top|bottom|upper|lower|middle) (?:panel|graph|plot|row|column|figure)\b"
        r"|(?:once|if|when|where|unless|until|as) \w+(?:ed|wn|en|ary|ble),"
        # What is set, and where: the text before says it.
        r"|(?:if|once|unless|until|when) (?:not )?(?:checked|disabled|empty|enabled|given|left|omitted|present|selected"
        r"|set|specified|true|false)\b"
        r"|(?:perhaps )?most \w+ of all\b|(?:yes|no)\.\s(?-i:[A-ZÀ-ÞА-Я])"
        r"|additional (?:\w+ ){1,2}(?:are|can|come|exist|have|include|is|may|was|were|\w{3,}ed)\b"
        r"|more (?:specifically|precisely|generally)\b|in particular,|proof(?! of\b)\b"
        r"|(?:below|above|here)(?: (?:is|are|you|we)\b|,)|one (?:is|was)\b|of (?:the|these|those) \w+,"
        r"|(?:if|when|because|since|unless|once|as) (?:that (?:is|was|happens|fails|works)|so|not)\b"
        r"|(?:in|for|at|of|on|with|to) the (?:first|second|third|latter|former|next|last)"
        r" (?:example|case|step|approach|part|one)\b"
        r"|let (?:us\b|\S+ (?:be|denote)\b)|suppose\b|assume\b"
    ),
    "German": (
        r"(?:der|die|das|dem|den) (?:erst|zweit|dritt|letzt|nächst|ander|folgend|obig|beiden|gleich|übrig|vorig)\w*"
        r"|eine? (?:zweit|weiter|ander|ähnlich)\w*|sei(?:en)?\s|(?:ja|nein)\.\s(?-i:[A-ZÀ-ÞА-Я])"
        r"|genauer gesagt\b|insbesondere\b|beweis\b"
    ),
    "French": (
        r"(?:les?|la) (?:premi|second|deuxi|troisi|derni|autre|même|deux|trois|suivant|précédent)\w*|l'autre\b"
        r"|une? (?:second|deuxième|troisième|autre|dernière?)\w*|soi(?:t|ent)\s|dans (?:\w+ )?cas\b"
        r"|(?:oui|non)\.\s(?-i:[A-ZÀ-ÞА-Я])|plus précisément\b|en particulier\b|(?:tout )?d'abord\b|démonstration\b"
        r"|il (?:a|comprend|contient|dispose|doit|donne|fonctionne|indique|permet|représente|se|sert|utilise)\b"
        r"|(?:on|vous|nous|il faut|pour) (?:\w+ )?(?:en|y) (?=\w+(?:er|ir|re|oir)\b)"
    ),
    "Spanish": (
        r"(?:el|l[ao]s?) (?:primer|segund|tercer|últim|otr|mism|siguient|anterior|dos|tres|demás)\w*"
        r"|una? (?:segund|tercer|últim)\w*|en (?:\w+ )?casos?\b|sean?\s(?:un|el|la|[A-Z]\b)"
        r"|sí\.\s(?-i:[A-ZÀ-ÞА-Я])|demostración\b"
    ),
    "Italian": (
        r"(?:il|l[aoe]|i|gli) (?:prim|second|terz|ultim|altr|stess|seguent|precedent|due|tre)\w*|sian?o?\s"
        r"|dimostrazione\b"
    ),
    "Russian": (
        r"(?:перв|втор|трет|последн|следующ|предыдущ|остальн)\w+\b|пусть\b|в \w+ случа\w+"
        r"|(?:да|нет)\.\s(?-i:[A-ZÀ-ÞА-Я])|как (?:видим|видите|говорилось|сказано)\b|доказательство\b"
    ),
    "Korean": r"지금까지\b|본 (?:글|장|절|문서|보고서)",
}
# Words before the number of a part of a document, by what stands between the two.
_NUMBERED_FIGURES = {
    "English": r"figures?|figs?\.?|tables?|equations?|eqs?\.?",
    "German": r"abbildung|abb\.|tabelle|gleichung",
    "French": "tableau|équation",
    "Spanish": "figura|tabla|ecuación",
    "Portuguese": "tabela",
    "Italian": "tabella|equazione",
    "Russian": r"рис\.?|рисун\w+|табл\.?|таблиц\w+",
}
_NUMBERED_STATEMENTS = {
    "English": "definition|theorem|lemma|corollary|proposition|remark|example|exercise|exhibit|annex",
    "German": "satz|korollar|bemerkung|beispiel|aufgabe|anhang",
    "French": "théorème|définition|corollaire|remarque|exemple|exercice|annexe",
    "Spanish": "definición|teorema|corolario|ejemplo|ejercicio",
    "Italian": "definizione|esempio",
    "Russian": r"определени\w+|теорем\w+|лемм\w+|пример\w*|приложени\w+",
}
_NUMBERED_PARTS = {
    "German": "abbildungen|tabellen",
    "French": "tableaux",
    "Spanish": "figuras|tablas",
    "Portuguese": "tabelas",
    "Italian": "tabelle",
    "Dutch": "hoofdstuk|afbeelding",
    "Swedish": r"avsnitt|kapitel|figur|tabell|kap\.",
    "Danish": "afsnit",
    "Norwegian": "kapittel",
    "Finnish": r"luvu\w+|kuva\w*|kuvi\w*|taulukko|taulukossa",
    "Czech": r"kapitol\w*|část\w*|obráz\w+|tabulk\w+",
    "Polish": r"rozdzia\w+|rysun\w+|rys\.|tabel\w+",
    "Turkish": r"bölüm\w*|şekil|tablo",
    "Romanian": "capitolul|figura",
    "Greek": r"κεφάλαιο|κεφαλαίου|ενότητα|σχήμα|πίνακα\w*",
}
_PARTS_AFTER_NUMBERS = {"Hungarian": "fejezet|ábra|táblázat", "Turkish": "bölüm"}
# Anywhere in a sentence: another place of the document or another one, or a figure that it needs.
_SENT_ELSEWHERE = {
    "English": (
        r"\bin (?:section|chapter|appendix) [\dA-Z][\d.]*,? (?:I|we)\b"
        r"|\b(?:i|we|you) (?:have|had|'ve) already\b|\b(?:already|just) (?:described|discussed|explained|introduced"
        r"|mentioned|said|seen)\b|\b(?:is|are|was|were|appears?|follows?|given|listed|written)"
        r" (?:\w+ ){0,4}(?:above|below)$"
        r"|\b(?:this|the present) (?:article|book|booklet|chapter|document|guide|guideline|manual|page|paper|report"
        r"|section|study|summary|text)\b"
        r"|\bsee (?:the|also|page|section|chapter|figure|table|appendix|above|below|line|form|for)\b"
        r"|\b(?:from|in|by|of|to|with|using|eqs?\.?|equations?) \(\d{1,3}[a-z]?\)"
        r"|\bhere (?:is|are) \w+ed\b|\b(?:is|are|was|were) here \w+ed\b|^(?:\w+ ){1,2}here\b"
        r"|\b(?:described|discussed|explained|introduced|shown|treated) (?:in (?:more )?detail )?(?:later|further on)\b"
        r"|\b(?:addressed|contained|covered|defined|described|discussed|explained|found|given|listed|outlined|presented"
        r"|provided|shown) (?:\w+ ){0,2}(?:in|under) (?:annex|appendix|chapter|figure|part|schedule|section|table)s?\b"
        r"|\bsee b?ell?ow\b|\b(?:described|discussed|listed|explained|shown|given) elsewhere\b"
        r"|\bthat (?:section|chapter)\b|\b(?:code|text|values?|examples?|commands?|rules?|results?) here\b"
        r"|^(?:section|chapter|appendix) [\dIVXA-Z.]+ (?:analy[sz]es|concludes|covers|describes|discusses"
        r"|explains|gives|introduces|presents|reviews|shows|summari[sz]es)\b|\bas (?:shown|follows)$"
        r"|\b(?:more|further|additional) (?:information|details?)\b"
        r"|\b(?:shown|given|described|listed|presented|mentioned|discussed|defined|reported|explained|noted|stated"
        r"|illustrated|calculated|cited|identified|indicated|named|obtained|outlined|specified|used)"
        r" (?:here|above|below|earlier|previously|in the (?:next|previous|following|last)|next)\b"
        r"|\b(?:next|previous|preceding|following|present|last) (?:sub)?(?:section|chapter|page|paragraph|table|figure"
        r"|part|example|step|list)s?\b"
        r"|\b(?:section|table|figure|list|example|chapter|diagram|row|column|line|box|chart|worksheet|step|instruction"
        r"|text)s? (?:above|below)\b"
        r"|\b(?:do|does|did) the same\b|\b(?:aforementioned|aforesaid|above-(?:mentioned|named))\b"
        r"|\bthe (?:(?:light|dark|pale)(?:er)?|shaded|dashed|dotted|highlighted|circled|gr[ae]y|black|blue|green|orange"
        r"|purple|red|white|yellow) (?:area|arrow|bar|box|cell|circle|curve|dot|line|node|part|region|row)s?\b"
        r"|\((?:(?:light|dark|pale) )?(?:black|blue|dashed|dotted|gr[ae]y|green|orange|purple|red|solid|yellow)"
        r" (?:area|bar|curve|dot|line)s?\)"
        r"|\bthe (?:area|arrow|button|handle|knob|lever|zone) \d{1,2}(?![\d.,:/%]| of\b)"
        r"|^refer to\b|\bin the (?:left|right|middle|last) (?:column|panel|row)\b"
        r"|\b(?:in|of) the (?:diagram|figure|illustration|picture|screenshot)\b(?! of)"
    ),
    "German": (
        r"\bdies\w+ (?:buch|dokument|handbuch|kapitel|abschnitt|text)\w*|\bsiehe\b|\bweitere informationen\b"
        r"|\b(?:oben|unten|hier) (?:genannt|beschrieben|gezeigt|erwähnt|aufgeführt)\w*|\bwie (?:oben|zuvor)\b"
        r"|\b(?:nächsten?|folgenden|vorigen|letzten) (?:abschnitt|kapitel|beispiel|tabelle)\w*"
        r"|\b(?:der|die|das|dem|den) (?:bereich|hebel|pfeil|taste|zone) \d{1,2}(?![\d.,:/%]| of\b)"
    ),
    "French": (
        r"\bce(?:t|tte)? (?:article|chapitre|document|guide|livre|manuel|rapport|section|texte)\b"
        r"|\bvoir (?:aussi|page|section|chapitre|figure|l[ae]s?)\b|\bplus d'informations?\b"
        r"|\b(?:faites|faire|fait) de même\b|\bci-(?:dessus|dessous|après|contre)\b|\bprécédemment\b"
        r"|\bplus (?:haut|bas)\b|\b(?:le|la) (?:bouton|flèche|levier|zone) \d{1,2}(?![\d.,:/%]| of\b)"
        r"|^(?:reportez-vous|se reporter|veuillez consulter)\b"
    ),
    "Spanish": (
        r"\best[ea] (?:artículo|capítulo|documento|guía|informe|libro|manual|sección)\b|\bvéase\b"
        r"|\bmás información\b|\b(?:haga|hacer|hace) lo mismo\b|\ba continuación\b|\bmás (?:arriba|abajo|adelante)\b"
        r"|\banteriormente\b|\b(?:el|la) (?:botón|flecha|palanca|zona) \d{1,2}(?![\d.,:/%]| of\b)|^consulte[rz]?\b"
    ),
    "Portuguese": r"\bmais informações\b|\b(?:a seguir|acima|abaixo)\b",
    "Italian": (
        r"\bquest[oa] (?:articolo|capitolo|documento|guida|libro|manuale|sezione)\b|\bvedi\b"
        r"|\b(?:elencat|indicat|descritt|riportat)[aeio] qui\b|\bmaggiori informazioni\b|\bfare lo stesso\b"
        r"|\b(?:citat|descritt|dett|elencat|indicat|menzionat|mostrat|riportat|spiegat|vist)[aeio] (?:\w+ )?(?:sopra"
        r"|sotto|prima)\b|\b(?:il|la) (?:freccia|leva|pulsante|zona) \d{1,2}(?![\d.,:/%]| of\b)|^si veda\b"
        r"|\bqui (?:sopra|sotto)\b|\bdi seguito\b|\bprecedentemente\b"
    ),
    "Dutch": r"\bhier(?:boven|onder)\b",
    "Polish": r"\b(?:powyżej|poniżej|wyżej)\b",
    "several languages": r"\bv\.\s?\d+\b",  # "vide", "vedi", "ver"
    "Russian": (
        r"\b(?:данн|эт)\w+ (?:главе|главы|глава|документ\w*|книг\w*|руководств\w*|раздел\w*|стать\w*|текст\w*)\b"
        r"|\bбудет (?:ясно|показан|описан|рассмотрен)\w*|\bприведен\w* (?:здесь|выше|ниже)\b|\bкак показано\b|\bсм\."
        r"|\bподробнее\b|\b(?:выше|ниже) (?:описан|перечислен|приведен|упомянут|указан)\w*"
        r"|\b(?:выше|ниже)(?:описан|приведен|упомянут|указан)\w*"
        r"|\b(?:описан|перечислен|приведен|сказан|упомянут|указан)\w* (?:выше|ниже)\b"
    ),
    "Korean": r"\b이 (?:글|장|절|문서|보고서|표|그림)|아래(?:에서|와 같)|위에서 ",
    "Chinese": (
        r"^[^,，、;；]{0,20}(?:它们|他们|她们)|[图圖表]\s?\d|请?参(?:阅|见|看)|屏幕快照|截图|请参考|详见|下文|上文|前文"
        r"|本[节章书文案]|在[^,,。]{0,12}[章节]中?(?:找到|说明|介绍)|本手册|如[下图]|后面的|上面的|下面的"
    ),
    "Japanese": (
        r"[図表]\s?\d|ご覧ください|を参照|ご検討|下記|前述|後述|次の例|以下[のでに]|[上下]で(?:説明|述べ)|本手法|本研究"
        r"|本稿|本書|本章|本節"
    ),
}


def _any_of(phrases: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(phrases), re.IGNORECASE)


ONE_OF_SEVERAL = _any_of(_ONE_OF_SEVERAL.values())
SENT_ELSEWHERE = _any_of(
    [
        rf"\b(?:{'|'.join(_NUMBERED_FIGURES.values())})\s*[\[(«]?[A-Z]?\.?\d",
        rf"\b(?:{'|'.join(_NUMBERED_STATEMENTS.values())})\s(?:[A-Z]\.?)?\d",
        rf"\b(?:{'|'.join(_NUMBERED_PARTS.values())})\s\d",
        rf"\b\d+(?:\.\d+)*\.? (?:{'|'.join(_PARTS_AFTER_NUMBERS.values())})\w*",
        *_SENT_ELSEWHERE.values(),
    ]
)
