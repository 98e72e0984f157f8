"""What is not worth asking: boilerplate, code, sources, rows of tables, and heads that every document has."""

from __future__ import annotations

import re

from smart_train.pairs.form_text import is_declaration
from smart_train.pairs.generic_headings import is_generic
from smart_train.pairs.notices import is_notice
from smart_train.pairs.words import tokens_of, words_of

_BOILERPLATE = re.compile(
    r"©|\(c\) \d{4}|\bcopyright\b|all rights reserved|permission is (?:hereby )?granted|without (?:any )?warranty"
    r"|warranties of|merchantability|terms and conditions for copying|free software foundation"
    r"|\bthis licen[cs]e\b|(?:cover|invariant) (?:texts?|sections?)"
    r"|\b(?:is|are) (?:an? |the )?(?:registered )?trademarks? (?:or registered trademarks? )?of\b"
    r"|\bisbn\b|\bissn\b|(?:page|document) (?:was|is) intentionally"
    r"|^(?:printed in|generated (?:on|by)|last (?:updated|modified))|report (?:all )?bugs"
    r"|alle rechte vorbehalten|tous droits réservés|todos los derechos|tutti i diritti|все права защищены"
    r"|not responsible for the content|\bterms (?:and|&) conditions\b|\bprivacy (?:notice|policy|statement)\b"
    r"|\bJSTOR\b"
    r"|版权所有|版權所有|無断転載|著作権|製作著作"
    # What generators of references write beside each entry.
    r"|go to the documentation of this file|how to (?:use|apply) (?:this licen[cs]e|these terms)"
    r"|\bdefinition at line \d|\bdefined at line \d"
    r"|^(?:referenced by|references|reimplemented (?:from|in)|implements)\b"
    r"|^(?:denotes|hereafter|indicates)\b|^(?:parameters?|returns?|exceptions|template parameters)\s[a-z_]"
    # What stands below every table.
    r"|\bbecause of rounding\b|\bunrounded (?:numbers|figures|data)\b|\bmay not (?:add up|sum|add to)\b"
    r"|\bstandards not met\b"
    r"|\brevised from previously published\b|rundungs(?:differenzen|bedingt)|\barrondis?\b.*\btotal"
    r"|\bdebido al redondeo\b"
    # What forms say to whoever fills them in.
    r"|\b(?:check|tick|mark) (?:(?:all|any|one) (?:that|which|box|boxes|of the boxes)|the (?:box|appropriate))\b"
    r"|\byes no\b"
    r"|\b(?:please|bitte) (?:print|type|check|tick|enter|ankreuzen|ausfüllen)\b|\bmarque con\b"
    # Labels and thanks.
    r"|^(?:keywords?|key words|index terms|source|sources|note|notes|mots[- ]clés|schlüsselwörter|schlagworte"
    r"|quellen?|fuente|palabras clave|parole chiave|fonte|palavras-chave|ключевые слова|источники?|słowa kluczowe"
    r"|źródło|关键词|来源|キーワード)\s*[:：.]|\b(?:is|are) (?:gratefully )?(?:thanked|acknowledged)\b"
    r"|\backnowledges? the\b"
    r"|\b(?:thank|thanks to|grateful to|remercier|remercions|agradecemos|danken)\b"
    r"|\bfinancially supported\b|\b(?:partially|partly) supported by (?:a |the )?(?:\w+ )?(?:grant|foundation)"
    r"|\bsupported (?:in part )?by (?:the|a)? ?\w* ?(?:grant|foundation)",
    re.IGNORECASE,
)
_SOURCE = re.compile(  # of a list of references
    r"^(?:\[\w+\]\s*)?(?:[A-Z]\.\s?)+[A-Z]\w+(?:,| and| &)|^[A-Z]\w+, (?:[A-Z]\.\s?)+|\b(?:doi|DOI|arXiv)[:\s]"
    r"|\d\s?\(\d{1,4}\)\s?[:,]\s?\d|\.\s(?:19|20)\d\d[a-z]?$|\bet al\.?(?:,? \(?(?:19|20)\d\d\b|$)"
    r"|\(n\.\s?d\.\)|\bpp?\.\s?\d+|\b[Vv]ol\.\s?\d+|\b[Pp]roceedings of\b|\bpages \d+[–-]\d+|<\S+/\S*"
)
_MARKUP = re.compile(
    r"\\[A-Za-z@]+\s*[\[{]|\$[^$ ]*\\|[{}]\s*$|^\s*[%#/]{1,3}|-->|=>|::|\)\s*;"
    r"|</?\w[\w:.-]*(?:\s[\w:.-]+=[^<>]*)?/?>|\w\[\w*\]\s*="
)
_CODE_TOKEN = re.compile(r"[_=<>{}|\\$@]|::|\(\)|^--?\w|\w\(|\.\w+\(|^[a-z]+[A-Z]")
_CODE_SHARE, _CODE_SHARE_OF_HEADS = 0.2, 0.5
# The text that typesetters put where none is written yet.
_FILLER_WORDS = """
adipiscing adipisicing aliquam aliquet aliquip aptent cillum consectetuer consectetur consequat conubia cupidatat
dapibus deserunt dolor eiusmod elit euismod excepteur exercitation faucibus feugiat fugiat hac himenaeos imperdiet
inceptos incididunt ipsum laborum lectus ligula litora lorem luctus maecenas massa mauris nascetur nostrud nunc occaecat
officia orci pariatur parturient pellentesque phasellus placerat proident pulvinar reprehenderit sagittis sociosqu
sollicitudin suspendisse taciti tincidunt ullamco ullamcorper vestibulum vivamus viverra volutpat vulputate
"""
_LATIN_WORDS = """
ac amet anim ante arcu at auctor augue bibendum blandit commodo condimentum congue cras culpa cursus diam dictum do
dolore dui duis egestas eget eleifend enim esse est et eu ex facilisis felis fermentum fringilla fusce gravida habitant
iaculis id in integer interdum irure justo labore lacinia laoreet leo libero lobortis magna malesuada mattis metus mi
minim molestie mollis mollit morbi nec neque nibh nisi nisl non nulla odio ornare porta porttitor posuere praesent
pretium proin purus quam quis quisque rhoncus risus rutrum sapien scelerisque sed sem semper senectus sint sit sodales
sunt suspendisse tellus tempor tempus tortor tristique turpis ullamcorper ultrices ultricies urna ut varius vehicula vel
velit venenatis veniam vitae
"""
_FILLER = frozenset(_FILLER_WORDS.split())
_ENOUGH_FILLER = 3  # different ones; ordinary Latin has fewer
_MUCH_FILLER, _FILLER_SHARE = 6, 0.4  # different ones on a page; share of its words
_LATIN, _MOSTLY_FILLER = _FILLER | frozenset(_LATIN_WORDS.split()), 0.7  # share of a text's words; Latin has fewer
_MOST_CHARACTERS = 400  # of a text that may be asked for; nothing longer is looked at
_AGAIN_AND_AGAIN = re.compile(r"\b([^\W\d].{0,14}?\S)(?:\s*\1){3}")
_DATE = re.compile(r"\b\d{1,4}[/.-]\d{1,2}[/.-]\d{2,4}\b")
_CASED = re.compile(r"[(\"']*(?:[A-ZÀ-ÞΑ-ΩА-Я]|([a-zß-ÿα-ωа-я]))\w*")
_CAPITAL_SHARE = 0.6  # of a sentence's words, German ones included; above it are names, a title, cells of a table
_NUMBERS_SHARE, _ENUMERATION = 0.25, 2.5  # numbers a word; words between the commas of a mere list


