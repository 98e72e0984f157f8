"""Headings that every document has, and those that generators of references write: they say nothing of their page."""

from __future__ import annotations

import re

import regex

from smart_train.pairs.words import is_unspaced, length_in_words, without_numbering, words_of

# A heading of these words alone, and of the little ones between them, has no content of its own.
_WORDS = """
abstract acknowledgement acknowledgements acknowledgments activities activity additional advice analysis annex annexes
appendices appendix approach approaches author authors awards background basic basics bibliography comment comments
concluding conclusion conclusions contact contacts content contents contribution contributions credits definition
definitions description descriptions detail detailed details discussion editorial education empirical example examples
exercise exercises experience experiment experimental experiments extracurricular figure figures final finding findings
foreword format further future general goals highlights history honors how important index information instructions
intended introduction introductory issues item items key keywords legend list literature main material materials
method methodology methods miscellaneous more motivation no note notes notice number objective objectives observations
other outlook overview page part parts preface preliminaries preliminary presentation procedure procedures purpose
questions reader readers recommendations reference references related remark remarks result results review scope
section selected skills solution solutions some source sources specific start started strategies strategy structure
summary supplement supplementary table tables technical terminology terms tips topic topics untitled usage use useful
using various warning warnings work works
allgemeine allgemeines anhang anmerkung anmerkungen aufgabe aufgaben ausblick beispiel beispiele bemerkung bemerkungen
beschreibung einführung einleitung ergebnis ergebnisse fazit grundlagen hintergrund hinweis hinweise inhalt
inhaltsverzeichnis kapitel literatur nutzung quellen schluss teil überblick übersicht übung übungen vorwort weitere
wichtige zusammenfassung ziel ziele zweck
annexe annexes bibliographie but buts chapitre complémentaires connexes contexte contenu exemple exemples exercice
exercices généralités général générale généraux informations intuitive liste matériel méthode méthodes objectif
objectifs perspectives présentation principe principes problématique procédure références remarque remarques
remerciements résultats résumé sommaire synthèse tableau tableaux travaux utilisation vue ensemble
anexo anexos antecedentes apéndice conclusión conclusiones contenido definición ejemplo ejemplos ejercicios general
generalidades información introducción metodología método métodos nota notas objetivo objetivos observaciones otros
otras presentación prólogo referencias resultado resultados resumen índice
allegato conclusioni definizione esempi esempio esercizi generale generali informazioni introduzione metodo note
obiettivi osservazioni prefazione premessa presentazione riassunto riferimenti risultati scopo
conclusão conclusões exemplo exemplos gerais informações introdução referências resumo
введение выводы дополнительная дополнительно дополнительные заключение задачи информация литература обзор общая общие
описание определение определения предисловие приложение пример примеры примечание примечания результаты сведения
содержание цели цель
sommario оглавление аннотация inhoud inhoudsopgave obsah içindekiler daftar isi mục lục spis treści περιεχόμενα
inleiding conclusie voorbeeld voorbeelden samenvatting overzicht resultaten bijlage
wstęp wprowadzenie podsumowanie przykład przykłady wyniki załącznik informacje ogólne uwagi
차례 들어가며 나가며 서론 결론 요약 개요 목차 참고문헌 부록 머리말 맺음말
"""
_LITTLE_WORDS = """
a an and at by for from in of on or the to with und der die das zu zum zur im für von et de des du la le les l d aux à
au sur pour y el los las del e di il lo i gli per da do dos и о к по для en een van het i na do
"""
_LITTLE = frozenset(_LITTLE_WORDS.split())
_NOTHING_OF_ITS_OWN = frozenset(_WORDS.split()) | _LITTLE
_UNSPACED_WORDS = (
    r"引言|前言|序言|概述|概要|简介|介绍|摘要|结论|总结|小结|讨论|结果|方法|背景|目的|示例|例子|附录|参考文献|致谢|目录|版权|作者"
    r"|重要提示|提示|备注|说明|其他|其它|其余|其他の|重要|はじめに|おわりに|序文|序論|要約|まとめ|結論|考察|結果|背景|例|付録|参考|文献"
    r"|謝辞|目次|注意|その他|事項|事项|今後|課題|研究|一般的な|一般|一些|常见|主要|基本|情報|信息|设定|設定|の|に関する|与|和|及|的|と|・"
)
_UNSPACED_LIST = _UNSPACED_WORDS.split("|")
_UNSPACED_OTHERS = re.compile(r"その他の.{1,12}|其他的?.{1,12}")
_UNSPACED_WORD = re.compile(_UNSPACED_WORDS)
_SOURCES_WORDS = """
references reference bibliography literature acknowledgements acknowledgments acknowledgement literatur quellen
literaturverzeichnis quellenverzeichnis bibliographie références remerciements referencias bibliografía riferimenti
bibliografia referências literatura agradecimientos ringraziamenti литература источники благодарности
参考文献 谢辞 致谢 謝辞
참고문헌
"""
_SOURCES = frozenset(_SOURCES_WORDS.split())
_LIST_OF_SOURCES = regex.compile(
    r"(?:(?:annotated|general|selected|short|long|further) )?(?:bibliography|literature|references|works)(?: cited)?"
    r"|(?:\p{L}+[ -])?(?:literatur(?:liste|hinweise|angaben)|bibliographie|bibliografí?a|quellen(?:liste|angaben))"
    r"|список (?:использованной )?(?:литературы|источников)|(?:seznam )?literatur[ay]|(?:použitá|wybrana) literatura"
    r"|källor|referenser|litteratur(?:förteckning|lista)?|kirjallisuus(?:luettelo)?|lähteet|irodalom(?:jegyzék)?"
    r"|kaynak(?:ça|lar)|βιβλιογραφία|lista de referencias"
)
_LICENCE = regex.compile(
    r"(?:(?:appendix|annex|\p{Lu}|[\d.]+)[\s.:–—-]+)?(?:the )?(?:apache|artistic|(?:modified )?bsd|creative commons"
    r"|eclipse|gnu|mit|mozilla|open font)\b.*\blicen[cs]e(?:,? v(?:ersion)?\.? ?\d.*)?",
    regex.IGNORECASE,
)
# One of several, of which others were told before.
_OTHERS = regex.compile(
    r"(?:an?other|others?|more|further|additional|weitere[rs]?|andere[rs]?|sonstige[rs]?|d'autres|autres?|otr[ao]s?|altr[aeio]"
    r"|outr[ao]s?|overige|andere|inne|pozostałe|друг(?:ие|ая|ой|ое)|прочи[ея]|остальные|기타|다른)\s.*"
    r"|(?:その他|他の|ほかの|其他|其它|其余|更多).*|.*[のい]他の.*",
    regex.IGNORECASE,
)
_LOOKED_AT = 400  # characters; no longer heading is asked, or put before anything
_ENOUGH_WORDS, _ENOUGH_LETTERS = 3, 24  # of its own, in a heading that says what it is about; two long words may do
_UNSPACED_PER_WORD = 7 / 3  # characters
# What generators of references write over the entries of every class and file.
_GENERATED = re.compile(
    r"(?:class|member|function|constructor|destructor|enumeration|field|typedef|variable|macro|namespace|file|data"
    r"|detailed|type|property|parameter)(?:(?: | & )(?:class|definition|function|data|type|structure|list|index|member"
    r"|destructor|macro|enumeration|typedef|variable))* (?:documentation|reference|description|index|list)"
    r"|(?:public|protected|private|static|additional|inherited) (?:\w+ )*(?:functions|attributes|members"
    r"|types|slots|signals)"
    r"|.* (?:class|struct|file|namespace|union|module) (?:template )?reference"
    r"|(?:inheritance|collaboration|include dependency) (?:diagram|graph)\b.*|this graph shows which\b.*"
    r"|(?:classes|files|functions|macros|typedefs|variables|enumerations|namespaces)",
    re.IGNORECASE,
)
_PATTERN = re.compile(
    r"(?:table of )?contents|list of (?:figures|tables)|see also|further reading|release notes|revision history"
    r"|(?:related|additional|other) (?:information|documents?|topics?)|how to use|getting started|return values?"
    r"|.*\bhttps?:/.*|.*\bwww\..*|(?:.*\d[.,]?\d*\s?%){2}.*"  # an address; cells of a table
    r"|.*[^\W\d_]\d+,\d.*"  # names with the numbers of their addresses
    r"|\d+[^\W\d_]{3}.*"  # glued to the number of its page
    r"|.*\[\d+/\d+\]|[\w./+-]+\.\w{1,4}\s\d+"  # an overloaded function; the name of a file with its page
    r"|(?:an?|the|some|another|specific|simple|sample|further|more) (?:\w+ )?examples?|(?:more|other) \w+"
    r"|(?:version|release)\s*v?\d.*|what is this\b.*"
    r"|(?:volume|vol|issue|number|nr|no|rev|revision)\.?\s*\d.*"
    r"|pour commencer|erste schritte|primeros pasos|per iniziare|primi passi|с чего начать|시작하기"
    r"|general remarks|weitere (?:informationen|hinweise|beispiele)|общие сведения|примеры \w+|siehe auch"
    r"|for (?:more|further) information\b.*"
    r"|pour en savoir plus\b.*|para saber más\b.*|per saperne di più\b.*|mehr (?:dazu|erfahren)\b.*|learn more\b.*"
    r"|подробнее\b.*|\S+\.(?:pdf|docx?|xlsx?|pptx?|odt|html?|txt|dvi|tex|indd)"  # the name of a file
    r"|voir aussi|table des matières|véase también"
    r"|about this (?:document|guide|manual|report)"
    r"|legal (?:notice|information)|disclaimer|impressum|rechtliche hinweise|mentions légales|aviso legal|note legali"
    r"|juridisk\w* \w+|právní \w+|jogi \w+|yasal uyarı|nota prawna|νομικ\w+ \w+|правовая информация|법적 고지"
    r"|(?:official|an official|the) (?:journal|publication) of\b.*|sponsored by\b.*"
    r"|(?:chapter|part|appendix|section|step|figure|table|exercise|example|kapitel|teil|anhang|abschnitt|chapitre"
    r"|partie|annexe|capítulo|parte|capitolo|глава|часть|раздел|приложение)\s*(?:[\divxlc]+|[a-z])\W*"
    r"|第\s*[\d一二三四五六七八九十]+\s*[章节節部]",
    re.IGNORECASE,
)

