"""Which of a source's columns is the query, which the document, and so on."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from smart_train.errors import DataError, did_you_mean

# Our name -> the source's names that are understood without a map, best first. `image` and `image_filename` are those
# of the ColPali train set and the ViDoRe sets.
KNOWN_NAMES: dict[str, tuple[str, ...]] = {
    "query": ("query", "anchor"),
    "query_image": ("query_image",),
    "positive": ("positive", "image", "document"),
    "query_id": ("query_id",),
    "document_id": ("document_id", "image_filename"),
    "instruction": ("instruction",),
    "text": (),  # in rows with queries it is as often what OCR read as a caption, so nothing is taken for it unasked
    "negatives": ("negatives", "negative"),
    "task": ("task",),
    "score": ("score", "positive_score"),
    "scores": ("scores",),
    "grade": ("grade",),
}
# Where a row is a document and nothing else, more names can only mean these two.
_DOCUMENT_NAMES: dict[str, tuple[str, ...]] = {
    # The last of each: of WebDataset.
    "positive": ("positive", "image", "document", "page_image", "video", "text", "contents", "png", "jpg", "jpeg",
                 "webp", "txt"),
    "document_id": ("document_id", "image_filename", "_id", "id", "corpus-id", "corpus_id", "doc_id", "docid",
                    "__key__"),
}  # fmt: skip
_SHOWN = ("image", "page_image", "video")  # a text beside one of these belongs to the same document
# `columns: positional`: the rest are query, positive and negatives in their order, as in sentence-transformers.
POSITIONAL = "positional"
_NOT_BY_POSITION = ("query_image", "text", "query_id", "document_id", "instruction", "task", "score", "scores", "grade")
# What such columns say of a pair is looked at in `formats/labels.py`.
LABELS = ("label", "labels", "gold_label", "esci_label")
JUDGEMENTS = ("relevance", "relevance_label", "rel", "relevant", "is_relevant", "is_duplicate", "is_match")
LIKENESS = ("similarity", "similarity_score", "relatedness_score", "sts_score", "cosine_similarity")
COUNTED = ("id", "_id", "idx", "index", "qid", "pid", "did", "docid", "doc_id", "pair_id", "__index_level_0__")
# What others call these columns. Too many things are called so to read them unasked: a message suggests them.
_LIKELY_NAMES = {
    "query": ("question", "query_text", "instruction", "prompt", "input", "sentence1", "premise", "caption", "txt",
              "q_text", "问题", "查询"),
    "query_image": ("q_img",),  # of MegaPairs, as are t_img and hns
    "positive": ("pos", "page", "image_path", "img_path", "img", "images", "file_name", "answer", "response", "output",
                 "passage", "context", "chosen", "sentence2", "hypothesis", "jpg", "jpeg", "png", "webp",
                 "t_img", "图片", "回答", "答案", "正例"),
    "negatives": ("neg", "hard_negatives", "hard_negative", "rejected", "rejected_response", "hns", "负例"),
}  # fmt: skip
# Of FlagEmbedding. What does not read as a list is a text here, which may begin with a bracket ("[1] ...").
MAYBE_LISTS = ("pos", "neg", "pos_scores", "neg_scores")
_WORDS_OF_A_NAME = 4
_NUMBERED_NEGATIVE = re.compile(r"negative_(\d+)")


@dataclass(frozen=True)
class Columns:
    """The source's own name of each column that was found; None for one it does not have.

    `query_image` stands beside the query's text, or is `query` itself where queries are images alone. `text` is what
    stands beside a document's image: in tables of documents, and in rows with queries where a map names it.

    `negatives` is a tuple of columns, each holding one document, or a single column holding a list of them.

    Scores are a teacher's. They come in one column, `scores`, which holds a list: the positive's, then the negatives';
    or in a column for each document: `score` for the positive, and NAME_score beside a column NAME of negatives (a list
    there where NAME holds a list).
    """

    positive: str
    query: str | None = None
    query_image: str | None = None
    text: str | None = None
    query_id: str | None = None
    document_id: str | None = None
    instruction: str | None = None
    negatives: tuple[str, ...] = ()
    task: str | None = None
    score: str | None = None
    scores: str | None = None
    grade: str | None = None

    def used(self) -> list[str]:
        """The source's names of all columns that are read, each once."""
        scores = [f"{name}_score" for name in self.negatives] if self.scores is None else []
        names = [self.query, self.query_image, self.positive, self.text, *self.negatives, self.query_id]
        names += [self.document_id, self.instruction, self.task, self.score, self.scores, self.grade, *scores]
        return list(dict.fromkeys(name for name in names if name is not None))


