"""What is not worth asking: boilerplate, code, sources, heads that every manual has, and sentences that lean on the one
before. The words are those of some European languages, Russian, Chinese and Japanese; elsewhere the rules of form hold.
"""

from __future__ import annotations

import re

import regex

from smart_train.pairs.words import tokens_of, words_of

# A sentence that opens so speaks of what stands before it: English, German, French, Spanish, Portuguese, Italian,
# Dutch, Polish, Russian. Words that are articles too, or open sentences of their own in another of these, are not here.
_POINTING_WORDS = """
also another both everyone finally furthermore he hence here however it its moreover neither otherwise see she so
such that their then there therefore these they this those thus and but or
außerdem dabei dadurch daher damit danach dann darüber dazu demnach denn deshalb dessen diese diesem diesen dieser
dieses dort er und aber oder hier hierbei hierdurch hierfür hierzu jedoch seine siehe solche somit
ainsi ce cela celui celle ceci ces cet cette donc elle elles enfin ensuite ils leur leurs voici voir et mais
además así aquí ello ellos esa ese eso esta estas este esto estos véase pero y
além assim aqui ela ele essa esse isso isto portanto
inoltre ecco infatti pertanto quello questa queste questi questo quindi così esso essa
daarom deze dit dus hij zij ponadto zatem wtedy
затем здесь именно которая которое которые который кроме он она они оно поэтому потом также такая такие такое такой
там тогда тот эта эти это этот но а и или причем причём тоже
"""
_POINTING = frozenset(_POINTING_WORDS.split())
# The same: "First, it allows", "For example, one", "In addition, the", "При этом", "Dans cet exemple".
_LINKING = re.compile(
    r"\w+,\s|(?:as a|for|in|on the)\s\w+,\s|(?:example|first of all|in other words|note)\b"
    r"|(?:in|with|for|by|as|at|to|from|of|after|before) (?:this|these|that|those|such|both)\b"
    r"|(?:in|bei|mit|zu|nach|aus|auf|für|von|an) dies\w+\b|(?:wie oben|im folgenden)\b"
    r"|(?:dans|avec|pour|par|à|de) (?:ce|cet|cette|ces)\b|par exemple\b|de plus\b"
    r"|(?:en|con|para|por|a|de) (?:este|esta|estos|estas|ese|esa)\b|por ejemplo\b|por exemplo\b|per esempio\b"
    r"|(?:in|con|per|di|a) quest\w+\b|(?:при|для|в|на|с|по|из|после) (?:этом|этого|этой|этих|этому|этим|таком|такой)\b"
    r"|таким образом\b|например\b|в (?:этом|нем|нём|ней|них)\b"
    r"|(?:другими|иными) словами\b|если вы помните\b|как (?:уже|видно)\b|ведь\b"
    r"|w tym\b|na przykład\b|as (?:explained|mentioned|described|noted|shown|seen)\b|recall\b|remember\b"
    r"|we (?:have|will|can)\b|wie (?:bereits|schon|gezeigt|erwähnt)\b|mit anderen worten\b|autrement dit\b"
    r"|en d'autres termes\b|comme (?:vu|dit)\b"
    r"|es decir\b|en otras palabras\b|como se (?:ha|ve)\b|come (?:visto|detto)\b",
    re.IGNORECASE,
)
# Such scripts have no blanks after the word that points.
_POINTING_UNSPACED = regex.compile(
    "これ|この|ここ|こう|それ|その|そこ|そう|あれ|あの|また|さらに|しかし|例えば|たとえば|次の|以下|上記|のように|代わりに|なお|ただし|従って|したがって"
    # A particle without its noun.
    r"|[がを]|[はにでとのも](?=\P{Hiragana})"
    "|这|這|该|該|此|其|它|他|她|因此|所以|但是|然而|例如|另外|此外|如下|以下|以上|上述|见|請見"
)
# What stands beside the text it belongs to.
_ELSEWHERE_WORDS = """
above below following he her him his it its previous she them these they this those preceding latter former here
oben unten folgende folgenden folgendes obige obigen diese diesem diesen dieser dieses
dessus dessous suivant suivante suivants suivantes cette cet siguiente siguientes anterior este esta seguinte
seguente seguenti questo questa этого этом этой этот эта следующий следующая следующие выше ниже
"""
_ELSEWHERE = frozenset(_ELSEWHERE_WORDS.split())
_ELSEWHERE_UNSPACED = re.compile("これ|この|次の|以下の|上記|这个|這個|如下|上述|下面|上面")
_CROSS_REFERENCE = re.compile(
    r"\b(?:see|section|sections|chapter|page|pages|figure|table|appendix|siehe|abschnitt|kapitel|seite|abbildung|tabelle"
    r"|voir|chapitre|véase|sección|capítulo|capitolo|см|раздел|глава|рис|табл)\.?\s*[\[(«\"]?\d",
    re.IGNORECASE,
)
_BOILERPLATE = re.compile(
    r"©|\(c\) \d{4}|\bcopyright\b|all rights reserved|permission is (?:hereby )?granted|without (?:any )?warranty"
    r"|warranties of|merchantability|terms and conditions for copying|free software foundation"
    r"|(?:cover|invariant) (?:texts?|sections?)|\bisbn\b|\bissn\b|(?:page|document) (?:was|is) intentionally"
    r"|^(?:printed in|generated (?:on|by)|last (?:updated|modified))|report (?:all )?bugs"
    r"|alle rechte vorbehalten|tous droits réservés|todos los derechos|tutti i diritti|все права защищены"
    r"|版权所有|版權所有|無断転載|著作権|製作著作",
    re.IGNORECASE,
)
_SOURCE = re.compile(  # of a list of references
    r"^(?:\[\w+\]\s*)?(?:[A-Z]\.\s?)+[A-Z]\w+(?:,| and| &)|^[A-Z]\w+, (?:[A-Z]\.\s?)+|\b(?:doi|DOI|arXiv)[:\s]"
    r"|\bpp?\.\s?\d+|\b[Vv]ol\.\s?\d+|\b[Pp]roceedings of\b|\bpages \d+[–-]\d+"
)
_MARKUP = re.compile(r"\\[A-Za-z@]+\s*[\[{]|\$[^$ ]*\\|[{}]\s*$|^\s*[%#/]{1,3}|-->|=>|::|\)\s*;|</?\w+>|\w+\[\w*\]\s*=")
_CODE_TOKEN = re.compile(r"[_=<>{}|\\$@]|::|\(\)|^--?\w|\w\(|\.\w+\(|^[a-z]+[A-Z]")
_CODE_SHARE, _CODE_SHARE_OF_HEADS = 0.2, 0.5
# Heads that every manual has, those that generators of references write, and a word for a part with its number.
_GENERIC_HEAD = re.compile(
    r"(?:table of )?contents|list of (?:figures|tables)|see also|further reading|release notes|revision history"
    r"|(?:related|additional|other) (?:information|documents?|topics?)|how to use|getting started|return values?"
    r"|(?:class|member|function|constructor|destructor|enumeration|field|typedef|variable|macro|namespace|file|data"
    r"|detailed|type|property|parameter)(?: (?:function|data|type|structure|list|index))*"
    r" (?:documentation|reference|description|index|list)"
    r"|(?:public|protected|private|static) (?:\w+ )*(?:functions|attributes|members|types)"
    r"|.* (?:class|struct|file|namespace|union|module) (?:template )?reference"
    r"|(?:inheritance|collaboration|include dependency) (?:diagram|graph)\b.*"
    r"|(?:an?|the|some|another|specific|simple|sample|further|more) (?:\w+ )?examples?|(?:more|other) \w+"
    r"|(?:version|release)\s*v?\d.*|what is this\b.*"
    r"|general remarks|weitere (?:informationen|hinweise|beispiele)|общие сведения|примеры \w+|siehe auch"
    r"|voir aussi|table des matières|véase también|per saperne di più"
    r"|(?:chapter|part|appendix|section|step|figure|table|exercise|example|kapitel|teil|anhang|abschnitt|chapitre"
    r"|partie|annexe|capítulo|parte|capitolo|глава|часть|раздел|приложение)\s*(?:[\divxlc]+|[a-z])\W*"
    r"|第\s*[\d一二三四五六七八九十]+\s*[章节節部]",
    re.IGNORECASE,
)
LEANING = 0.3  # what a sentence is worth for each word in it that points elsewhere


def leans(sentence: str) -> bool:
    """Whether a sentence speaks of the one before."""
    words = words_of(sentence)
    return bool(words and words[0] in _POINTING or _LINKING.match(sentence) or _POINTING_UNSPACED.match(sentence))


def standing(sentence: str) -> float:
    """1 for a sentence that stands alone; less for every word in it that points elsewhere."""
    pointing = sum(word in _ELSEWHERE for word in words_of(sentence))
    pointing += len(_CROSS_REFERENCE.findall(sentence)) + len(_ELSEWHERE_UNSPACED.findall(sentence))
    return LEANING**pointing


def says_something(text: str, *, head: bool) -> bool:
    """Whether a text is more than boilerplate, a source or code.

    Args:
        head: it is a heading, a caption or an entry of an index; else a sentence or a line.
    """
    if _BOILERPLATE.search(text) or _MARKUP.search(text):
        return False
    tokens = tokens_of(text)
    code = sum(_CODE_TOKEN.search(token) is not None for token in tokens)
    if code > (_CODE_SHARE_OF_HEADS if head else _CODE_SHARE) * len(tokens):
        return False
    return not (_GENERIC_HEAD.fullmatch(text.strip(" .:")) if head else _SOURCE.search(text))
