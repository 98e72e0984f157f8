"""Pages as text, for models that read no images: which of them can be found, their chunks, and which chunk answers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from smart_train.data.formats.pdfs_as_texts import PdfText, without_text
from smart_train.data.formats.unreadable import is_unreadable
from smart_train.data.text_chunks import chunks_of, estimated_tokens, split_text, splitter
from smart_train.errors import DataError
from smart_train.pairs.candidates import Page
from smart_train.pairs.documents import Document
from smart_train.pairs.sentences import SENTENCE_WORDS
from smart_train.pairs.settings import PairSettings
from smart_train.pairs.words import as_words, clean, length_in_words, words_of
from smart_train.utils.defaults import CHUNK_TOKENS

_AFTER_HEAD = re.compile(r": |：|(?<=[?!]) |(?<=[？！])")
WITHOUT_TEXT, UNREADABLE = "without text", "whose text layer holds the numbers of glyphs instead of letters"


def text_candidates(document: Document, left_out: Counter[str]) -> list[Page]:
    """The pages of a document that can be found by their text, in order. Why others are left out is counted in
    `left_out`."""
    left_out["table of contents or index"] += len(document.listings)
    candidates = list(document.pages)
    for number in document.silent:
        text = document.texts[number].spelt
        if not text or is_unreadable(text):
            left_out[UNREADABLE if text else WITHOUT_TEXT] += 1
        else:
            candidates.append(Page.without_text(document.key, number))
    return sorted(candidates, key=lambda page: page.number)


def unread(documents: Sequence[Document], to_do: str) -> list[str]:
    """A line that counts and names the pages without legible text, where there are any; `to_do` ends it."""
    pages = [
        PdfText(document.key, number, page.spelt, None if is_unreadable(page.spelt) else page.made_by)
        for document in documents
        for number, page in enumerate(document.texts, start=1)
    ]
    line = without_text(pages, to_do)
    return [] if line is None else [line]


def split_pages_by(settings: PairSettings) -> Callable[[str], list[str]]:
    """What cuts a page's text into chunks, as the settings say.

    Raises:
        DataError: `chunk_tokens` is more than the model of `tokenizer` reads.
        ModelError: that model cannot be opened.
    """
    limit = settings.chunk_tokens
    if settings.tokenizer is None:
        return lambda text: split_text(text, limit or CHUNK_TOKENS, estimated_tokens)
    # Here, because transformers takes seconds to import, which nothing else of this package needs.
    from smart_train.models.loading import family_of

    family = family_of(settings.tokenizer)
    if limit is not None and limit > family.max_length:
        raise DataError(
            f"chunk_tokens (--chunk-tokens) is {limit}, but {settings.tokenizer} reads at most {family.max_length} "
            "tokens"
        )
    return splitter(family, limit)


class TextRows:
    """What a page is in rows: one document for each of its chunks."""

    def __init__(self, documents: Sequence[Document], split: Callable[[str], list[str]]) -> None:
        self._texts = {document.key: [page.spelt for page in document.texts] for document in documents}
        self._split = split
        self._rows: dict[str, list[dict[str, Any]]] = {}

    def __call__(self, page: Page) -> list[dict[str, Any]]:
        """The columns `positive` and `document_id` of each chunk."""
        identity, text = f"{page.document}#page={page.number + 1}", self._texts[page.document][page.number]
        if identity not in self._rows:
            # Not as bare texts, which might read like names of pictures.
            self._rows[identity] = [
                {"positive": {"text": part}, "document_id": name}
                for name, part in chunks_of(identity, text, self._split)
            ]
        return self._rows[identity]


def answering(rows: Sequence[dict[str, Any]], query: str) -> dict[str, Any]:
    """The chunk of a page that answers its query: the one with the query's words in their order, or with those after
    the heading that was put before a sentence; else with most of them, the first of equals."""
    parts = _AFTER_HEAD.split(query)
    rests = (" ".join(parts[place:]) for place in range(1, len(parts)))
    phrases = [as_words(query), *(as_words(rest) for rest in rests if length_in_words(rest) >= SENTENCE_WORDS[0])]
    query_words = {*words_of(query)}

    def says(row: dict[str, Any]) -> tuple[int, int]:
        words = as_words(clean(row["positive"]["text"]))
        quoted = next((place for place, phrase in enumerate(phrases) if phrase in words), len(phrases))
        return -quoted, len(query_words.intersection(words.split()))

    return rows[0] if len(rows) == 1 else max(rows, key=says)
