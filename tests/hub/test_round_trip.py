"""Train, push, and search from a process that has only the repository's name, while connections fail on the way."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from smart_train import run
from smart_train.retrieval import search_folder
from tests.hub.server import READER

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("without_peers", "no_plots")]
QUERIES = ["the red page", "the blue page"]


def search_elsewhere(hub, name, tmp_path):
    """`smart-train search` in a process of its own, with an empty cache and a token that may only read."""
    environment = {
        "HF_ENDPOINT": hub.url,
        "HF_TOKEN": READER,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HOME": str(tmp_path / "home"),
        "OMP_NUM_THREADS": os.environ["OMP_NUM_THREADS"],
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "PATH": "",
    }
    asked = [part for query in QUERIES for part in ("--query", query)]
    command = [sys.executable, "-m", "smart_train", "search", name, "--documents", "pages", "--json", *asked]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [json.loads(line)["hits"] for line in done.stdout.splitlines()]


@pytest.mark.parametrize("what", ["merged", "adapter"])
def test_train_push_and_search_from_elsewhere(what, start, hub, recipe, tmp_path):
    hub.fail("PUT", "/lfs/", None, times=1)
    hub.fail("POST", "/commit/", 503, times=1)
    hub.fail("POST", "/commit/", None, times=1, late=True)
    run.train(recipe(start, "hub.repo_id=user/trained", f"hub.what={what}"))

    Path("pages").mkdir()
    for page in Path().glob("*.png"):
        page.rename(Path("pages") / page.name)
    expected = search_folder("runs/mine/final", Path("pages"), QUERIES, 10, None, None, batch_size=32)
    hub.fail("GET", "resolve/.*/(model|adapter_model).safetensors", None, times=1)
    hub.fail("GET", "resolve/.*/tokenizer.json", 503, times=1)
    found = search_elsewhere(hub, "user/trained", tmp_path)
    assert not [fault for fault in hub.faults if fault.times], "every planted fault was met"
    for theirs, ours in zip(found, expected, strict=True):
        assert [hit["document_id"] for hit in theirs] == [hit.document_id for hit in ours]
        assert [hit["hybrid"] for hit in theirs] == pytest.approx([hit.hybrid for hit in ours], abs=1e-4)
