"""The retrieval tasks of MMEB-V2 that mteb has none of, as tasks of mteb: images, videos, and visual documents out of
domain. They are read from the folders that VLM2Vec's evaluation reads.

Sources, all in github.com/TIGER-AI-Lab/VLM2Vec: which tasks, and whether a query ranks its own candidates or those of
all, from experiments/public/eval/*.yaml; data sets from src/constant/dataset_hf_path.py; columns, instructions and
names of candidates from src/data/eval_dataset/; where pictures and frames lie from experiments/public/data/
download_data.sh; frames from src/utils/vision_utils/vision_utils.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from smart_train.errors import DataError

if TYPE_CHECKING:
    from datasets import Dataset

PREFIX = "MMEB-V2-"
MEDIA = "TIGER-Lab/MMEB-V2"
_PLACEHOLDER = "<|image_1|>"
_IMAGE_ROWS = "ziyjiang/MMEB_Test_Instruct"
_WATCH = "Understand the content of the provided video."
_FIND_PAGE = "Find a document image that matches the given query:"
_READ_PAGE = "Understand the content of the provided document image."
_FRAMES = 8  # of each video
_PICTURES = (".jpg", ".jpeg", ".png")
_SHOWN = 3


@dataclass(frozen=True)
class ImageTask:
    """Queries that each rank candidates of their own, of which the first is the right one. `category`: mteb's."""

    category: str

    dataset = _IMAGE_ROWS
    split = "test"
    metric = "recall_at_1"  # the hit rate at 1, as a query has one right candidate


@dataclass(frozen=True)
class VideoTask:
    """Captions, each of which ranks all videos.

    Args:
        config: of the data set, where it has several. name: the column of the video's name or path. caption: the column
            of its text, or of a list of texts whose first one asks.
        may_lack: whether VLM2Vec leaves rows out whose frames are not there.
    """

    dataset: str
    config: str | None
    name: str
    caption: str
    instruction: str
    split: str = "test"
    may_lack: bool = False

    category = "t2v"
    metric = "recall_at_1"


@dataclass(frozen=True)
class DocumentTask:
    """Questions, each of which ranks all pages."""

    dataset: str

    split = "test"
    category = "t2i"
    metric = "ndcg_at_5"


IMAGE_TASKS = {
    "VisDial": ImageTask("t2it"),
    "CIRR": ImageTask("it2it"),
    "VisualNews_t2i": ImageTask("t2it"),
    "VisualNews_i2t": ImageTask("it2t"),
    "MSCOCO_t2i": ImageTask("t2it"),
    "MSCOCO_i2t": ImageTask("it2t"),
    "NIGHTS": ImageTask("it2it"),
    "WebQA": ImageTask("t2it"),
    "FashionIQ": ImageTask("it2it"),
    "Wiki-SS-NQ": ImageTask("t2it"),
    "OVEN": ImageTask("it2it"),
    "EDIS": ImageTask("t2it"),
}
VIDEO_TASKS = {
    "MSR-VTT": VideoTask(
        "VLM2Vec/MSR-VTT",
        "test_1k",
        "video_id",
        "caption",
        "Find a video that contains the following visual content:",
    ),
    "MSVD": VideoTask(
        "VLM2Vec/MSVD",
        None,
        "video_id",
        "caption",
        "Find the video snippet that corresponds to the given summary:",
        may_lack=True,
    ),
    "DiDeMo": VideoTask(
        "VLM2Vec/DiDeMo", None, "video", "caption", "Find a video that includes the following described scenes:"
    ),
    "YouCook2": VideoTask(
        "lmms-lab/YouCook2",
        None,
        "id",
        "sentence",
        "Find a video that demonstrates the following action while making a recipe:",
        split="val",
        may_lack=True,
    ),
    "VATEX": VideoTask("VLM2Vec/VATEX", None, "videoID", "enCap", "Select a video that fits the description provided:"),
}
DOCUMENT_TASKS = {
    "ViDoSeek-page": DocumentTask("VLM2Vec/ViDoSeek-page-fixed"),
    "ViDoSeek-doc": DocumentTask("VLM2Vec/ViDoSeek"),
    "MMLongBench-page": DocumentTask("VLM2Vec/MMLongBench-page-fixed"),
    "MMLongBench-doc": DocumentTask("VLM2Vec/MMLongBench-doc"),
}
Task = ImageTask | VideoTask | DocumentTask
TASKS: dict[str, Task] = {
    PREFIX + name: task for tasks in (IMAGE_TASKS, VIDEO_TASKS, DOCUMENT_TASKS) for name, task in tasks.items()
}


