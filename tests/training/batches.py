"""Small batches of text and noise pages, and the models that train on them."""

from __future__ import annotations

import torch
from PIL import Image

from smart_train import ScoringConfig, SmartModel
from smart_train.data import PairCollator
from smart_train.losses import ContrastiveObjective, Distillation, PositiveAware, SelfDistillation
from smart_train.models import TokenProjection
from smart_train.models.peft import add_lora
from smart_train.training import GradientCaching, TrainingModule
from smart_train.types import Example, ModelInput
from tests.models.conftest import TINY

# TrainingArguments of two steps of plain descent, whose weights show the gradients.
TWO_PLAIN_STEPS = {
    "max_steps": 2,
    "optim": "sgd",
    "learning_rate": 0.1,
    "max_grad_norm": 0.0,
    "use_cpu": True,
    "remove_unused_columns": False,
    "report_to": "none",
    "save_strategy": "no",
    "disable_tqdm": True,
    "dataloader_pin_memory": False,
}
# TrainingArguments of small runs whose checkpoints and log are looked at.
SMALL_RUN = {
    "use_cpu": True,
    "remove_unused_columns": False,
    "report_to": "none",
    "dataloader_pin_memory": False,
    "per_device_train_batch_size": 3,
}
SIZES = [(96, 64), (64, 64), (128, 64)]
WORDS = ["revenue", "growth of the second quarter", "map", "who signed the annex and when did they sign it"]


def noise(index: int) -> Image.Image:
    """A page on which no two patches are alike, so that no token ties with another."""
    generator = torch.Generator().manual_seed(index)
    width, height = SIZES[index % len(SIZES)]
    pixels = torch.randint(0, 256, (height, width, 3), dtype=torch.uint8, generator=generator)
    return Image.fromarray(pixels.numpy())


def document(index: int) -> ModelInput:
    """Every third one text alone, every third an image, every third both; one in seven has two images."""
    text = f"{WORDS[index % len(WORDS)]} {index}"
    if index % 3 == 0:
        return ModelInput(text)
    images = (noise(index), noise(index + 100)) if index % 7 == 4 else (noise(index),)
    return ModelInput(text if index % 3 == 1 else None, images)


def example(index: int, negatives: int = 0) -> Example:
    places = [index, *(1000 + 10 * index + k for k in range(negatives))]
    return Example(
        query=ModelInput(f"{WORDS[(index + 1) % len(WORDS)]} {index}?"),
        documents=tuple(document(place) for place in places),
        query_id=f"q{index}",
        document_ids=tuple(f"d{place}" for place in places),
        source="made",
        row=index,
        scores=tuple(0.9 - 0.3 * ((7 * place) % 5) / 5 for place in places) if negatives else (),
    )


def batch(model: SmartModel, rows: int, negatives: int = 0) -> dict:
    collator = PairCollator(model.family, negatives_per_query=negatives)
    return collator([example(index, negatives) for index in range(rows)])


def tiny(mode: str, *, dropout: float = 0.0) -> SmartModel:
    """The tiny Qwen3-VL, open to training by `mode`; `dropout` is LoRA's own, or that of the attention."""
    attention = 0.0 if mode == "lora" else dropout
    model = SmartModel.from_config(TINY, init_std=0.05, overrides={"text_config": {"attention_dropout": attention}})
    if mode == "lora":
        model.backbone = add_lora(model.backbone, model.family, r=4, alpha=8, dropout=dropout)
        generator = torch.Generator().manual_seed(1)
        for name, parameter in model.named_parameters():
            if "lora_B" in name:  # zero at first, where the other half would get no gradient
                parameter.data.normal_(0, 0.1, generator=generator)
    elif mode == "projection":
        model.freeze_backbone()
        model.projection = TokenProjection(model.hidden_size, 16)
        model.projection.reset(0)
    return model


def training_module(
    model: SmartModel,
    objective: str,
    *,
    caching: GradientCaching | None = None,
    learn_temperature: bool = False,
    taught: bool = False,
    self_taught: bool = False,
    products: str = "exact",
) -> TrainingModule:
    """`taught` distils the hybrid score and masks what the teacher scores near the positive: rows need negatives.
    `self_taught` distils the model's own hybrid score, from the second of two steps on in full, and learns how much
    each score counts in it."""
    temperatures = dict.fromkeys(("pooled", "late", "hybrid"), 0.5)
    loss = ContrastiveObjective(
        objective,
        scoring=ScoringConfig(),
        temperatures=temperatures,
        learn_temperature=learn_temperature and not self_taught,
        learn_weights=self_taught,
        positive_aware=PositiveAware(0.9, "teacher") if taught else None,
        distillation=Distillation("hybrid", 0.2, 0.1, margin_weight=0.1) if taught else None,
        self_distillation=SelfDistillation(temperature=0.1, weight=2.0, warmup=0.5) if self_taught else None,
        products=products,
    )
    return TrainingModule(model, loss, caching=caching).train()
