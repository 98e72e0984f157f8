"""Addresses: which text is one, and the bytes behind it."""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import os
import re
import socket
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any, cast

from smart_train.errors import DataError
from smart_train.inputs.extensions import IMAGE_EXTENSIONS, VIDEO_EXTENSIONS

URL_SCHEMES = ("http://", "https://")
URL_BYTES_LIMIT = 100 * 2**20
FILE_BYTES_LIMIT = 4 * 2**30  # of a video
TOTAL_SECONDS = 120.0  # 100 MiB at 7 Mbit/s
PRIVATE_ADDRESSES = "SMART_TRAIN_PRIVATE_ADDRESSES"  # the environment variable that allows them
_USER = re.compile(r"^(https?://)[^/?#@]*@")
_SECRETS = re.compile(
    r"([?&][^=&#]*(?:key|token|secret|sig|signature|credential|password|auth)[^=&#]*)=[^&#]*", re.IGNORECASE
)


def names_image(text: str) -> bool:
    """Whether the whole of `text` is the address of an image rather than something to read."""
    return text.startswith("data:image/") or _names(text, IMAGE_EXTENSIONS)


def names_video(text: str) -> bool:
    """Whether the whole of `text` is the address of a video file."""
    return _names(text, VIDEO_EXTENSIONS)


def _names(text: str, extensions: tuple[str, ...]) -> bool:
    if text.startswith(URL_SCHEMES):
        path = path_of_address(text)
        return path is not None and path.lower().endswith(extensions)
    return text.lower().endswith(extensions) and os.path.isfile(text)


def path_of_address(text: str) -> str | None:
    """What an address has between its host and its query; None for a text that is not an address, such as a page that
    begins with one ("http://[4] shows ...")."""
    if any(character.isspace() for character in text):
        return None
    try:
        return urllib.parse.urlsplit(text).path
    except ValueError:  # brackets that do not hold an IPv6 address
        return None


def describe_address(text: str) -> str:
    """A path, URL or data URI, short enough for a message and without what only its owner may know: a user's name and
    password, and the values of a query that look like keys or signatures."""
    if text.startswith(URL_SCHEMES):
        text = _SECRETS.sub(r"\1=...", _USER.sub(r"\1", text))
    return text if len(text) <= 300 and not text.startswith("data:") else text[:60] + "..."


def fetch(
    url: str, *, timeout: float = 20.0, attempts: int = 3, wait: float = 0.5, total: float = TOTAL_SECONDS
) -> bytes:
    """The bytes behind an http(s) URL. Timeouts, refused connections, 429 and 5xx are tried again, waiting twice as
    long each time; other answers are final.

    A server of this machine or of a private network is not asked unless `PRIVATE_ADDRESSES` is set to 1: rows are
    often other people's, and whatever answers there trusts who asks from inside. Every redirect is held to the same.

    Args:
        timeout: seconds until the server must answer, and for each further piece. total: seconds for one attempt from
            its beginning to its end, so that a server which sends a byte now and then cannot hold a worker.

    Raises:
        DataError: with the URL, the number of attempts and the last reason.
    """
    tried = 0
    while True:
        tried += 1
        try:
            with _opened(url, timeout, total) as response:
                content = response.read(URL_BYTES_LIMIT + 1)
            break
        # URLError, HTTPError and timeouts are OSErrors; a malformed address is a ValueError or an HTTPException.
        except (OSError, ValueError, http.client.HTTPException) as error:
            status = error.code if isinstance(error, urllib.error.HTTPError) else None
            final = isinstance(error, ValueError) or (status is not None and status != 429 and status < 500)
            if final or tried >= attempts:
                times = f"{tried} attempt{'s' if tried > 1 else ''}"
                reason = str(error).replace(url, describe_address(url))
                raise DataError(f"image {describe_address(url)}: not fetched after {times} ({reason})") from error
        time.sleep(wait * 2 ** (tried - 1))
    if len(content) > URL_BYTES_LIMIT:
        raise DataError(f"image {describe_address(url)}: more than {URL_BYTES_LIMIT} bytes")
    return content


@contextlib.contextmanager
def fetched_file(url: str, *, timeout: float, total: float) -> Iterator[str]:
    """A file, gone at the end, with the bytes behind `url`, for a library that would fetch by itself: that one would
    look up the name anew and follow redirects, and so ask a server that the rule of `fetch` refuses.

    Args: as `fetch`.

    Raises:
        DataError: nothing came in that time, or more than `FILE_BYTES_LIMIT` bytes.
    """
    with tempfile.NamedTemporaryFile(prefix="smart_train-") as file:
        try:
            with _opened(url, timeout, total) as response:
                while piece := response.read(2**20):
                    file.write(piece)
                    if file.tell() > FILE_BYTES_LIMIT:
                        raise _Refused(f"more than {FILE_BYTES_LIMIT} bytes")
            file.flush()
        except (TimeoutError, _Late) as error:
            told = error if isinstance(error, _Late) else f"no answer within {timeout:g} seconds"
            raise DataError(f"{describe_address(url)}: {told}") from error
        except (OSError, ValueError, http.client.HTTPException) as error:
            reason = str(error).replace(url, describe_address(url))
            raise DataError(f"{describe_address(url)}: not fetched ({reason})") from error
        yield file.name


