"""The authors' `adapter.pt`: the token vectors of their own module, and nothing of the file is run."""

from __future__ import annotations

import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from smart_train import SmartModel
from smart_train.errors import ExportError, ModelError
from smart_train.export import convert_projection
from smart_train.models import PromptConfig
from smart_train.models.readout import READOUT
from tests.models.conftest import make_model

H, BLOCKS = 96, 4
DEFAULT = "Represent the user's input."


class Theirs(nn.Module):
    """The authors' module as their code describes it: weights by name, several layers fused token by token, then the
    projection, then unit length. States are [B, T, H], one per layer."""

    def __init__(self, width: int, *, layers: int = 1, middle: int | None = None) -> None:
        super().__init__()
        if middle is None:
            self.proj = nn.Sequential(nn.LayerNorm(H), nn.Linear(H, width, bias=False))
        else:
            first, last = nn.Linear(H, middle, bias=False), nn.Linear(middle, width, bias=False)
            self.proj = nn.Sequential(nn.LayerNorm(H), first, nn.GELU(), nn.Dropout(0.1), last)
        if layers > 1:
            self.layer_weight_vectors = nn.Parameter(torch.randn(1, H))
        for parameter in self.parameters():
            parameter.data += 0.1 * torch.randn_like(parameter)

    def forward(self, states: list[Tensor]) -> Tensor:
        fused = states[-1]
        if len(states) > 1:
            query = self.unit_rms(self.layer_weight_vectors)
            scores = [torch.einsum("bth,lh->btl", self.unit_rms(state), query) for state in states]
            shares = F.softmax(torch.stack(scores, dim=2) * H**-0.5, dim=2)
            parts = [shares[:, :, i].unsqueeze(-1) * state.unsqueeze(2) for i, state in enumerate(states)]
            fused = torch.stack(parts).sum(0).squeeze(2)
        return F.normalize(self.proj(fused), dim=-1)

    @staticmethod
    def unit_rms(values: Tensor) -> Tensor:
        return values / torch.sqrt(values.pow(2).mean(dim=-1, keepdim=True) + 1e-6)


def contents(module: nn.Module, **changes: Any) -> dict[str, Any]:
    """What their `save_adapter` puts into the file; a change to `...` leaves a key out."""
    values = {
        "token_projection_module": module.state_dict(),
        "adapter_type": "token_projection",
        "use_last_n_layers": 1,
        "selected_layers": None,
        "anchor_dim": H,
        "hidden_size": H,
        "default_instruction": DEFAULT,
        **changes,
    }
    return {name: value for name, value in values.items() if value is not ...}


CASES: dict[str, tuple[dict[str, Any], dict[str, Any], list[int]]] = {
    # name: (arguments of the module, what the file says, the blocks read, counted from 0)
    "last layer": ({}, {}, [3]),
    "full width": ({"width": H}, {"selected_layers": [-1]}, [3]),
    "last three": ({"layers": 3}, {"use_last_n_layers": 3}, [1, 2, 3]),
    "chosen": ({"layers": 2}, {"selected_layers": [0, 2]}, [0, 2]),
    "chosen from the end": ({"layers": 2}, {"selected_layers": [-1, -3]}, [3, 1]),
    "one inner": ({}, {"selected_layers": [1]}, [1]),
    "two maps": ({"middle": 40}, {"adapter_type": "mlp", "projection_type": "mlp"}, [3]),
}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "base"
    make_model(overrides={"text_config": {"num_hidden_layers": BLOCKS}}).save_pretrained(folder)
    return folder


def publish(path: Path, module: nn.Module, **changes: Any) -> Path:
    torch.save(contents(module, **changes), path)
    return path


@pytest.mark.parametrize("case", CASES)
def test_tokens_are_those_of_the_authors_module(case: str, base: Path, tmp_path: Path, mixed: Any) -> None:
    arguments, said, blocks = CASES[case]
    theirs = Theirs(**{"width": 24, **arguments}).eval()
    file = publish(tmp_path / "adapter.pt", theirs, **said)
    model = SmartModel.from_pretrained(base, projection=file)
    features = model.family.featurize(mixed, "document")
    inputs = {name: value for name, value in features.items() if name not in READOUT}
    with torch.no_grad():
        states = model.backbone(**inputs, output_hidden_states=True).hidden_states
        expected = theirs([states[block + 1] for block in blocks])[features["token_mask"]]
        actual = model(features)
    torch.testing.assert_close(actual.packed, expected, atol=1e-5, rtol=0)
    plain = SmartModel.from_pretrained(base).encode_document(mixed)
    torch.testing.assert_close(actual.pooled, plain.pooled, atol=1e-6, rtol=0)


