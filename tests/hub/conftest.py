"""The stand-in Hub, with the real client pointed at it; and what is pushed to it."""

import shutil

import pytest
from huggingface_hub import constants

from smart_train.export import export_model, verify_folder
from smart_train.utils.hashing import sha256
from tests.export.conftest import *  # noqa: F403 - the trained models of the export's tests
from tests.hub.server import WRITER, Hub


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A running stand-in; this process is logged in to it with a token that may write, and does not wait long."""
    monkeypatch.setattr("smart_train.utils.hub_retries.PAUSES", (0.0, 0.0, 0.0, 0.0))
    with Hub() as running:
        point_to(running, monkeypatch, tmp_path / "cache")
        yield running


def point_to(hub, monkeypatch, cache):
    # The client reads the environment when it is imported, which has long happened.
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.url + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(cache / "token"))
    monkeypatch.setenv("HF_TOKEN", WRITER)
    # For the processes that a test starts.
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    monkeypatch.setenv("HF_HUB_CACHE", str(cache))


@pytest.fixture(scope="session")
def made_once(base, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    adapt(base).save_pretrained(folder / "trained")  # noqa: F405
    export_model(folder / "trained", folder / "export")
    return folder / "export"


@pytest.fixture
def exported(made_once, tmp_path):
    """A verified export of a LoRA run, to spoil at will."""
    shutil.copytree(made_once, tmp_path / "export")
    return tmp_path / "export"


@pytest.fixture(scope="session")
def base_on_the_hub(base, tmp_path_factory):
    """Name and content of the files of the base, as a push of its export leaves them on the Hub."""
    folder = tmp_path_factory.mktemp("exported") / "base"
    export_model(base, folder)
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.fixture
def start(hub, base_on_the_hub):
    """The name of the base on the Hub."""
    hub.create("user/start", base_on_the_hub)
    return "user/start"


@pytest.fixture(scope="session")
def verified_before():
    return set()


@pytest.fixture
def verified_once(verified_before, monkeypatch):
    """A push does not verify again what a push of another test has verified: the same files. For tests of what follows
    the verification."""

    def verify(folder):
        files = frozenset((path.name, sha256(path)) for path in folder.rglob("*") if path.is_file())
        if files not in verified_before:
            verify_folder(folder)
            verified_before.add(files)

    monkeypatch.setattr("smart_train.export.hub.verify_folder", verify)
