"""What is fetched of a repository on the Hub, and what is left there."""

import json

import pytest
import torch
from safetensors.torch import load

from smart_train import SmartModel
from smart_train.models.loading import locate


@pytest.fixture
def pickled(base_on_the_hub, tmp_path):
    """The base as its weights were published before safetensors, BGE-M3's for example."""
    files = {name: content for name, content in base_on_the_hub.items() if not name.endswith(".safetensors")}
    torch.save(load(base_on_the_hub["model.safetensors"]), tmp_path / "weights")
    left = ("smart_config.json", "parity.json", "model.safetensors.index.json")
    return {
        **{name: content for name, content in files.items() if name not in left},
        "pytorch_model.bin": (tmp_path / "weights").read_bytes(),
    }


def asked(hub):
    return {path.rpartition("/")[2] for _, path in hub.requests if "/resolve/" in path}


def test_weights_that_are_not_in_safetensors_are_fetched_where_there_are_no_others(hub, pickled, base):
    hub.create("user/old", pickled)
    model = SmartModel.from_pretrained("user/old", device="cpu")
    expected = SmartModel.from_pretrained(base, device="cpu")
    assert torch.equal(model.encode_query("red").pooled, expected.encode_query("red").pooled)
    assert model.base_revision == hub.repositories["user/old"].branches["main"]


def test_the_weights_are_of_the_commit_that_was_fetched_first(hub, pickled):
    """Somebody may push in between."""
    repository = hub.create("user/old", pickled)
    first = repository.branches["main"]
    config = {**json.loads(pickled["config.json"]), "pushed": "later"}
    repository.commit("main", {**pickled, "config.json": json.dumps(config).encode(), "pytorch_model.bin": b"later"})
    folder = locate("user/old", first)
    assert folder.name == first and (folder / "pytorch_model.bin").read_bytes() == pickled["pytorch_model.bin"]


def test_weights_in_other_formats_stay_where_safetensors_are(hub, base_on_the_hub):
    others = (
        "pytorch_model.bin",
        "onnx/model.onnx",
        "onnx/model.onnx_data",
        "model.onnx.data",
        "rust_model.ot",
        "tf_model.h5",
    )
    hub.create("user/both", {**base_on_the_hub, **dict.fromkeys(others, b"large")})
    locate("user/both")
    assert "model.safetensors" in asked(hub)
    assert not {name.rpartition("/")[2] for name in others} & asked(hub)


def test_nothing_is_fetched_of_weights_where_none_are_needed(hub, pickled):
    hub.create("user/old", pickled)
    locate("user/old", weights=False)
    assert "config.json" in asked(hub) and "pytorch_model.bin" not in asked(hub)
