"""One question with one image to any OpenAI-compatible endpoint: at a limited rate, and with retries.

No message holds the key. Standard library: what is needed is one POST (docs/decisions/asking-a-vision-model.md).
"""

from __future__ import annotations

import base64
import email.utils
import http.client
import json
import random
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from urllib.parse import urlsplit

from smart_train.errors import EndpointError
from smart_train.inputs.fetching import NoRedirect

_AGAIN = frozenset({408, 425, 429})  # and everything from 500 on
_LONGEST_WAIT = 300.0  # seconds; a service that asks for more is not waited for
_EXCERPT = 300  # characters of an answer that a message quotes


@dataclass(frozen=True)
class Answer:
    """What the model said, and the tokens that the service counted (0 where it does not say)."""

    text: str
    input_tokens: int
    output_tokens: int


class GivenUp(EndpointError):
    """A request that was not sent, because the work stops."""


class ChatEndpoint:
    """An OpenAI-compatible chat endpoint. Safe to use from several threads.

    Args:
        url: its base, as in https://host/v1; `/chat/completions` is added where it is missing.
        model: the name that the service knows the model by.
        api_key: sent as a bearer token; None sends none.
        requests_per_minute: requests start at least 60 / so many seconds apart; None: no limit.
        timeout: seconds that an answer may take. attempts: of each request.
        wait: seconds before the second attempt, twice as long before each further one; what the service asks for with
            Retry-After, if that is longer.

    Raises:
        EndpointError: the address is none, or a number is out of its range.
    """

    def __init__(
        self,
        url: str,
        model: str,
        *,
        api_key: str | None = None,
        requests_per_minute: float | None = None,
        timeout: float = 180.0,
        attempts: int = 5,
        wait: float = 2.0,
    ) -> None:
        try:
            parts = urlsplit(url)
        except ValueError:  # brackets that do not hold an IPv6 address
            parts = urlsplit("")
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise EndpointError(f"endpoint {url!r}: must be an address such as https://host/v1")
        if parts.username or parts.password:
            raise EndpointError(
                "endpoint: the address holds a user name or password; put the key in the environment variable instead"
            )
        if not model:
            raise EndpointError(f"endpoint {url}: the model's name is empty")
        if requests_per_minute is not None and requests_per_minute <= 0:
            raise EndpointError(f"requests_per_minute is {requests_per_minute:g}; it must be above 0")
        path = "" if url.rstrip("/").endswith("/chat/completions") else "/chat/completions"
        self.url, self.model = url.rstrip("/") + path, model
        self._key, self._timeout, self._attempts, self._wait = api_key, timeout, attempts, wait
        self._gap = 60.0 / requests_per_minute if requests_per_minute else 0.0
        self._next = 0.0
        self._lock = threading.Lock()
        self._opener = urllib.request.build_opener(NoRedirect)

    def ask(self, prompt: str, image: bytes, media_type: str, *, stopped: Callable[[], bool] = lambda: False) -> Answer:
        """The model's answer to `prompt` beside an encoded image.

        Args:
            stopped: asked before every attempt; once true, the request is given up.

        Raises:
            EndpointError: the service refuses (its answer is final), or no attempt succeeded.
        """
        body = json.dumps(
            {
                "model": self.model,
                "messages": [
                    {
                        "role": "user",
                        "content": [
                            {"type": "text", "text": prompt},
                            {
                                "type": "image_url",
                                "image_url": {"url": f"data:{media_type};base64,{base64.b64encode(image).decode()}"},
                            },
                        ],
                    }
                ],
            }
        ).encode()
        reason = ""
        for attempt in range(1, self._attempts + 1):
            self._pace()
            if stopped():
                raise GivenUp(f"endpoint {self.url}: cancelled, because another request failed")
            reason, asked_wait, answer = self._try(body)
            if answer is not None:
                return answer
            if attempt < self._attempts:
                wait = max(self._wait * 2 ** (attempt - 1) * random.uniform(1.0, 1.25), asked_wait)
                if wait > _LONGEST_WAIT:
                    raise EndpointError(f"endpoint {self.url}: asks to wait {wait:.0f} seconds ({reason}); try later")
                time.sleep(wait)
        raise EndpointError(f"endpoint {self.url}: no answer after {self._attempts} attempts; the last: {reason}")

    def _pace(self) -> None:
        with self._lock:
            now = time.monotonic()
            start = max(now, self._next)
            self._next = start + self._gap
        time.sleep(start - now)

    def _try(self, body: bytes) -> tuple[str, float, Answer | None]:
        """Why there is no answer yet, how long the service asks to wait, and the answer. Raises EndpointError for what
        no further attempt can change."""
        headers = {"Content-Type": "application/json", "User-Agent": "smart-train"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        request = urllib.request.Request(self.url, data=body, headers=headers, method="POST")
        try:
            with self._opener.open(request, timeout=self._timeout) as response:
                content = response.read()
        except urllib.error.HTTPError as error:
            said = self._excerpt(error.read())
            if (error.code in _AGAIN or error.code >= 500) and "insufficient_quota" not in said:
                return f"status {error.code}: {said}", _retry_after(error.headers.get("Retry-After")), None
            raise EndpointError(self._refusal(error, said)) from error
        # URLError and timeouts are OSErrors; a connection cut in the middle of an answer is an HTTPException.
        except (OSError, http.client.HTTPException) as error:
            return str(getattr(error, "reason", None) or error or type(error).__name__), 0.0, None
        return self._read(content)

    def _refusal(self, error: urllib.error.HTTPError, said: str) -> str:
        hint = ""
        if error.code in (401, 403):
            hint = "; the key is wrong or does not allow this" if self._key else "; it needs a key, but none was given"
        elif error.code == 404:
            hint = f"; is the address complete, and is {self.model!r} a model it serves?"
        elif 300 <= error.code < 400:
            hint = f"; it redirects to {error.headers.get('Location')}: name that address"
        return f"endpoint {self.url}: refused with status {error.code}{hint}: {said}"

    def _read(self, content: bytes) -> tuple[str, float, Answer | None]:
        try:
            values = json.loads(content)
            text = values["choices"][0]["message"]["content"]
            usage = values.get("usage") or {}
            if isinstance(text, str):
                counts = (int(usage.get(name) or 0) for name in ("prompt_tokens", "completion_tokens"))
                return "", 0.0, Answer(text, *counts)
        except (ValueError, LookupError, TypeError, AttributeError):
            pass  # said below, together with an answer whose text is null
        return f"not a chat completion: {self._excerpt(content)}", 0.0, None

    def _excerpt(self, content: bytes) -> str:
        """The beginning of an answer in one line, without the key, which some services quote."""
        text = " ".join(content.decode("utf-8", "replace").split())
        return (text.replace(self._key, "***") if self._key else text)[:_EXCERPT] or "(empty)"


def _retry_after(value: str | None) -> float:
    """Seconds that a Retry-After header asks for: a number, or the date it ends; 0 where there is none."""
    if not value:
        return 0.0
    try:
        return max(0.0, float(value))
    except ValueError:
        pass  # then it is a date
    try:
        return max(0.0, (email.utils.parsedate_to_datetime(value) - datetime.now(timezone.utc)).total_seconds())
    except (ValueError, TypeError):
        return 0.0
