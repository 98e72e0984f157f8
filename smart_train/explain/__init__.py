"""Why a document was found: the score of one query and one document, token by token, and where on the page."""

from smart_train.explain.explanation import Explanation, explain
from smart_train.explain.page import explanation_report, write_explanation
from smart_train.explain.picture import explanation_picture
from smart_train.explain.tokens import SeenToken

__all__ = [
    "Explanation",
    "SeenToken",
    "explain",
    "explanation_picture",
    "explanation_report",
    "write_explanation",
]