def mmeb_task(name: str) -> Any:
    """The task `name` of `TASKS` as mteb's `AbsTaskRetrieval`. mteb must be installed."""
    from mteb.abstasks.task_metadata import TaskMetadata

    task = TASKS[name]
    letters = set(task.category) - {"2"}
    metadata = TaskMetadata(
        name=name,
        description=f"{name.removeprefix(PREFIX)} of MMEB-V2, as VLM2Vec evaluates it.",
        reference="https://huggingface.co/datasets/TIGER-Lab/MMEB-V2",
        dataset={"path": task.dataset, "revision": "main"},
        type="Any2AnyRetrieval",
        category=task.category,
        modalities=[word for letter, word in (("t", "text"), ("i", "image"), ("v", "video")) if letter in letters],
        eval_splits=[task.split],
        eval_langs=["eng-Latn"],
        main_score=task.metric,
    )
    return _kind(metadata)()


@cache
def _base() -> type:
    from mteb.abstasks import AbsTaskRetrieval

    class MmebTask(AbsTaskRetrieval):
        """Reads its rows and media when mteb asks for them."""

        notes: Sequence[str] = ()

        def load_data(self, num_proc: int | None = None, **_: Any) -> None:
            task = TASKS[self.metadata.name]
            folder = Path(self.metadata.dataset["path"])
            if not folder.is_absolute():  # a local copy is, see `local_data.load_task`
                raise DataError(f"its rows are read from DATA/{task.dataset} below --data alone, which is not there")
            media = folder.parents[1] / MEDIA
            name = self.metadata.name.removeprefix(PREFIX)
            if isinstance(task, ImageTask):
                self.dataset, self.notes = _image_rows(folder, name, media), ()
            elif isinstance(task, VideoTask):
                self.dataset, self.notes = _video_rows(folder, name, media, task)
            else:
                self.dataset, self.notes = _document_rows(folder), ()
            self.data_loaded = True

    return MmebTask


def _kind(metadata: Any) -> type:
    # mteb reads a task's metadata from its class.
    return type(re.sub(r"\W", "", metadata.name), (_base(),), {"metadata": metadata})


def _image_rows(folder: Path, name: str, media: Path) -> dict[str, Any]:
    root = _image_root(media)
    queries: dict[str, list[Any]] = {"id": [], "text": [], "image": [], "model_instruction": []}
    corpus: dict[str, list[Any]] = {"id": [], "text": [], "image": [], "model_instruction": []}
    relevant, ranked, seen_ids = {}, {}, set()
    for at, row in enumerate(_load(folder, name, "test")):
        query = f"q{at}"
        _add(queries, query, row["qry_text"], _path(root, row.get("qry_img_path")), row.get("qry_inst"))
        texts, paths = list(row["tgt_text"] or ()), list(row.get("tgt_img_path") or ())
        count = max(len(texts), len(paths))
        texts, paths = texts or [""] * count, paths or [""] * count
        if not count or len(texts) != len(paths):
            raise DataError(f"{name}, row {at}: has {len(texts)} texts and {len(paths)} pictures of candidates")
        # What makes two candidates one: the text of a text, the path of a picture, both where it has a text, too.
        names = [
            ":".join(part for part in (path, text.strip()) if part) for path, text in zip(paths, texts, strict=True)
        ]
        for identity, path, text in zip(names, paths, texts, strict=True):
            if identity not in seen_ids:
                seen_ids.add(identity)
                _add(corpus, identity, text, _path(root, path), row.get("tgt_inst") if path else None)
        relevant[query], ranked[query] = {names[0]: 1}, list(dict.fromkeys(names))
    _check_files(name, [path for side in (queries, corpus) for path in side["image"] if path])
    return _split(_with_images(queries), _with_images(corpus), relevant, ranked, "test")


