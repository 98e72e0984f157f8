"""Asking an endpoint: what is retried, what is final, how fast, and that the key is never said."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from smart_train.errors import EndpointError
from smart_train.pairs import ChatEndpoint
from smart_train.pairs.endpoint import _retry_after
from tests.pairs.chat_server import ChatServer, said

SECRET = "sk-very-secret"


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with ChatServer(key=SECRET) as running:
        yield running


def endpoint(server: ChatServer, **changes: object) -> ChatEndpoint:
    return ChatEndpoint(server.url, "seer-7b", **{"api_key": SECRET, "wait": 0.0, "attempts": 3, **changes})


def test_one_request_holds_prompt_picture_and_key(server: ChatServer) -> None:
    answer = endpoint(server).ask("Write.", b"picture", "image/png")
    assert (answer.input_tokens, answer.output_tokens) == (100, 7) and "queries" in answer.text
    (request,) = server.requests
    assert request["model"] == "seer-7b"
    assert request["messages"][0]["content"][0] == {"type": "text", "text": "Write."}
    assert request["messages"][0]["content"][1]["image_url"]["url"] == "data:image/png;base64,cGljdHVyZQ=="
    assert server.keys == [f"Bearer {SECRET}"]


@pytest.mark.parametrize(
    ("status", "body"), [(429, "slow down"), (500, "oops"), (503, ""), (0, ""), (200, "<html>"), (200, said(None))]
)
def test_what_may_pass_is_tried_again(server: ChatServer, status: int, body: object) -> None:
    server.plant(status, body, times=2, Retry_After="0")
    assert "queries" in endpoint(server).ask("Write.", b"picture", "image/png").text
    assert len(server.requests) == 3
    server.plant(status, body, times=3)
    with pytest.raises(EndpointError, match="no answer after 3 attempts; the last: ."):
        endpoint(server).ask("Write.", b"picture", "image/png")


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (401, f"bad key {SECRET}", r"refused with status 401; the key is wrong or does not allow this: bad key \*\*\*"),
        (403, "no", "refused with status 403; the key"),
        (404, "no model", "status 404; is the address complete, and is 'seer-7b' a model it serves.: no model"),
        (400, "image too large", "refused with status 400: image too large"),
        (302, "", "it redirects to http://elsewhere/: name that address"),
        (429, '{"error": {"code": "insufficient_quota"}}', "insufficient_quota"),
    ],
)
def test_what_cannot_pass_is_final(server: ChatServer, status: int, body: str, message: str) -> None:
    server.plant(status, body, times=2, Location="http://elsewhere/")
    with pytest.raises(EndpointError, match=message) as caught:
        endpoint(server).ask("Write.", b"picture", "image/png")
    assert len(server.requests) == 1 and SECRET not in str(caught.value)


def test_without_a_key_none_is_sent_and_the_refusal_says_so(server: ChatServer) -> None:
    with pytest.raises(EndpointError, match="it needs a key, but none was given"):
        endpoint(server, api_key=None).ask("Write.", b"picture", "image/png")
    assert server.keys == [None]


def test_a_service_that_is_not_there(server: ChatServer) -> None:
    with pytest.raises(EndpointError, match="no answer after 2 attempts; the last: .*refused"):
        ChatEndpoint("http://127.0.0.1:9", "m", wait=0.0, attempts=2).ask("Write.", b"", "image/png")


def test_waits_grow_follow_the_service_and_end(server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", lambda seconds: waited.append(seconds) if seconds else None)
    server.plant(500, "", times=2)
    server.plant(429, "", Retry_After="40")
    endpoint(server, wait=1.0, attempts=5).ask("Write.", b"picture", "image/png")
    assert 1 <= waited[0] <= 1.25 and 2 <= waited[1] <= 2.5 and waited[2] == 40
    server.plant(429, "", Retry_After="4000")
    with pytest.raises(EndpointError, match="asks to wait 4000 seconds .*; try later"):
        endpoint(server).ask("Write.", b"picture", "image/png")
    assert _retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0 and _retry_after("soon") == 0


def test_requests_are_paced(server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    slow = endpoint(server, requests_per_minute=30)
    for _ in range(3):
        slow.ask("Write.", b"picture", "image/png")
    assert waited == [0, 2, 4], "the clock stands still: each request starts two seconds after the one before"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("ftp://host/v1", "m"), "endpoint 'ftp://host/v1': must be an address such as https://host/v1"),
        (("http://[4]/v1", "m"), r"endpoint 'http://\[4\]/v1': must be an address such as https://host/v1"),
        (
            ("https://user:secret@host/v1", "m"),
            "holds a user name or password; put the key in the environment variable instead",
        ),
        (("https://host/v1", ""), "the model's name is empty"),
    ],
)
def test_addresses_that_are_none(arguments: tuple[str, str], message: str) -> None:
    with pytest.raises(EndpointError, match=message) as caught:
        ChatEndpoint(*arguments)
    assert "user:secret" not in str(caught.value)
    with pytest.raises(EndpointError, match="requests_per_minute is 0; it must be above 0"):
        ChatEndpoint("https://host/v1", "m", requests_per_minute=0)
    assert ChatEndpoint("https://host/v1/chat/completions/", "m").url == "https://host/v1/chat/completions"
