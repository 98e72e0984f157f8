"""A stand-in for an OpenAI-compatible endpoint on the loopback address. It answers with queries made of the picture it
was sent, so that a page always gets the same ones; other answers can be planted before."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Planted = tuple[int, str | dict[str, Any], dict[str, str]]


class ChatServer:
    """`with ChatServer() as server:` runs it at `server.url`; `server.requests` are the bodies it got, and
    `server.keys` their Authorization headers. With `key`, other keys are refused."""

    def __init__(self, key: str | None = None) -> None:
        self.key = key
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.planted: list[Planted] = []
        self.lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> ChatServer:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def plant(self, status: int, body: str | dict[str, Any], times: int = 1, **headers: str) -> None:
        """The next `times` answers. Status 0 hangs up without one."""
        self.planted += [(status, body, headers)] * times

    def answer(self, request: dict[str, Any], key: str | None) -> Planted:
        with self.lock:
            self.requests.append(request)
            self.keys.append(key)
            if self.planted:
                return self.planted.pop(0)
        if self.key is not None and key != f"Bearer {self.key}":
            return 401, {"error": {"message": f"Incorrect API key provided: {key}"}}, {}
        url = request["messages"][0]["content"][1]["image_url"]["url"]
        picture = hashlib.sha256(base64.b64decode(url.partition(",")[2])).hexdigest()[:8]
        return 200, said(json.dumps({"queries": [f"what is {picture} about", f"{picture} in numbers"]})), {}


def said(text: str | None) -> dict[str, Any]:
    """The body of an answer."""
    usage = {"prompt_tokens": 100, "completion_tokens": 7}
    return {"choices": [{"message": {"role": "assistant", "content": text}}], "usage": usage}


def _handler(server: ChatServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert self.path == "/v1/chat/completions"
            status, body, headers = server.answer(request, self.headers.get("Authorization"))
            if status == 0:
                self.close_connection = True
                return
            content = (body if isinstance(body, str) else json.dumps(body)).encode()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Nothing on the console."""

    return Handler
