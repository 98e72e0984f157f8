"""Queries that a report shows, explained by the model that they were asked of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from smart_train.errors import SmartTrainError, first_line
from smart_train.evaluation.page import ChosenQuery
from smart_train.explain import Explanation, explain
from smart_train.scoring import ScoringConfig
from smart_train.utils.out_of_memory import is_out_of_memory

if TYPE_CHECKING:
    from smart_train.models import SmartModel


def explain_queries(model: SmartModel, queries: Sequence[ChosenQuery]) -> dict[str, Explanation]:
    """Query id -> why the document beside it scores as it does. Videos are left out: no heat can be shown of them."""
    return {item.query_id: explain(model, item.query, item.document) for item in queries if not item.shows_video}


def or_reason(explained: Callable[[], dict[str, Explanation]]) -> dict[str, Explanation] | str:
    """What `explained` gives; or why there is none: the model's family does not say where the tokens of an image lie,
    a page is gone, or memory does not suffice. A report without heat, which says why, is better than a command that
    fails at its end."""
    try:
        return explained()
    except (SmartTrainError, RuntimeError, MemoryError) as error:
        if not (isinstance(error, SmartTrainError) or is_out_of_memory(error)):
            raise
        return f"no heat can be shown ({first_line(error)})"


@contextmanager
def scored_by(model: SmartModel, scoring: ScoringConfig) -> Iterator[None]:
    """Lets `model` keep tokens and weigh scores as `scoring` says, while inside."""
    own = model.family.scoring
    model.family.scoring = scoring
    try:
        yield
    finally:
        model.family.scoring = own