@pytest.mark.parametrize("case", ["last layer", "last three", "two maps"])
def test_converted_it_loads_by_itself_or_on_a_base(case: str, base: Path, tmp_path: Path, mixed: Any) -> None:
    arguments, said, _ = CASES[case]
    file = publish(tmp_path / "adapter.pt", Theirs(**{"width": 24, **arguments}), **said)
    expected = SmartModel.from_pretrained(base, projection=file).encode_document(mixed)
    convert_projection(file, tmp_path / "whole", base=str(base))
    convert_projection(tmp_path, tmp_path / "alone")
    assert {path.suffix for path in (tmp_path / "whole").iterdir()} == {".json", ".safetensors"}
    for model in (
        SmartModel.from_pretrained(tmp_path / "whole"),
        SmartModel.from_pretrained(base, projection=tmp_path / "alone"),
    ):
        assert torch.equal(model.encode_document(mixed).packed, expected.packed)


def test_a_projection_without_a_base_says_how_to_load_it(tmp_path: Path) -> None:
    convert_projection(publish(tmp_path / "adapter.pt", Theirs(24)), tmp_path / "alone")
    with pytest.raises(
        ModelError, match="alone: a token projection that names no base; load the base with projection="
    ):
        SmartModel.from_pretrained(tmp_path / "alone")


def test_half_precision_weights_are_read_as_they_are(tmp_path: Path) -> None:
    theirs = Theirs(24).bfloat16()
    projection = convert_projection(publish(tmp_path / "adapter.pt", theirs), tmp_path / "converted").projection
    assert projection.linear.weight.dtype == torch.float32
    assert torch.equal(projection.linear.weight.bfloat16(), theirs.proj[1].weight)


def test_another_instruction_than_the_familys_comes_along(base: Path, tmp_path: Path) -> None:
    usual = publish(tmp_path / "usual.pt", Theirs(24))
    other = publish(tmp_path / "other.pt", Theirs(24), default_instruction="Describe it.")
    convert_projection(other, tmp_path / "converted", base=str(base))
    for model in (
        SmartModel.from_pretrained(base, projection=other),
        SmartModel.from_pretrained(tmp_path / "converted"),
    ):
        assert model.family.prompts == PromptConfig(document_instruction="Describe it.")
    assert SmartModel.from_pretrained(base, projection=usual).family.prompts == PromptConfig()
    own = SmartModel.from_pretrained(base, projection=other, prompts=PromptConfig(document_instruction="Mine."))
    assert own.family.prompts.document_instruction == "Mine."