# What says nothing under any heading either: what a template writes, who writes, an address.
_PLACEHOLDER = re.compile(
    r"(?:header|heading|überschrift|titre|título|titolo|заголовок|見出し|标题|제목)\s*\d+|\S+\.\w{2,4}/\S+"
    r"|(?:about|why) (?:me|us)\b\W*|über (?:mich|uns)|à propos(?: de (?:moi|nous))?|sobre (?:mí|nosotros)|chi siamo"
    r"|о (?:нас|себе)|(?:this is )?(?:the )?(?:first|second|third|title|content)(?: content)? slide(?: title)?"
    r"|(?:with )?a (?:sub)?title|click to (?:add|edit)\b.*|mastertitelformat\b.*",
    re.IGNORECASE,
)


def is_generic(heading: str) -> bool:
    """Whether a heading says nothing of its page: "Key findings", "Introduction et motivation", "Chapter 4"."""
    if len(heading) > _LOOKED_AT:  # some patterns would take very long for it
        return False
    text = without_numbering(heading).strip(" .:*")
    if (
        _PATTERN.fullmatch(text)
        or is_placeholder(text)
        or is_generated(text)
        or is_over_sources(text)
        or _is_generic_unspaced(text.replace(" ", ""))
    ):
        return True
    return all(word in _NOTHING_OF_ITS_OWN or word.isdigit() for word in words_of(text))


