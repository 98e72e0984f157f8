"""Trained models as runs leave them: full weights, adapters of several kinds, a projection; each far from its base."""

import pytest
import torch
from PIL import Image, ImageDraw

from smart_train import SmartModel
from smart_train.models import TokenProjection
from smart_train.models.peft import add_lora
from smart_train.types import Example, ModelInput
from tests.models.conftest import make_model

LORA = {"r": 4, "alpha": 8, "dropout": 0.1}
KINDS = {
    "full": None,
    "lora": {},
    "rslora": {"use_rslora": True},
    "dora": {"use_dora": True},
    "projection": None,
}


def disturb(model, pattern):
    """Moves the parameters whose name holds `pattern` as far as a training run would, and farther."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if pattern in name:
                parameter.add_(torch.randn_like(parameter), alpha=0.1)


def adapt(base, **options):
    """A LoRA on `base` that changes its scores."""
    model = SmartModel.from_pretrained(base)
    model.backbone = add_lora(model.backbone, model.family, **LORA, **options)
    disturb(model, "lora_")
    disturb(model, "magnitude_vector")
    return model.eval()


def project(base):
    model = SmartModel.from_pretrained(base)
    model.freeze_backbone()
    model.projection = TokenProjection(model.hidden_size, 16)
    model.projection.reset(3)
    disturb(model, "projection")
    return model.eval()


@pytest.fixture(scope="session")
def base(tmp_path_factory):
    """A base model on disk that every trained one is made from; read only."""
    folder = tmp_path_factory.mktemp("models") / "base"
    make_model().save_pretrained(folder)
    return folder


@pytest.fixture
def train(base, tmp_path):
    """`train(kind)` leaves a run's `final` folder of that kind, and returns it."""

    def make(kind):
        if kind == "full":
            model = SmartModel.from_pretrained(base)
            disturb(model, "proj")
        elif kind == "projection":
            model = project(base)
        else:
            model = adapt(base, **KINDS[kind])
        model.save_pretrained(tmp_path / "run" / "final")
        return tmp_path / "run" / "final"

    return make


@pytest.fixture(scope="session")
def pages():
    made = []
    for index, size in enumerate([(96, 96), (160, 96)]):
        page = Image.new("RGB", size, "white")
        ImageDraw.Draw(page).rectangle((8, 8, 40 + 8 * index, 40), fill=["red", "green"][index])
        made.append(page)
    return made


@pytest.fixture
def examples(pages):
    return [
        Example(ModelInput(f"the {colour} page"), (ModelInput(None, (page,)),), colour, (colour,), "pages", row)
        for row, (colour, page) in enumerate(zip(("red", "green"), pages, strict=True))
    ]
