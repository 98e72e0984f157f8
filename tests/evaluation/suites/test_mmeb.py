"""MMEB-V2's tasks, on small folders in the layout that VLM2Vec's evaluation reads, against naive scoring."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from smart_train.errors import DataError
from smart_train.types import ModelInput
from tests.evaluation.suites import layouts
from tests.evaluation.suites.conftest import quick

mteb = pytest.importorskip("mteb", reason="needs the extra mteb")

from smart_train.evaluation.suites import MtebModel, RunSettings, choose, mmeb, run_tasks  # noqa: E402
from smart_train.evaluation.suites.local_data import load_task  # noqa: E402

COUNT = 4


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """DATA: two image tasks and two video tasks of four rows each, and a document task."""
    data = tmp_path_factory.mktemp("data")
    media = data / "TIGER-Lab" / "MMEB-V2"
    pictures = media / "image-tasks" / "MMEB" / "set"
    pictures.mkdir(parents=True)
    drawn, words = layouts.pages(COUNT)
    for at, page in enumerate(drawn):
        page.save(pictures / f"{at}.png")
    paths = [f"set/{at}.png" for at in range(COUNT)]
    # Query i is right with picture i, which comes first, and ranks one more.
    found = {
        "qry_inst": ["Find me an everyday image that matches the given caption:"] * COUNT,
        "qry_text": words,
        "qry_img_path": [""] * COUNT,
        "tgt_inst": ["<|image_1|> Represent the given image."] * COUNT,
        "tgt_text": [["", ""]] * COUNT,
        "tgt_img_path": [[paths[at], paths[(at + 1) % COUNT]] for at in range(COUNT)],
    }
    captioned = {
        "qry_inst": ["<|image_1|> Find an image caption describing the given everyday image."] * COUNT,
        "qry_text": [""] * COUNT,
        "qry_img_path": paths,
        "tgt_text": [[words[at], words[(at + 2) % COUNT], words[at]] for at in range(COUNT)],
        "tgt_img_path": [["", "", ""]] * COUNT,
    }
    layouts.write_configs(
        data / "ziyjiang" / "MMEB_Test_Instruct",
        {"MSCOCO_t2i": layouts.rows_of(**found), "MSCOCO_i2t": layouts.rows_of(**captioned)},
    )
    for name, videos in (("MSR-VTT", range(COUNT)), ("MSVD", range(COUNT - 1))):
        for video in videos:
            frames = media / "video-tasks" / "frames" / "video_ret" / name / f"video{video}"
            frames.mkdir(parents=True)
            for frame in range(10):
                drawn[(video + (frame > 5)) % COUNT].save(frames / f"frame_{frame + 1}.png")
    names = [f"video{at}" for at in range(COUNT)]
    rows = layouts.rows_of(video_id=names, video=[f"{name}.mp4" for name in names], caption=words)
    layouts.write_configs(data / "VLM2Vec" / "MSR-VTT", {"test_1k": rows})
    several = layouts.rows_of(video_id=names, caption=[[text, "another"] for text in words])
    layouts.write_configs(data / "VLM2Vec" / "MSVD", {"default": several})
    layouts.vidore(data / "VLM2Vec" / "ViDoSeek", COUNT)
    return data


def test_each_task_is_what_vlm2vec_evaluates(data, page_model, tmp_path):
    names = [mmeb.PREFIX + name for name in ("MSCOCO_t2i", "MSCOCO_i2t", "MSR-VTT", "MSVD", "ViDoSeek-doc")]
    model = MtebModel(page_model, cache=tmp_path / "cache")
    said: list[str] = []
    run = run_tasks(model, quick(choose(names)), RunSettings(tmp_path / "out", data=data), said.append)
    run.check(len(names), data)
    _, words = layouts.pages(COUNT)
    root = data / "TIGER-Lab" / "MMEB-V2"
    pages = [str(root / "image-tasks" / "MMEB" / "set" / f"{at}.png") for at in range(COUNT)]

    def check(task: str, queries: list[ModelInput], documents: list[ModelInput], ranked: list[list[int]]) -> None:
        """The task's figures against those of the rank that the first of the documents `ranked` has for its query."""
        scores = page_model.similarity(page_model.encode_query(queries), page_model.encode_document(documents))
        ranks = [int((scores[at, places] > scores[at, places[0]]).sum()) + 1 for at, places in enumerate(ranked)]
        measured = run.scores[mmeb.PREFIX + task].scores["hybrid"]
        # mteb rounds to five digits.
        assert measured["recall_at_1"] == pytest.approx(ranks.count(1) / len(ranks), abs=1e-5)
        assert measured["mrr_at_10"] == pytest.approx(sum(1 / rank for rank in ranks) / len(ranks), abs=1e-5)

    inst = "Find me an everyday image that matches the given caption:"
    asked = [ModelInput(text=text, instruction=inst) for text in words]
    shown = [ModelInput(images=(page,), instruction="Represent the given image.") for page in pages]
    check("MSCOCO_t2i", asked, shown, [[at, (at + 1) % COUNT] for at in range(COUNT)])
    inst = "Find an image caption describing the given everyday image."
    asked = [ModelInput(images=(page,), instruction=inst) for page in pages]
    check(
        "MSCOCO_i2t", asked, [ModelInput(text=text) for text in words], [[at, (at + 2) % COUNT] for at in range(COUNT)]
    )

    frames = root / "video-tasks" / "frames" / "video_ret"
    for name, count in (("MSR-VTT", COUNT), ("MSVD", COUNT - 1)):
        inst = mmeb.VIDEO_TASKS[name].instruction
        asked = [ModelInput(text=text, instruction=inst) for text in words[:count]]
        # 8 of 10 frames at equal distances; the tenth comes after the ninth, not after the first.
        kept = [str(frames / name / "video{}" / f"frame_{at}.png") for at in (1, 2, 3, 4, 6, 7, 8, 10)]
        watched = "Understand the content of the provided video."
        videos = [
            ModelInput(video=[path.format(video) for path in kept], instruction=watched) for video in range(count)
        ]
        everything = [[at, *(other for other in range(count) if other != at)] for at in range(count)]
        measured = run.scores[mmeb.PREFIX + name]
        check(name, asked, videos, everything)
        assert (measured.queries, measured.documents) == (count, count)
    assert run.scores[names[4]].main_metric == "ndcg_at_5"
    (note,) = (note for note in run.notes if "video3" in note)
    assert note.startswith("MMEB-V2-MSVD: 1 of 4 rows name videos without frames") and "they are left out" in note
    written = json.loads(next((tmp_path / "out" / "results").rglob("MMEB-V2-MSCOCO_t2i.json")).read_text())
    assert written["task_name"] == names[0]
    again = run_tasks(model, quick(choose(names[:1])), RunSettings(tmp_path / "out", data=data), said.append)
    assert "done before" in said[-1] and set(again.scores) == {names[0]}


