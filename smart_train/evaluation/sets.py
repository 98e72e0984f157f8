"""What is evaluated on: queries, the corpus they are asked of, and which documents answer them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import InitVar, dataclass, field

from smart_train.data.keys import content_key, default_id, is_default_id, is_itself
from smart_train.errors import DataError
from smart_train.types import HIGHEST_GRADE, Example, ModelInput

_SHOWN = 20

Judged = Iterable[str] | Mapping[str, int]


@dataclass
class EvaluationSet:
    """Held-out queries against a corpus.

    Args:
        queries, query_ids: run parallel. An id may come twice with the same content: the rows are one query, and their
            relevant documents are joined.
        documents, document_ids: the whole corpus, run parallel. A repeated id with the same content counts once.
        relevant: per query, in the order of `queries`, the ids of its relevant documents (a set: grade 1 each) or
            {document id: grade}; or a mapping from query id to either, whose entries for other queries are left out.
            Grades are whole numbers, 0 means not relevant.
        name: what reports call these rows; may be empty.

    Attributes:
        qrels: {query id: {document id: grade}}, in the order of `query_ids`.
        own: ids of queries that are documents of the corpus themselves, and not judged relevant to themselves. Such a
            document is left out of the ranking of its own query, which it would lead.

    Raises:
        DataError: no queries or documents, lists of different lengths, one id for different contents, a query without
            a relevant document, a relevant document that is not in the corpus, a grade that is not a whole number, two
            grades of one document for one query.
    """

    queries: Sequence[ModelInput]
    query_ids: Sequence[str]
    documents: Sequence[ModelInput]
    document_ids: Sequence[str]
    relevant: InitVar[Sequence[Judged] | Mapping[str, Judged]]
    name: str = ""
    qrels: dict[str, dict[str, int]] = field(init=False)
    own: frozenset[str] = field(init=False)

    def __post_init__(self, relevant: Sequence[Judged] | Mapping[str, Judged]) -> None:
        if not isinstance(relevant, Mapping) and len(relevant) != len(self.queries):
            raise DataError(
                f"evaluation set: {len(self.queries)} queries but {len(relevant)} sets of relevant documents"
            )
        judged = [relevant.get(query, ()) for query in self.query_ids] if isinstance(relevant, Mapping) else relevant
        qrels: dict[str, dict[str, int]] = {query: {} for query in self.query_ids}
        for query, documents in zip(self.query_ids, judged, strict=False):
            for document, grade in _grades(query, documents).items():
                if qrels[query].setdefault(document, grade) != grade:
                    raise DataError(
                        f"evaluation set: query {query!r}, document {document!r}: graded {qrels[query][document]} and "
                        f"{grade}; keep one judgement"
                    )
        queries = _unique("query", self.query_ids, self.queries)
        documents = _unique("document", self.document_ids, self.documents)
        self.query_ids, self.queries = list(queries), list(queries.values())
        self.document_ids, self.documents = list(documents), list(documents.values())
        self.qrels = qrels
        self.own = frozenset(
            identity
            for identity, query in queries.items()
            if identity in documents
            and not qrels[identity].get(identity)
            and is_itself(query, documents[identity], identity)
        )
        self._check_answers(documents)

    @classmethod
    def from_examples(
        cls, examples: Iterable[Example], extra_documents: Iterable[tuple[str, ModelInput]] = (), *, name: str = ""
    ) -> EvaluationSet:
        """The set of all rows: every row's positive is relevant to its query, by its grade; the corpus is every
        document of every row, explicit negatives included, and `extra_documents` (id, document), pages that answer no
        query.

        A document to which its row gives no id, or names as a page from another folder (`manuals/a.pdf#page=1` and
        `a.pdf#page=1`), has the id that it has among `extra_documents`, if its content is there: under two ids it would
        compete with itself.

        Raises: DataError, as the constructor.
        """
        examples, extra_documents = list(examples), list(extra_documents)
        found = _ids_by_content(examples, extra_documents)
        pairs = [
            (found.get(identity, identity), document)
            for row in examples
            for identity, document in zip(row.document_ids, row.documents, strict=True)
        ]
        pairs.extend(extra_documents)
        return cls(
            queries=[row.query for row in examples],
            query_ids=[row.query_id for row in examples],
            documents=[document for _, document in pairs],
            document_ids=[identity for identity, _ in pairs],
            relevant=[{found.get(row.document_ids[0], row.document_ids[0]): row.grade} for row in examples],
            name=name,
        )

    def _check_answers(self, documents: Mapping[str, ModelInput]) -> None:
        unanswered = [query for query, grades in self.qrels.items() if not any(grades.values())]
        if unanswered:
            raise DataError(f"evaluation set: {_list(unanswered)} without a relevant document")
        missing = [
            f"{document!r} (query {query!r})"
            for query, grades in self.qrels.items()
            for document, grade in grades.items()
            if grade > 0 and document not in documents
        ]
        if missing:
            raise DataError(
                f"evaluation set: {len(missing)} relevant documents are not in the corpus of {len(documents)}: "
                + ", ".join(missing[:_SHOWN])
            )


def _ids_by_content(examples: Sequence[Example], extra_documents: Sequence[tuple[str, ModelInput]]) -> dict[str, str]:
    """Id of a document of `examples` -> the id of the first of `extra_documents` with its content: for ids that are
    made of the content, and for names of pages whose files are named from another folder there."""
    given = {identity for identity, _ in extra_documents}
    unnamed: dict[str, set[str]] = defaultdict(set)
    for row in examples if extra_documents else ():
        for identity, document in zip(row.document_ids, row.documents, strict=True):
            if identity not in given and (is_default_id(identity) or "#page=" in identity):
                unnamed[default_id(document)].add(identity)
    found: dict[str, str] = {}
    # Only where there are some: to hash a corpus is to read all of its files.
    for there, document in extra_documents if unnamed else ():
        content = default_id(document)
        for identity in unnamed.get(content, ()):
            if identity == content or identity.endswith(f"/{there}") or there.endswith(f"/{identity}"):
                found.setdefault(identity, there)
    return found


def _grades(query: str, documents: Judged) -> dict[str, int]:
    if isinstance(documents, str):
        raise DataError(f"evaluation set: the relevant documents of query {query!r} are a string, they must be a set")
    grades = dict(documents) if isinstance(documents, Mapping) else dict.fromkeys(documents, 1)
    for document, grade in grades.items():
        if isinstance(grade, bool) or not isinstance(grade, int) or not 0 <= grade <= HIGHEST_GRADE:
            raise DataError(
                f"evaluation set: query {query!r}, document {document!r}: grade is {grade!r}, it must be a whole "
                f"number of at least 0 and at most {HIGHEST_GRADE}"
            )
    return grades


def _unique(kind: str, ids: Sequence[str], items: Sequence[ModelInput]) -> dict[str, ModelInput]:
    if len(ids) != len(items):
        raise DataError(f"evaluation set: {len(items)} {kind} inputs but {len(ids)} {kind} ids")
    if not items:
        raise DataError(f"evaluation set: there is no {kind}; at least one is needed")
    unique: dict[str, ModelInput] = {}
    for identity, item in zip(ids, items, strict=True):
        if not isinstance(identity, str):
            raise DataError(f"evaluation set: {kind} id {identity!r} must be a string")
        if identity not in unique:
            unique[identity] = item
        # by content, whatever form images and videos come in: a path and its bytes are the same page
        elif unique[identity] != item and content_key(unique[identity]) != content_key(item):
            raise DataError(f"evaluation set: {kind} id {identity!r} is used for two different contents")
    return unique


def _list(queries: Sequence[str]) -> str:
    return f"{len(queries)} queries ({', '.join(map(repr, queries[:_SHOWN]))})"