class Payload:
    """Unpickled by plain pickle, it makes a folder."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.target),)


def test_code_in_the_file_is_refused_and_not_run(base: Path, tmp_path: Path) -> None:
    target = tmp_path / "made by the file"
    file = publish(tmp_path / "adapter.pt", Theirs(24), extra=Payload(target))
    for load in (
        lambda: SmartModel.from_pretrained(base, projection=file),
        lambda: convert_projection(file, tmp_path / "converted"),
    ):
        with pytest.raises(
            ModelError, match=r"adapter.pt: holds more than tensors .*it asks for posix.mkdir.* run code"
        ):
            load()
    assert not target.exists() and not (tmp_path / "converted").exists()
    with zipfile.ZipFile(file) as archive:
        content = archive.read("adapter/data.pkl")
    assert b"mkdir" in content, "the file does hold what was refused"


def test_a_whole_pickled_module_is_refused(tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 2), tmp_path / "adapter.pt")
    with pytest.raises(ModelError, match=r"it asks for torch.nn.modules.linear.Linear"):
        convert_projection(tmp_path / "adapter.pt", tmp_path / "converted")


def weights(**changes: Any) -> dict[str, Any]:
    values = {**Theirs(24).state_dict(), **{name.replace("__", "."): value for name, value in changes.items()}}
    return {"token_projection_module": {name: value for name, value in values.items() if value is not ...}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (weights(proj__1__weight=...), r"not a token projection: missing \['proj.1.weight'\], unexpected \[\]"),
        (weights(proj__7__weight=torch.ones(2)), r"missing \[\], unexpected \['proj.7.weight'\]"),
        (weights(**{"self_attn_layers.0.in_proj_weight": torch.ones(2)}), "attention between tokens is not"),
        (weights(proj__1__weight=torch.ones(24)), "the weights are not a token projection"),
        (weights(proj__1__weight=torch.ones(24, 95)), "the weights are not a token projection: .*size mismatch"),
        (weights(proj__1__weight=torch.ones(97, H)), "projection.dim 97 must lie between 1 and .* hidden size 96"),
        (weights(proj__0__weight=torch.full((H,), float("nan"))), "the weights hold NaN or infinity"),
        (weights(proj__0__bias=3), "needs 'token_projection_module' with tensors"),
        ({"token_projection_module": ...}, "needs 'token_projection_module' with tensors; holds adapter_type"),
        ({"use_last_n_layers": 2}, r"2 layer\(s\) without layer_weight_vectors"),
        (weights(layer_weight_vectors=torch.ones(1, H)), r"1 layer\(s\) with layer_weight_vectors"),
        ({"use_last_n_layers": 0}, "use_last_n_layers 0 must be a whole number of at least 1"),
        ({"selected_layers": "last"}, "selected_layers 'last' must be a list of whole numbers"),
        ({"selected_layers": []}, r"projection.layers \[\] must name at least one layer"),
        ({"hidden_size": 64}, "says hidden_size 64, but its weights have 96"),
    ],
)
def test_a_file_that_is_no_projection_says_what_is_wrong(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    file = publish(tmp_path / "adapter.pt", Theirs(24), **changes)
    with pytest.raises(ModelError, match=message) as caught:
        convert_projection(file, tmp_path / "converted")
    assert str(caught.value).startswith(f"{file}: ")
    assert not (tmp_path / "converted").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a file that torch.save wrote, or an incomplete one"),
        (b"some text", "not a file that torch.save wrote, or an incomplete one"),
        (pickle.dumps({"a": 1}), "not a file that torch.save wrote, or an incomplete one"),
        ("zip", "cannot be read as a file of torch.save"),
        ("list", "needs 'token_projection_module' with tensors; holds list"),
        ("half", "not a file that torch.save wrote, or an incomplete one"),
    ],
)
def test_another_kind_of_file_is_named(content: Any, message: str, tmp_path: Path) -> None:
    file = tmp_path / "adapter.pt"
    if content == "zip":
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("readme.txt", "no weights")
    elif content == "list":
        torch.save([1, 2], file)
    elif content == "half":
        whole = publish(file, Theirs(24)).read_bytes()
        file.write_bytes(whole[: len(whole) // 2])
    else:
        file.write_bytes(content)
    with pytest.raises(ModelError, match=message):
        convert_projection(file, tmp_path / "converted")


def test_the_base_is_checked_before_anything_is_written(base: Path, tmp_path: Path) -> None:
    file = publish(tmp_path / "adapter.pt", Theirs(24, layers=2), selected_layers=[0, 7])
    with pytest.raises(ModelError, match=rf"{file}: projection.layers 8 is out of range"):
        convert_projection(file, tmp_path / "converted", base=str(base))
    narrow = tmp_path / "narrow"
    make_model(
        overrides={"text_config": {"hidden_size": 64}, "vision_config": {"out_hidden_size": 64}}
    ).save_pretrained(narrow)
    with pytest.raises(ModelError, match="trained on hidden size 96, the backbone has 64"):
        convert_projection(publish(file, Theirs(24)), tmp_path / "converted", base=str(narrow))
    convert_projection(file, tmp_path / "first", base=str(base))
    with pytest.raises(ExportError, match=f"first: is an adapter or projection of {base}; name a whole model"):
        convert_projection(file, tmp_path / "converted", base=str(tmp_path / "first"))
    with pytest.raises(ExportError, match="holds files that are not an export"):
        convert_projection(file, tmp_path / "narrow")
    assert not (tmp_path / "converted").exists()


def test_a_path_without_a_projection_is_named(base: Path, tmp_path: Path) -> None:
    with pytest.raises(
        ModelError,
        match=f"{tmp_path}: is an empty folder, without a token projection: neither projection_config.json nor adapter",
    ):
        SmartModel.from_pretrained(base, projection=tmp_path)
    with pytest.raises(ModelError, match="nowhere.pt: no such file"):
        SmartModel.from_pretrained(base, projection=tmp_path / "nowhere.pt")
