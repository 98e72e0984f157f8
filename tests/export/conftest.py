"""Trained models as runs leave them: full weights, adapters of several kinds, a projection; each far from its base."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image, ImageDraw

from smart_train import SmartModel
from smart_train.models import TokenProjection
from smart_train.models.peft import add_lora
from smart_train.recipe import load_recipe
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
    model.backbone = add_lora(model.backbone, model.family, **{**LORA, **options})
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


@pytest.fixture(scope="session")
def half_base(tmp_path_factory):
    """A base as most are published: in bfloat16."""
    folder = tmp_path_factory.mktemp("models") / "half"
    model = make_model()
    model.backbone.to(torch.bfloat16)
    model.save_pretrained(folder)
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


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    """`recipe(model, *overrides)`: a step of LoRA on four pages, large enough to be seen in scores.

    Without warm-up, whose first step moves nothing: an adapter that was lost on the way would score like the trained
    one, and equal files are not sent to a Hub twice.
    """
    monkeypatch.chdir(tmp_path)
    rows = []
    for colour in ("red", "green", "blue", "black"):
        page = Image.new("RGB", (64, 64), "white")
        ImageDraw.Draw(page).rectangle((8, 8, 40, 40), fill=colour)
        page.save(tmp_path / f"{colour}.png")
        rows.append(json.dumps({"query": f"the {colour} page", "positive": {"image": f"{colour}.png"}}))
    Path("rows.jsonl").write_text("\n".join(rows))

    def load(model, *overrides):
        Path("mine.yaml").write_text(
            f"model: {{name_or_path: {model}}}\n"
            "data: {train: {path: rows.jsonl}, evaluation: {path: rows.jsonl}}\n"
            "lora: {r: 4, alpha: 8}\n"
            "training: {output_dir: runs/mine, per_device_train_batch_size: 4, max_steps: 1, warmup_steps: 0, "
            "learning_rate: 0.01, report_to: none, "
            "disable_tqdm: true, use_cpu: true, dataloader_num_workers: 0}\n"
        )
        return load_recipe(Path("mine.yaml"), overrides)

    return load
