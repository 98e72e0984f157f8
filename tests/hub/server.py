"""A stand-in for the Hugging Face Hub on the loopback address: what `huggingface_hub` needs to create a repository,
upload to it in one commit, large files apart, and download it again. Faults can be planted.

It keeps everything in memory and knows two tokens: one that may write, and one that may only read.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

WRITER, READER = "hf_may_write", "hf_may_read"
OWNERS = ("user",)  # namespaces that the writer may write to
_REPO = r"(?P<repo>[^/]+/[^/]+)"
_LARGE = (".safetensors", "tokenizer.json")  # files that are kept apart, by their SHA-256


@dataclass
class Repository:
    """Branches, each with its newest commit, and every commit's files."""

    private: bool
    branches: dict[str, str] = field(default_factory=dict)
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)

    def commit(self, branch: str, files: dict[str, bytes]) -> str:
        oid = hashlib.sha1(f"{branch}{len(self.commits)}{sorted(files)}".encode()).hexdigest()
        self.commits[oid] = files
        self.branches[branch] = oid
        return oid

    def resolve(self, revision: str) -> str | None:
        oid = self.branches.get(revision, revision)
        return oid if oid in self.commits else None


@dataclass
class Fault:
    """An answer planted in place of the real one: a status, or a dropped connection (`status` None); `late` does the
    work first, so that only the answer is lost."""

    method: str
    path: str  # a regular expression
    status: int | None
    times: int
    late: bool = False