def test_an_instruction_of_its_own_makes_another_input(data, page_model, tmp_path):
    model = MtebModel(page_model, cache=tmp_path)
    (task,) = choose([f"{mmeb.PREFIX}MSCOCO_t2i"])[0].tasks
    load_task(task, data, tmp_path / "prepared")
    split = task.dataset["default"]["test"]
    rows = model.rows(split["queries"], "query", task.metadata, "default", "test")
    assert rows.inputs([0])[0].instruction == "Find me an everyday image that matches the given caption:"
    other = split["queries"].map(lambda row: {"model_instruction": "Another."})
    assert model.rows(other, "query", task.metadata, "default", "test").key != rows.key
    assert split["top_ranked"]["q1"] == ["set/1.png", "set/2.png"] and split["relevant_docs"]["q1"] == {"set/1.png": 1}


def lack_picture(data: Path) -> None:
    (data / "TIGER-Lab" / "MMEB-V2" / "image-tasks" / "MMEB" / "set" / "2.png").unlink()


def lack_pictures(data: Path) -> None:
    shutil.rmtree(data / "TIGER-Lab" / "MMEB-V2" / "image-tasks")


def lack_frames(data: Path) -> None:
    shutil.rmtree(data / "TIGER-Lab" / "MMEB-V2" / "video-tasks" / "frames" / "video_ret" / "MSR-VTT" / "video1")


def lack_videos(data: Path) -> None:
    shutil.rmtree(data / "TIGER-Lab" / "MMEB-V2" / "video-tasks")


def lack_rows(data: Path) -> None:
    shutil.rmtree(data / "VLM2Vec" / "MSR-VTT")


@pytest.mark.parametrize(
    ("name", "broken", "message"),
    [
        ("MSCOCO_t2i", lack_picture, r"1 pictures of MSCOCO_t2i are not there, such as .*2.png; unpack .*mmeb_v1.tar"),
        ("MSCOCO_t2i", lack_pictures, r"image-tasks: no such folder; unpack image-tasks/mmeb_v1.tar.gz of TIGER-Lab"),
        ("MSR-VTT", lack_frames, r"1 of 4 rows name videos without frames in .*\(video1\); unpack video_ret.tar.gz"),
        ("MSR-VTT", lack_videos, r"MSR-VTT: no such folder; unpack video-tasks/frames/video_ret.tar.gz of TIGER-Lab"),
        ("MSR-VTT", lack_rows, r"its rows are read from DATA/VLM2Vec/MSR-VTT below --data alone, which is not there"),
    ],
)
def test_what_is_not_there_is_named(name, broken, message, data, tmp_path):
    copied = Path(shutil.copytree(data, tmp_path / "data"))
    broken(copied)
    (task,) = choose([mmeb.PREFIX + name])[0].tasks
    with pytest.raises(DataError, match=message):
        load_task(task, copied, tmp_path / "prepared")


def test_suites_hold_the_tasks_of_the_paper():
    counts = {name: len(choose([name])[0].tasks) for name in ("mmeb-image", "mmeb-video", "mmeb-ood")}
    assert counts == {"mmeb-image": 12, "mmeb-video": 5, "mmeb-ood": 4}
    assert set(choose(["mmeb-image"])[0].metrics.values()) == {"recall_at_1"}
    with pytest.raises(DataError, match="--suite mmeb-imgae: .*the nearest names are mmeb-image"):
        choose(["mmeb-imgae"])


def test_frames_are_ordered_by_their_numbers(tmp_path):
    for number in (10, 9, 1, 2):
        Image.new("RGB", (8, 8)).save(tmp_path / f"frame_{number}.jpg")
    (tmp_path / "notes.txt").write_text("not a frame")
    names = [Path(frame).name for frame in mmeb._frames(tmp_path)]
    assert names == ["frame_1.jpg", "frame_2.jpg", "frame_9.jpg", "frame_10.jpg"]
    assert mmeb._frames(tmp_path / "none") == []