def says_something(text: str, *, head: bool) -> bool:
    """Whether a text is more than boilerplate, a source or code.

    Args:
        head: it is a heading, a caption or an entry of an index; else a sentence or a line.
    """
    if len(text) > _MOST_CHARACTERS or is_boilerplate(text) or _is_filler(text):
        return False
    tokens = tokens_of(text)
    code = sum(_CODE_TOKEN.search(token) is not None for token in tokens)
    if code > (_CODE_SHARE_OF_HEADS if head else _CODE_SHARE) * len(tokens):
        return False
    return not (is_generic(text) if head else _SOURCE.search(text) or _is_row(text))


def is_boilerplate(text: str) -> bool:
    """Whether a text is what a licence, a publisher, a form or a program writes, or marks of a markup language."""
    return (
        _BOILERPLATE.search(text) is not None
        or _MARKUP.search(text) is not None
        or is_notice(text)
        or is_declaration(text)
    )


def is_filler_page(prose: str) -> bool:
    """Whether a page's running text stands in the place of one: its headings are those of a template."""
    words = words_of(prose)
    filler = len(_FILLER.intersection(words)) >= _MUCH_FILLER
    return filler and sum(word in _LATIN for word in words) >= _FILLER_SHARE * len(words)


def _is_filler(text: str) -> bool:
    """Whether a text stands in the place of one: "Lorem ipsum dolor", or the same words four times in a row."""
    words = words_of(text)
    if len(words) > _ENOUGH_FILLER and sum(word in _LATIN for word in words) >= _MOSTLY_FILLER * len(words):
        return True
    return len(_FILLER.intersection(words)) >= _ENOUGH_FILLER or _AGAIN_AND_AGAIN.search(text) is not None


def _is_row(text: str) -> bool:
    """Whether a text is cells of a table, a list of names or of keywords rather than a sentence."""
    tokens = text.split()
    numbers = sum(any(character.isdigit() for character in token) for token in tokens)
    if len(_DATE.findall(text)) > 1 or (numbers > 1 and numbers > _NUMBERS_SHARE * len(tokens)):
        return True
    commas = text.count(", ") + text.count("; ")
    if commas > 2 and commas * _ENUMERATION >= len(tokens):
        return True
    cased = [match for token in tokens[1:] if (match := _CASED.match(token))]
    return len(cased) > 2 and sum(match[1] is None for match in cased) > _CAPITAL_SHARE * len(cased)
