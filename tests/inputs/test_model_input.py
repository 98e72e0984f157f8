"""What a user hands in as one query or one document is told apart by what it is, not by what it looks like."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from smart_train.errors import DataError
from smart_train.inputs.model_input import as_model_input
from smart_train.types import ModelInput
from tests.inputs.test_images import png


def test_as_model_input_tells_videos_by_their_ending(tmp_path: Path) -> None:
    clip = tmp_path / "Clip.MP4"
    assert as_model_input(clip) == ModelInput(video=clip)
    assert as_model_input(str(clip)) == ModelInput(text=str(clip))  # no such file, so words
    clip.touch()
    assert as_model_input(str(clip)) == ModelInput(video=str(clip))
    address = "https://example.org/clip.webm?start=3"
    assert as_model_input(address) == ModelInput(video=address)
    assert as_model_input(f"see {address}") == ModelInput(text=f"see {address}")


def test_as_model_input_tells_text_from_images(tmp_path: Path) -> None:
    page = tmp_path / "page.png"
    page.write_bytes(png())
    picture = Image.new("RGB", (2, 2))
    assert as_model_input("what is a page.png") == ModelInput(text="what is a page.png")
    assert as_model_input("absent.png") == ModelInput(text="absent.png")
    assert as_model_input("https://example.org/about") == ModelInput(text="https://example.org/about")
    for value in (str(page), page, png(), picture, "https://example.org/a.PNG?x=1", "data:image/png;base64,AA=="):
        assert as_model_input(value) == ModelInput(images=(value,))
    for text in ("http://[4] shows the pump.png", "https://[4]/pump.png"):  # not an address
        assert as_model_input(text) == ModelInput(text=text)
    full = {"text": "t", "image": page, "instruction": "i"}
    assert as_model_input(full) == ModelInput("t", (page,), None, "i")
    assert as_model_input({"images": [page, picture]}).images == (page, picture)
    same = ModelInput(text="x")
    assert as_model_input(same) is same


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"txt": "a"}, "'txt': unknown, did you mean text"),
        ({"instruction": "a"}, "neither text nor image nor video"),
        (3, "type int: expected str"),
    ],
)
def test_as_model_input_refuses_what_it_cannot_read(value: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        as_model_input(value)
