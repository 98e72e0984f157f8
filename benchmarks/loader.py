"""Pages from disk to the tensors of a forward.

    python -m benchmarks.loader            # CPU, one core: about two minutes
    python -m benchmarks.loader --write    # the same, into docs/benchmarks.md

Expect: a worker needs as long for a page as the authors' forward, but beside the step; the training process itself,
which in their form waits for all of it, only receives tensors. A cache of resized pages is worth most where the model
sees pages much smaller than they lie on disk. Measured is CPU time, since other programs hardly move it: that of the
training process, and of one worker. The authors' form is restated: images are opened and handed to the processor
inside the forward, in the training process. The step itself, of a model smaller than any that reads pages, is there to
compare: a worker that makes more pages a second than the step takes keeps ahead of it.
"""

from __future__ import annotations

import random
import statistics
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageDraw
from torch.utils.data import DataLoader

from benchmarks._harness import Report, arguments, interleaved, ratio
from benchmarks.train_step import layers, step
from smart_train import SmartModel
from smart_train.data import PageCache, PairCollator
from smart_train.losses import ContrastiveObjective
from smart_train.models import Family, PromptConfig, get_family
from smart_train.models.peft import add_lora
from smart_train.scoring import ScoringConfig
from smart_train.training import TrainingModule
from smart_train.types import Example, ModelInput

FOLDER = Path(__file__).parents[1] / "data" / "tiny-qwen3-vl"
PAGES, BATCH = 16, 4
DISK = (1190, 1684)  # A4 at 144 dpi
MAX_PIXELS = {"1.8 million pixels (the family's default)": 1_843_200, "0.4 million pixels": 409_600}
STEP = "(the step itself: LoRA, 6 layers of 256)"
IN_FORWARD = "training process, in the forward as the authors"


def draw(path: Path, seed: int) -> None:
    """A page of text, in lines of words, with a picture of noise: neither trivial to decode nor as hard as a photo."""
    rng = random.Random(seed)
    page = Image.new("RGB", DISK, "white")
    pen = ImageDraw.Draw(page)
    for line in range(70):
        words = ("".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(2, 10))) for _ in range(16))
        pen.text((80, 80 + 22 * line), " ".join(words), fill="black")
    noise = Image.frombytes("RGB", (400, 300), rng.randbytes(400 * 300 * 3))
    page.paste(noise, (rng.randint(80, 700), rng.randint(100, 1300)))
    page.save(path, compress_level=6)


def rows(folder: Path) -> list[Example]:
    made = []
    for number in range(PAGES):
        path = folder / f"{number}.png"
        draw(path, number)
        query = ModelInput(f"which page of the ten shows the number {number}")
        made.append(Example(query, (ModelInput(images=(path,)),), f"q{number}", (f"d{number}",), "drawn", number))
    return made


def in_forward(family: Family, examples: Sequence[Example]) -> None:
    """What a step waits for when the model's forward opens the images itself."""
    for start in range(0, PAGES, BATCH):
        batch = examples[start : start + BATCH]
        family.featurize([example.query for example in batch], "query")
        family.featurize([example.documents[0] for example in batch], "document")


def receive(loader: DataLoader) -> None:
    """What is left to the training process when a worker does the rest."""
    for _ in loader:
        pass


def collate(collator: PairCollator, examples: Sequence[Example]) -> None:
    """A worker's share, done here so that its CPU time can be read."""
    for start in range(0, PAGES, BATCH):
        collator(examples[start : start + BATCH])


def measure_speed(report: Report, folder: Path, rounds: int) -> None:
    examples = rows(folder)
    for name, pixels in MAX_PIXELS.items():
        prompts = PromptConfig(max_pixels=pixels)
        family = get_family("qwen3_vl_embedding")(str(FOLDER), scoring=ScoringConfig(), prompts=prompts)
        cached = PairCollator(family, cache=PageCache(folder / f"cache-{pixels}", family))
        loader = DataLoader(
            examples, batch_size=BATCH, num_workers=1, persistent_workers=True, collate_fn=PairCollator(family)
        )
        runs = {
            IN_FORWARD: partial(in_forward, family, examples),
            "training process, a worker beside it": partial(receive, loader),
            "a worker": partial(collate, PairCollator(family), examples),
            "a worker, pages cached": partial(collate, cached, examples),
            STEP: training_steps(family, examples),
        }
        seconds = interleaved(runs, rounds, "cpu", threads=1)
        report.table(
            f"{name}: pages of {DISK[0]} x {DISK[1]}, batches of {BATCH}",
            ["where", "pages per CPU second", "times the authors'"],
            [
                [
                    variant,
                    f"{PAGES / statistics.median(values):.1f}",
                    f"{1 / ratio(seconds, variant, IN_FORWARD):.2f}" if variant != STEP else "",
                ]
                for variant, values in seconds.items()
            ],
        )


def train(module: TrainingModule, batches: Sequence[dict[str, Any]]) -> None:
    """What the loader has to keep ahead of."""
    for batch in batches:
        step(module, batch)


def training_steps(family: Family, examples: Sequence[Example]) -> partial[None]:
    """Steps on batches that are there already, with a model smaller than any that reads pages."""
    model = SmartModel.from_config(FOLDER, init_std=0.05, overrides=layers(6, 256))
    model.backbone = add_lora(model.backbone, model.family, r=16, alpha=32, dropout=0.05)
    temperatures = dict.fromkeys(("pooled", "late"), 0.05)
    objective = ContrastiveObjective("joint", scoring=ScoringConfig(), temperatures=temperatures)
    module = TrainingModule(model, objective).train()
    collator = PairCollator(family)
    batches = [collator(examples[start : start + BATCH]) for start in range(0, PAGES, BATCH)]
    return partial(train, module, batches)


def main() -> None:
    options = arguments(__doc__ or "")
    torch.set_num_threads(1)
    report = Report("loader", "Loading pages", options)
    with tempfile.TemporaryDirectory() as folder:
        measure_speed(report, Path(folder), options.rounds)
    report.finish()


if __name__ == "__main__":
    main()