class _Refused(ValueError):
    """An attempt that would end alike if it were made again."""


class _Late(_Refused):
    """All the time there is was used up."""


@contextlib.contextmanager
def _opened(url: str, timeout: float, total: float) -> Iterator[Any]:
    """The response of one attempt. Its connections are closed after `total` seconds, whatever they wait for."""
    connections: list[_Watched] = []
    late = threading.Event()

    def end() -> None:
        late.set()
        for connection in connections:
            connection.cut()

    opener = urllib.request.build_opener(_Http(connections), _Https(connections), _Redirects)
    watch = threading.Timer(total, end)
    watch.daemon = True
    watch.start()
    try:
        _check_host(url)
        with opener.open(
            urllib.request.Request(url, headers={"User-Agent": "smart-train"}), timeout=timeout
        ) as response:
            yield response
            if late.is_set():  # a body of unknown length ends wherever its connection does
                raise TimeoutError
    except (OSError, ValueError, http.client.HTTPException) as error:
        if late.is_set():
            raise _Late(f"not complete after {total:g} seconds") from error
        raise
    finally:
        watch.cancel()


class _Watched(http.client.HTTPConnection):
    """A connection whose other end is looked at before anything is asked of it, and that another thread can end.

    What its name resolves to is looked at first, then the peer: a name may be another address at every look.
    """

    direct = True  # not through a proxy, whose address says nothing of the one that is asked for

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.watched: socket.socket | None = None
        self._create_connection = self._connected  # http.client's own hook, used by its proxies' tunnels too

    def _connected(self, *args: Any, **options: Any) -> socket.socket:
        if self.direct:  # before anything is sent: whether a port of a private network answers is told to nobody
            host, port = args[0]
            for *_, place in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
                _check_address(str(place[0]), self.host)
        self.watched = socket.create_connection(*args, **options)
        if self.direct:
            try:
                _check_address(self.watched.getpeername()[0], self.host)
            except _Refused:
                self.watched.close()
                raise
        return self.watched

    def cut(self) -> None:
        """Ends whatever waits for this connection."""
        if self.watched is not None:
            with contextlib.suppress(OSError):  # closed already
                self.watched.shutdown(socket.SHUT_RDWR)


class _WatchedTls(_Watched, http.client.HTTPSConnection):
    """The same under TLS."""


class _Watching(urllib.request.AbstractHTTPHandler):
    """Makes connections of one kind, and lists them."""

    connection: type[_Watched]

    def __init__(self, connections: list[_Watched]) -> None:
        super().__init__()
        self.connections = connections

    def ask(self, request: urllib.request.Request) -> Any:
        proxied = request.has_proxy() or getattr(request, "_tunnel_host", None) is not None

        def make(host: str, **options: Any) -> _Watched:
            connection = self.connection(host, **options)
            connection.direct = not proxied
            self.connections.append(connection)
            return connection

        return self.do_open(cast(Any, make), request)


class _Http(_Watching, urllib.request.HTTPHandler):
    connection = _Watched

    def http_open(self, req: urllib.request.Request) -> Any:
        return self.ask(req)


class _Https(_Watching, urllib.request.HTTPSHandler):
    connection = _WatchedTls

    def https_open(self, req: urllib.request.Request) -> Any:
        return self.ask(req)


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """For requests that carry a key: urllib would send it on to wherever it is redirected."""

    def redirect_request(self, *_: Any) -> None:
        return None


class _Redirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req: Any, fp: Any, code: Any, msg: Any, headers: Any, newurl: str) -> Any:
        _check_host(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _check_host(url: str) -> None:
    """Refuses an address that is written out. A name is resolved by whoever connects, and judged then."""
    if not url.startswith(URL_SCHEMES):
        raise _Refused(f"leads to {describe_address(url)}, which is not http or https")
    host = urllib.parse.urlsplit(url).hostname or ""
    _check_address("127.0.0.1" if host.lower() == "localhost" else host, host)


def _check_address(address: str, host: str) -> None:
    """Raises _Refused where `address` is one, and neither public nor allowed."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return  # a name
    ip = getattr(ip, "ipv4_mapped", None) or ip
    if not ip.is_global and os.environ.get(PRIVATE_ADDRESSES) != "1":
        raise _Refused(
            f"{host} is an address of this machine or of a private network; if you trust the rows, set "
            f"{PRIVATE_ADDRESSES}=1"
        )
