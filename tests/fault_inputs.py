"""What the commands of `tests.fault_sweep` read and what they are to find, made once in the process that forks them: a
text model, rows, a trained run, PDF files, two published tasks, a Hub."""

from __future__ import annotations

import functools
import json
import os
import random
import sys
import threading
from pathlib import Path

from tests.faults import run_child
from tests.hub.server import WRITER, Hub


@functools.cache
def inputs() -> Path:
    """What the commands read, made once: a text model of two layers, rows, a trained run, PDF files, an index."""
    from smart_train import SmartModel
    from tests.models.text_folders import WORDS, encoder_folder
    from tests.pairs.conftest import write_manual

    folder = Path(os.environ["FAULTS_INPUTS"])
    model = SmartModel.from_config(encoder_folder(folder / "config"), family="text_encoder", init_std=0.2)
    model.save_pretrained(folder / "model")
    drawn = random.Random(0)
    rows = []
    for number in range(12):
        query, page = (" ".join(drawn.choices(WORDS[:12], k=count)) for count in (4, 9))
        rows.append({"query": query, "positive": f"{page} {number}"})
    lines = [json.dumps({**row, "document_id": f"d{number}"}) + "\n" for number, row in enumerate(rows)]
    (folder / "rows.jsonl").write_text("".join(lines))
    (folder / "fewer.jsonl").write_text("".join(lines[:8]))
    for name in ("alpha", "beta"):
        write_manual(folder / "pdf" / f"{name}.pdf", name)
    return folder


def write_published() -> None:
    """Two small tasks of mteb, as if they had been downloaded."""
    from tests.evaluation.suites.layouts import beir

    data = inputs() / "published"
    if not data.is_dir():
        rows = [json.loads(line) for line in (inputs() / "rows.jsonl").read_text().splitlines()[:6]]
        queries = {f"q{at}": row["query"] for at, row in enumerate(rows)}
        documents = {row["document_id"]: row["positive"] for row in rows}
        judged = [(f"q{at}", row["document_id"], 1) for at, row in enumerate(rows)]
        for name in ("scifact", "nfcorpus"):
            beir(data / "mteb" / name, queries, documents, judged)


def recipe(area: Path) -> Path:
    training = {"output_dir": str(area / "run"), "use_cpu": True, "per_device_train_batch_size": 4, "max_steps": 2,
                "save_strategy": "steps", "save_steps": 1, "save_total_limit": 1, "logging_steps": 1}  # fmt: skip
    rows = str(inputs() / "rows.jsonl")
    values = {
        "model": {"name_or_path": str(inputs() / "model")},
        "data": {"train": {"path": rows}, "evaluation": {"path": rows}},
        "lora": {"r": 2, "alpha": 4},
        "training": training,
        "evaluation": {"before": False},
        "export": {"enabled": False},
    }
    path = area.with_name(f"{area.name}.yaml")  # beside: a recipe is not something that the command writes
    path.write_text(json.dumps(values))
    return path


@functools.cache
def trained() -> Path:
    """A run, and an export of it in another type than its recipe's, which is there before."""
    area = inputs() / "trained"
    area.mkdir()
    said("train", recipe(area))
    said("export", area / "run", "--dtype", "bfloat16")
    return area


def said(*arguments: object) -> None:
    """`smart-train ARGUMENTS` in a child."""
    from smart_train.cli import main

    def act() -> None:
        sys.argv = ["smart-train", *map(str, arguments)]
        main()

    status = run_child(act, inputs() / "log")
    assert status == 0, (inputs() / "log").read_text()


@functools.cache
def hub() -> Hub:
    """A Hub in a thread of the process that forks, and this process's client pointed at it."""
    from huggingface_hub import constants

    import smart_train.export.hub
    import smart_train.utils.hub_retries

    running = Hub()
    threading.Thread(target=running._server.serve_forever, daemon=True).start()
    constants.ENDPOINT = running.url
    constants.HUGGINGFACE_CO_URL_TEMPLATE = running.url + "/{repo_id}/resolve/{revision}/{filename}"
    constants.HF_HUB_OFFLINE, constants.HF_HUB_DISABLE_XET = False, True
    os.environ["HF_TOKEN"] = WRITER
    smart_train.utils.hub_retries.PAUSES = (0.0,)
    smart_train.export.hub.verify_folder = lambda folder: []  # it writes nothing, and takes longer than all the rest
    return running


def digests(folder: Path, pattern: str = "*") -> dict[str, str] | None:
    """Name -> digest of the files below `folder`, None where there is no such folder."""
    from smart_train.utils.hashing import sha256

    if not folder.is_dir():
        return None
    files = sorted(path for path in folder.rglob(pattern) if path.is_file())
    return {path.relative_to(folder).as_posix(): sha256(path) for path in files}
