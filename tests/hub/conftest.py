"""The stand-in Hub, with the real client pointed at it; and what is pushed to it."""

import pytest
from huggingface_hub import constants

from smart_train.export import export_model
from tests.export.conftest import *  # noqa: F403 - the trained models of the export's tests
from tests.hub.server import WRITER, Hub


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A running stand-in; this process is logged in to it with a token that may write."""
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


@pytest.fixture
def exported(train, tmp_path):
    """A verified export of a LoRA run."""
    export_model(train("lora"), tmp_path / "export")
    return tmp_path / "export"