ColumnMap = Mapping[str, str | Sequence[str]]


def check_column_map(source: str, given: ColumnMap | str) -> None:
    """Raises DataError for names on our side that do not exist, and for lists where one column is meant."""
    if isinstance(given, str):
        if given != POSITIONAL:
            raise DataError(f"{source}: columns: {given!r}; must be a mapping of columns, or {POSITIONAL}")
        return
    for ours, theirs in given.items():
        if ours not in KNOWN_NAMES:
            raise DataError(
                f"{source}: columns.{ours}: unknown{did_you_mean(ours, KNOWN_NAMES)}; known: {', '.join(KNOWN_NAMES)}"
            )
        if ours != "negatives" and not isinstance(theirs, str):
            raise DataError(f"{source}: columns.{ours}: {theirs!r} must be the name of one column")


def find_columns(
    source: str,
    available: Sequence[str],
    given: ColumnMap | str | None = None,
    *,
    query_required: bool = True,
    texts: Collection[str] = (),
) -> Columns:
    """The source's columns under our names: those of the map, else those with a name that is known.

    Args:
        available: the source's columns in its order.
        given: our name -> the source's, or "positional".
        query_required: False for a source of documents alone.
        texts: columns called as labels, judgements or ids are that hold documents all the same; "positional" takes
            them.

    Raises:
        DataError: a mapped column does not exist, or no column can be the query or the document. Lists what there is.
    """
    given = given or {}
    check_column_map(source, given)
    if isinstance(given, str):
        given = _by_position(source, available, texts)
    for ours, theirs in given.items():
        for name in [theirs] if isinstance(theirs, str) else theirs:
            if name not in available:
                raise DataError(
                    f"{source}: columns.{ours}: there is no column {name!r}{did_you_mean(name, available)}; "
                    f"columns: {_listed(available)}"
                )
    names = KNOWN_NAMES if query_required else {**KNOWN_NAMES, **_DOCUMENT_NAMES}
    taken = mapped_columns(given)
    columns: dict[str, Any] = {
        ours: given.get(ours) or next((name for name in candidates if name in available and name not in taken), None)
        for ours, candidates in names.items()
    }
    if query_required and columns["query"] is None and columns["query_image"] is not None:
        columns["query"] = columns["query_image"]  # queries that are images alone
    for ours in ("query", "positive") if query_required else ("positive",):
        if columns[ours] is None:
            raise DataError(
                f"{source}: no column for {ours!r} (looked for {', '.join(names[ours])}); columns: "
                f"{_listed(available)}. Name it in the recipe: columns: {{{_suggested(available, columns, ours)}}}"
                + (_in_their_order(available, columns, texts) if query_required else "")
            )
    shown = not query_required and "positive" not in given and columns["positive"] in _SHOWN
    if shown and "text" in available:
        columns["text"] = columns["text"] or "text"
    negatives = columns.pop("negatives")
    negatives = [negatives] if isinstance(negatives, str) else [*(negatives or ())]
    if "negatives" not in given:
        negatives += _numbered_negatives(available)
    return Columns(negatives=tuple(negatives), **columns)


def mapped_columns(given: ColumnMap | str | None) -> set[str]:
    """The source's columns that a map names."""
    theirs = given.values() if isinstance(given, Mapping) else ()
    return {name for names in theirs for name in ([names] if isinstance(names, str) else names)}