class Hub:
    """The server. `with Hub() as hub:` runs it at `hub.url`; `hub.requests` lists what was asked for."""

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.objects: dict[str, bytes] = {}  # large files, by their SHA-256
        self.faults: list[Fault] = []
        self.requests: list[tuple[str, str]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Hub:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def create(self, name: str, files: dict[str, bytes] | None = None, *, private: bool = True) -> Repository:
        repository = self.repositories[name] = Repository(private)
        repository.commit("main", {".gitattributes": b"*.safetensors filter=lfs", **(files or {})})
        return repository

    def files(self, name: str, revision: str = "main") -> dict[str, bytes]:
        repository = self.repositories[name]
        return repository.commits[repository.resolve(revision)]

    def fail(self, method: str, path: str, status: int | None, times: int = 1000, *, late: bool = False) -> None:
        self.faults.append(Fault(method, path, status, times, late))

    def fault(self, method: str, path: str) -> Fault | None:
        for fault in self.faults:
            if fault.times and fault.method == method and re.search(fault.path, path):
                fault.times -= 1
                return fault
        return None


class _Answer(Exception):
    """Ends a request: status, body (bytes, or something for JSON), headers."""

    def __init__(self, status: int, body: object = None, **headers: str) -> None:
        self.status = status
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Quiet: tests read `hub.requests`."""

        def _serve(self) -> None:
            path = unquote(urlsplit(self.path).path)
            hub.requests.append((self.command, path))
            self.content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fault = hub.fault(self.command, path)
            if fault is not None and fault.status is None and not fault.late:
                self._drop()
                return
            try:
                if fault is not None and not fault.late:
                    raise _Answer(fault.status, {"error": "planted"})
                for method, pattern, serve in _ROUTES:
                    found = re.fullmatch(pattern, path)
                    if found and method == self.command:
                        serve(self, hub, **found.groupdict())
                raise _Answer(404, {"error": f"the stand-in does not serve {self.command} {path}"})
            except _Answer as answer:
                if fault is not None and fault.late:
                    self._drop()
                else:
                    self._send(answer)

        def _drop(self) -> None:
            self.close_connection = True
            self.connection.close()

        def _send(self, answer: _Answer) -> None:
            self.send_response(answer.status)
            for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)

        do_GET = do_POST = do_PUT = do_HEAD = _serve

        @property
        def token(self) -> str:
            return self.headers.get("Authorization", "").removeprefix("Bearer ")

        def json(self) -> dict:
            return json.loads(self.content)

    return Handler


def _authenticate(request, *, write_to: str | None = None) -> None:
    if request.token not in (WRITER, READER):
        raise _Answer(
            401, {"error": "Invalid credentials"}, X_Error_Message="Invalid credentials in Authorization header"
        )
    if write_to is not None and (request.token != WRITER or write_to.split("/")[0] not in OWNERS):
        raise _Answer(403, {"error": "no write permission"})


def _find(request, hub: Hub, repo: str, revision: str) -> tuple[Repository, str]:
    repository = hub.repositories.get(repo)
    if repository is None or (repository.private and request.token not in (WRITER, READER)):
        raise _Answer(404, {"error": "Repository not found"}, X_Error_Code="RepoNotFound")
    oid = repository.resolve(revision)
    if oid is None:
        raise _Answer(404, {"error": "Invalid rev id"}, X_Error_Code="RevisionNotFound")
    return repository, oid


def _whoami(request, hub: Hub) -> None:
    _authenticate(request)
    raise _Answer(200, {"type": "user", "name": "user", "auth": {"type": "access_token"}})


def _create(request, hub: Hub) -> None:
    wanted = request.json()
    name = f"{wanted.get('organization') or 'user'}/{wanted['name']}"
    _authenticate(request, write_to=name)
    address = {"url": f"{hub.url}/{name}", "name": name}
    if name in hub.repositories:
        raise _Answer(409, {"error": "You already created this model repo", **address})
    hub.create(name, private=wanted.get("visibility") == "private" or bool(wanted.get("private")))
    raise _Answer(200, address)


def _branch(request, hub: Hub, repo: str, revision: str) -> None:
    _authenticate(request, write_to=repo)
    repository, oid = _find(request, hub, repo, request.json().get("startingPoint", "main"))
    if revision in repository.branches:
        raise _Answer(409, {"error": "Reference already exists"})
    repository.branches[revision] = oid
    raise _Answer(200, {})


def _validate(request, hub: Hub) -> None:
    raise _Answer(200, {"errors": [], "warnings": []})


def _preupload(request, hub: Hub, repo: str, revision: str) -> None:
    _authenticate(request, write_to=repo)
    _find(request, hub, repo, revision)
    files = [
        {
            "path": item["path"],
            "uploadMode": "lfs" if item["path"].endswith(_LARGE) else "regular",
            "shouldIgnore": False,
        }
        for item in request.json()["files"]
    ]
    raise _Answer(200, {"files": files})


def _lfs_batch(request, hub: Hub, repo: str) -> None:
    _authenticate(request, write_to=repo)
    objects = []
    for item in request.json()["objects"]:
        if item["oid"] not in hub.objects:
            item["actions"] = {
                "upload": {"href": f"{hub.url}/lfs/{item['oid']}"},
                "verify": {"href": f"{hub.url}/lfs/{item['oid']}/verify"},
            }
        objects.append(item)
    raise _Answer(200, {"transfer": "basic", "objects": objects})


def _lfs_put(request, hub: Hub, oid: str) -> None:
    if hashlib.sha256(request.content).hexdigest() != oid:
        raise _Answer(400, {"error": "content does not match its digest"})
    hub.objects[oid] = request.content
    raise _Answer(200, {})


def _lfs_verify(request, hub: Hub, oid: str) -> None:
    raise _Answer(200 if len(hub.objects.get(oid, b"")) == request.json()["size"] else 404, {})


def _commit(request, hub: Hub, repo: str, revision: str) -> None:
    _authenticate(request, write_to=repo)
    repository, head = _find(request, hub, repo, revision)
    files = dict(repository.commits[head])
    for line in request.content.splitlines():
        operation = json.loads(line)
        value = operation["value"]
        if operation["key"] == "header" and value.get("parentCommit", head) != head:
            raise _Answer(412, {"error": "A commit has happened since"})
        if operation["key"] == "file":
            files[value["path"]] = base64.b64decode(value["content"])
        elif operation["key"] == "lfsFile":
            files[value["path"]] = hub.objects[value["oid"]]
        elif operation["key"] == "deletedFile":
            del files[value["path"]]
    oid = repository.commit(revision, files)
    raise _Answer(200, {"commitUrl": f"{hub.url}/{repo}/commit/{oid}", "commitOid": oid})


def _info(request, hub: Hub, repo: str, revision: str = "main") -> None:
    repository, oid = _find(request, hub, repo, revision)
    siblings = [{"rfilename": name} for name in repository.commits[oid]]
    raise _Answer(200, {"id": repo, "sha": oid, "private": repository.private, "siblings": siblings})


def _tree(request, hub: Hub, repo: str, revision: str) -> None:
    repository, oid = _find(request, hub, repo, revision)
    files = repository.commits[oid].items()
    raise _Answer(200, [{"type": "file", "path": name, "size": len(body), "oid": _etag(body)} for name, body in files])


def _paths_info(request, hub: Hub, repo: str, revision: str) -> None:
    repository, oid = _find(request, hub, repo, revision)
    found = []
    for name in parse_qs(request.content.decode())["paths"]:
        body = repository.commits[oid].get(name)
        if body is not None:
            found.append({"type": "file", "path": name, "size": len(body), "oid": _etag(body)})
            if name.endswith(_LARGE):
                found[-1]["lfs"] = {"oid": hashlib.sha256(body).hexdigest(), "size": len(body), "pointerSize": 134}
    raise _Answer(200, found)


def _resolve(request, hub: Hub, repo: str, revision: str, path: str) -> None:
    repository, oid = _find(request, hub, repo, revision)
    body = repository.commits[oid].get(path)
    if body is None:
        raise _Answer(404, {"error": "Entry not found"}, X_Error_Code="EntryNotFound")
    raise _Answer(200, body, ETag=f'"{_etag(body)}"', X_Repo_Commit=oid)


def _etag(body: bytes) -> str:
    return hashlib.sha1(body).hexdigest()


_ROUTES = (
    ("GET", "/api/whoami-v2", _whoami),
    ("POST", "/api/repos/create", _create),
    ("POST", "/api/validate-yaml", _validate),
    ("POST", f"/api/models/{_REPO}/branch/(?P<revision>.+)", _branch),
    ("POST", f"/api/models/{_REPO}/preupload/(?P<revision>.+)", _preupload),
    ("POST", f"/api/models/{_REPO}/commit/(?P<revision>.+)", _commit),
    ("POST", rf"/{_REPO}\.git/info/lfs/objects/batch", _lfs_batch),
    ("PUT", "/lfs/(?P<oid>[0-9a-f]{64})", _lfs_put),
    ("POST", "/lfs/(?P<oid>[0-9a-f]{64})/verify", _lfs_verify),
    ("GET", f"/api/models/{_REPO}", _info),
    ("GET", f"/api/models/{_REPO}/revision/(?P<revision>.+)", _info),
    ("GET", f"/api/models/{_REPO}/tree/(?P<revision>[^/]+)", _tree),
    ("POST", f"/api/models/{_REPO}/paths-info/(?P<revision>[^/]+)", _paths_info),
    ("HEAD", f"/{_REPO}/resolve/(?P<revision>[^/]+)/(?P<path>.+)", _resolve),
    ("GET", f"/{_REPO}/resolve/(?P<revision>[^/]+)/(?P<path>.+)", _resolve),
)