def _is_generic_unspaced(text: str) -> bool:
    """The same of a heading in a script without blanks."""
    return _UNSPACED_OTHERS.fullmatch(text) is not None or _is_made_of_words(text)


def _is_made_of_words(text: str) -> bool:
    """Whether a text is words without blanks that say nothing. Some of them are two others together, so a pattern would
    try twice as many divisions for each such word that a heading has more."""
    ends = {0}
    for place in range(len(text)):
        if place in ends:
            ends.update(place + len(word) for word in _UNSPACED_LIST if text.startswith(word, place))
    return text != "" and len(text) in ends


def is_placeholder(heading: str) -> bool:
    """Whether a heading says nothing, whatever it stands under: "Header 1", "About me"."""
    return _PLACEHOLDER.fullmatch(without_numbering(heading).strip(" .:*")) is not None


def is_generated(heading: str) -> bool:
    """Whether a heading is one that generators of references write for every class and file."""
    return _GENERATED.fullmatch(heading) is not None


def is_vague(heading: str) -> bool:
    """Whether a heading has too few words of its own to be asked without the one above it: "Data types", "Other
    functions of the library". A question says enough."""
    text = without_numbering(heading).strip(" .:*")
    if text.endswith(("?", "？", "؟")):
        return length_in_words(text) < _ENOUGH_WORDS
    if is_one_of_others(text):
        return True
    words = [word for word in words_of(_UNSPACED_WORD.sub(" ", text)) if word not in _NOTHING_OF_ITS_OWN]
    words = [word for word in words if not word.isdigit()]
    unspaced = sum(is_unspaced(word[0]) for word in words)
    said = length_in_words(" ".join(word for word in words if not is_unspaced(word[0]))) + unspaced / _UNSPACED_PER_WORD
    return said < _ENOUGH_WORDS and (unspaced > 0 or sum(map(len, words)) < _ENOUGH_LETTERS)


def is_one_of_others(heading: str) -> bool:
    """Whether a heading is about one of several things, of which others were told before: "Other functions"."""
    return _OTHERS.fullmatch(heading) is not None


def is_over_sources(heading: str) -> bool:
    """Whether a list of sources stands under a heading, or thanks to people."""
    text = without_numbering(heading[:_LOOKED_AT]).strip(" .:*").lower()
    return text in _SOURCES or _LIST_OF_SOURCES.fullmatch(text) is not None


def is_over_licence(heading: str) -> bool:
    """Whether the text of a well-known licence stands under a heading, as it does in many documents."""
    return _LICENCE.fullmatch(heading[:_LOOKED_AT].strip(" .:*")) is not None