def _video_rows(folder: Path, name: str, media: Path, task: VideoTask) -> tuple[dict[str, Any], list[str]]:
    root = media / "video-tasks" / "frames" / "video_ret" / name
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; unpack video-tasks/frames/video_ret.tar.gz of {MEDIA} into it")
    queries: dict[str, list[Any]] = {"id": [], "text": [], "model_instruction": []}
    corpus: dict[str, list[Any]] = {"id": [], "video": [], "model_instruction": []}
    relevant, seen_videos, lacking = {}, set(), []
    for at, row in enumerate(_load(folder, task.config, task.split)):
        video = Path(str(row[task.name])).stem if task.name == "video" else str(row[task.name])
        frames = _frames(root / video)
        if not frames:
            lacking.append(video)
            continue
        caption = row[task.caption]
        query = f"q{at}"
        queries["id"].append(query)
        queries["text"].append(caption if isinstance(caption, str) else caption[0])
        queries["model_instruction"].append(task.instruction)
        if video not in seen_videos:
            seen_videos.add(video)
            corpus["id"].append(video)
            corpus["video"].append(frames)
            corpus["model_instruction"].append(_WATCH)
        relevant[query] = {video: 1}
    notes = []
    if lacking:
        shown = ", ".join(lacking[:_SHOWN])
        told = f"{len(lacking)} of {len(lacking) + len(relevant)} rows name videos without frames in {root} ({shown})"
        if not task.may_lack or not relevant:
            raise DataError(f"{told}; unpack video_ret.tar.gz of {MEDIA} again")
        notes.append(f"{PREFIX}{name}: {told}; they are left out, as VLM2Vec's evaluation does it")
    import datasets

    made = datasets.Dataset.from_dict
    return _split(made(queries), made(corpus), relevant, None, task.split), notes


def _document_rows(folder: Path) -> dict[str, Any]:
    import datasets

    queries = _load(folder, "queries", "test").rename_columns({"query-id": "id", "query": "text"})
    corpus = _load(folder, "corpus", "test").rename_column("corpus-id", "id")
    relevant: dict[str, dict[str, int]] = {}
    for row in _load(folder, "qrels", "test"):
        relevant.setdefault(str(row["query-id"]), {})[str(row["corpus-id"])] = int(row["score"])
    named = datasets.Value("string")  # they may be numbers
    asked, pages = (
        side.cast_column("id", named).add_column("model_instruction", [instruction] * len(side))
        for side, instruction in ((queries, _FIND_PAGE), (corpus, _READ_PAGE))
    )
    return _split(asked, pages, relevant, None, "test")


def _split(queries: Dataset, corpus: Dataset, relevant: Any, ranked: Any, split: str) -> dict[str, Any]:
    return {"default": {split: {"queries": queries, "corpus": corpus, "relevant_docs": relevant, "top_ranked": ranked}}}


def _load(folder: Path, config: str | None, split: str) -> Dataset:
    import datasets

    return datasets.load_dataset(str(folder), config, split=split)


def _image_root(media: Path) -> Path:
    """Where the pictures lie: the archive holds them in MMEB/, from which VLM2Vec's script moves them up."""
    folder = media / "image-tasks"
    inner = folder / "MMEB"
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; unpack image-tasks/mmeb_v1.tar.gz of {MEDIA} into it")
    return inner if inner.is_dir() else folder


def _path(root: Path, name: str | None) -> str | None:
    return str(root / name) if name else None


def _add(side: Mapping[str, list[Any]], identity: str, text: str, image: str | None, instruction: str | None) -> None:
    side["id"].append(identity)
    side["text"].append(text.strip() or None)
    side["image"].append(image)
    side["model_instruction"].append((instruction or "").replace(_PLACEHOLDER, "").strip() or None)


def _with_images(side: Mapping[str, list[Any]]) -> Dataset:
    import datasets

    columns = {name: values for name, values in side.items() if name == "id" or any(v is not None for v in values)}
    made = datasets.Dataset.from_dict(columns)
    return made.cast_column("image", datasets.Image(decode=False)) if "image" in columns else made


def _check_files(name: str, paths: Sequence[str]) -> None:
    lacking = [path for path in dict.fromkeys(paths) if not Path(path).is_file()]
    if lacking:
        raise DataError(
            f"{len(lacking)} pictures of {name} are not there, such as {lacking[0]}; unpack image-tasks/mmeb_v1.tar.gz "
            f"of {MEDIA} again"
        )


def _frames(folder: Path) -> list[str]:
    """The frames of a video that are read: 8 at equal distances, of those that lie in its folder, by the numbers in
    their names. Fewer than 8 are all read."""
    files = [file for file in folder.iterdir() if file.suffix.lower() in _PICTURES] if folder.is_dir() else []
    files.sort(
        key=lambda file: [int(part) if part.isdigit() else part.lower() for part in re.split(r"(\d+)", file.name)]
    )
    if len(files) > _FRAMES:
        files = [files[place] for place in np.linspace(0, len(files) - 1, _FRAMES, dtype=int)]
    return [str(file) for file in files]
