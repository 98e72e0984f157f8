"""Videos in rows: found as images are, and decoded before a run starts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from smart_train.data import SourceConfig, check_examples, load_examples
from smart_train.errors import DataError, MissingExtra
from smart_train.inputs import video
from tests.videos import write_clip

Write = Callable[..., Path]


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    (tmp_path / "clips").mkdir()
    frames = [Image.new("RGB", (32, 32), (40 * index, 0, 0)) for index in range(4)]
    return write_clip(tmp_path / "clips" / "a.mkv", frames, 2)


def test_paths_start_beside_the_rows(pages: list[Path], clips: Path, write_jsonl: Write) -> None:
    address = "https://example.org/clip.mp4?size=1"
    path = write_jsonl(
        {"query": "a path", "positive": "clips/a.mkv"},
        {"query": "in a mapping", "positive": {"text": "a clip", "video": "clips/a.mkv"}},
        {"query": {"video": "clips/a.mkv"}, "positive": "a text about clip.mkv, and more"},
        {"query": "frames", "positive": {"video": ["pages/0.png", "pages/1.png"]}},
        {"query": "an address", "positive": address},
        {"query": "undecoded", "positive": {"bytes": None, "path": str(clips)}},
        {"query": "undecoded, relative", "positive": {"video": {"bytes": None, "path": "clips/a.mkv"}}},
    )
    rows = load_examples(SourceConfig(path))
    found = [row.documents[0] for row in rows]
    assert [item.video for item in found] == [clips, clips, None, pages[:2], address, clips, clips]
    assert all(item.images == () for item in found)
    assert rows[2].query.video == clips and found[2].text == "a text about clip.mkv, and more"
    assert rows[0].document_ids != rows[3].document_ids
    kept, report = check_examples(rows.select([0, 1, 2, 3, 5]))
    assert len(kept) == 5 and report.problems == []


def test_paths_may_not_leave_the_root(write_jsonl: Write) -> None:
    for positive in ("../a.mp4", {"video": "../a.mp4"}, {"video": ["../0.png"]}):
        rows = load_examples(SourceConfig(write_jsonl({"query": "x", "positive": positive})))
        with pytest.raises(DataError, match=r"row 0, column 'positive': path \.\./.* is outside .*; set image_root"):
            rows[0]


def test_bad_videos_are_bad_rows(pages: list[Path], clips: Path, write_jsonl: Write) -> None:
    whole = clips.read_bytes()
    (clips.parent / "text.mp4").write_text("not a video")
    (clips.parent / "head.mkv").write_bytes(whole[: len(whole) // 8])
    Image.new("RGB", (9, 9)).save(pages[3])
    path = write_jsonl(
        {"query": "sound", "positive": "clips/a.mkv"},
        {"query": "absent", "positive": "clips/absent.mp4"},
        {"query": "absent, with an id", "positive": "clips/absent.mp4", "document_id": "d"},
        {"query": "no video", "positive": "clips/text.mp4"},
        {"query": "cut off", "positive": "clips/head.mkv"},
        {"query": "frames of two sizes", "positive": {"video": ["pages/0.png", "pages/1.png", "pages/3.png"]}},
        {"query": {"video": []}, "positive": "no frames"},
        {"query": "bad negative", "positive": "text", "negative_0": {"video": ["pages/0.png", "pages/text.png"]}},
        {"query": "sound too", "positive": "text"},
    )
    (clips.parent.parent / "pages" / "text.png").write_text("not an image")
    rows = load_examples(SourceConfig(path))
    kept, report = check_examples(rows, on_error="skip")
    assert [row.row for row in kept] == [0, 8]
    expected = (
        ("row 1, column 'positive'", "absent.mp4: no such file"),
        ("row 2: video", "absent.mp4: no such file (column 'positive')"),
        ("row 3: video", "text.mp4: cannot be decoded"),
        ("row 4: video", "head.mkv: cannot be decoded"),
        ("row 5: video <3 frames>", "its frames differ in size, (8, 8) and (9, 9) (column 'positive')"),
        ("row 6: video", "an empty list of frames (column 'query')"),
        ("row 7: image", "text.png: not an image file that can be decoded", "(column 'negative_0')"),
    )
    for problem, parts in zip(report.problems, expected, strict=True):
        for part in ("train.jsonl, ", *parts, "; put the right file there, or remove the row"):
            assert part in problem


def test_a_video_under_many_queries_is_decoded_once(
    clips: Path, write_jsonl: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []
    load = video.load_video
    monkeypatch.setattr(video, "load_video", lambda ref, **options: opened.append(ref) or load(ref, **options))
    rows = load_examples(SourceConfig(write_jsonl(*({"query": f"q{i}", "positive": "clips/a.mkv"} for i in range(5)))))
    check_examples(rows, workers=1)
    assert opened == [clips]


@pytest.mark.parametrize("on_error", ["fail", "skip"])
def test_a_missing_library_is_no_fault_of_the_rows(
    tmp_path: Path, write_jsonl: Write, monkeypatch: pytest.MonkeyPatch, on_error: str
) -> None:
    (tmp_path / "a.mp4").write_bytes(b"a video")
    rows = load_examples(
        SourceConfig(write_jsonl({"query": "q", "positive": "a.mp4"}, {"query": "q", "positive": "t"}))
    )
    monkeypatch.setattr(video, "find_spec", lambda name: None)
    with pytest.raises(
        MissingExtra, match=r"a.mp4: reading video files needs PyAV: pip install 'smart_train\[video\]'"
    ):
        check_examples(rows, on_error=on_error)