def list_columns(given: ColumnMap | str | None) -> set[str]:
    """Columns whose cells may hold a list, in files that know text alone."""
    names = {"negatives", "negatives_score", "scores", *MAYBE_LISTS}
    if isinstance(given, Mapping):
        for ours in ("negatives", "scores"):
            theirs = given.get(ours, ())
            names.update([theirs] if isinstance(theirs, str) else theirs)
    return names


def _suggested(available: Collection[str], columns: Mapping[str, Any], missing: str) -> str:
    """The map to write: the column that is likely meant, of each that was not found. Documents need no query."""
    wanted = (missing,) if missing == "positive" and columns["query"] is None else tuple(_LIKELY_NAMES)
    pairs = []
    for ours in wanted:
        name = _likely(ours, available)
        if columns[ours] is None and (name is not None or ours == missing):
            pairs.append(f"{ours}: {name or 'NAME'}")
    return ", ".join(pairs)


def _likely(ours: str, available: Collection[str]) -> str | None:
    return next((name for name in _LIKELY_NAMES[ours] if name in available), None)


def _in_their_order(available: Sequence[str], columns: Mapping[str, Any], documents: Collection[str]) -> str:
    """The advice to use columns by their position, where their names say nothing else."""
    try:
        order = _by_position("", available, documents)
    except DataError:
        return ""
    meant = {ours: columns[ours] or _likely(ours, available) for ours in ("query", "positive", "negatives")}
    if any(meant[ours] not in (None, order[ours]) for ours in ("query", "positive")):
        return ""
    known = any(name is not None for name in meant.values())
    if known and any(name != meant["negatives"] for name in order.get("negatives", ())):
        return ""  # what is beside a known query and positive is rather something else than a negative
    return f"; or columns: {POSITIONAL} to use them in their order"


def _by_position(source: str, available: Sequence[str], documents: Collection[str]) -> dict[str, str | list[str]]:
    """The map that follows from the order of columns. Those with a name for something else keep their meaning; ids and
    labels have none here, unless they are among `documents`.

    Raises:
        DataError: fewer than two columns are left, the first row was taken for their names, or the order contradicts
            the names.
    """
    reserved = {name for ours in _NOT_BY_POSITION for name in KNOWN_NAMES[ours]}
    reserved |= {*LABELS, *JUDGEMENTS, *LIKENESS, *COUNTED} - {*documents}
    texts = [name for name in available if name not in reserved and not name.endswith("_score")]
    if len(texts) < 2:
        raise DataError(
            f"{source}: columns: {POSITIONAL} needs a query and a positive in the first two columns; columns: "
            f"{_listed(available)}"
        )
    if any(len(name.split()) > _WORDS_OF_A_NAME for name in texts):
        raise DataError(
            f"{source}: its first line is taken for the names of the columns, and this seems to be a row "
            f"({texts[0][:60]!r}, ...); put a line with names above it"
        )
    for place, ours in enumerate(("query", "positive")):
        named = next((name for name in KNOWN_NAMES[ours] if name in texts), None)
        if named is not None and texts[place] != named:
            raise DataError(
                f"{source}: columns: {POSITIONAL} takes the column {texts[place]!r} for the {ours}, but there is also "
                f"a column {named!r}; say which are meant, as in columns: {{{ours}: {named}, ...}}"
            )
    return {"query": texts[0], "positive": texts[1], **({"negatives": texts[2:]} if texts[2:] else {})}


def _numbered_negatives(available: Collection[str]) -> list[str]:
    """negative_0, negative_1, ... in the order of their numbers."""
    numbered = [(int(match[1]), name) for name in available if (match := _NUMBERED_NEGATIVE.fullmatch(name))]
    return [name for _, name in sorted(numbered)]


def _listed(available: Collection[str]) -> str:
    return (", ".join(sorted(available)) or "none") + header_hint(available)


def header_hint(available: Collection[str]) -> str:
    """What to say beside a list of columns that look like the first row of a file without a header; else nothing."""
    if any(name.isdecimal() or len(name.split()) > _WORDS_OF_A_NAME for name in available):
        return " (the first line of a file must name the columns, and this seems to be a row)"
    return ""
