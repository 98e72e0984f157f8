"""Calls to the Hub: a temporary fault is waited out, and the call made again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from huggingface_hub.errors import HfHubHTTPError, HTTPError, LocalEntryNotFoundError

T = TypeVar("T")
PAUSES = (1.0, 2.0, 4.0, 8.0)  # seconds before each new attempt


def persist(attempt: Callable[[], T]) -> T:
    """`attempt()`, repeated after each temporary fault until it succeeds or all `PAUSES` are over."""
    for pause in PAUSES:
        try:
            return attempt()
        except (HTTPError, RuntimeError, LocalEntryNotFoundError) as error:
            if not passes(error):
                raise
            time.sleep(pause)
    return attempt()


def passes(error: BaseException | None) -> bool:
    """Whether a call to the Hub that failed with `error` may succeed a moment later."""
    if isinstance(error, (RuntimeError, LocalEntryNotFoundError)):  # the client's wrappers around what went wrong
        return passes(error.__cause__)
    if isinstance(error, HfHubHTTPError):
        return error.response is not None and (error.response.status_code >= 500 or error.response.status_code == 429)
    return isinstance(error, HTTPError)
