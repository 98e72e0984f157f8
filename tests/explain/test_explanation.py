"""An explanation adds up to the score, and its winning patches lie where the page shows what was asked for."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from smart_train import SmartModel
from smart_train.errors import DataError, ModelError
from smart_train.explain import explain
from smart_train.explain.tokens import token_texts
from smart_train.inputs import mark_pages
from smart_train.models import FAMILIES
from smart_train.scoring.reference import maxsim_reference
from smart_train.types import ModelInput
from tests.explain.painted import COLOURS
from tests.models.conftest import TINY
from tests.models.projector_family import ProjectorFamily
from tests.models.text_folders import encoder_folder

# Every family that reads images, as far as their pictures, grids or backbones differ.
VISUAL = ["qwen3_vl_embedding", "gme", "vlm2vec", "lamra", "lamra_qwen2_5_vl", "lamra_qwen3_vl", "jina_v4", "projector"]
EVERY_VISUAL = pytest.mark.parametrize("name", VISUAL)
ADDING_UP = 1e-5  # a sum of tens of numbers up to 1, each rounded to fp32


def page(size: tuple[int, int], colour: str = "red", at: tuple[float, ...] = (0.55, 0.15, 0.95, 0.5)) -> Image.Image:
    """White, with a rectangle at these shares of its sides: left, top, right, bottom."""
    made = Image.new("RGB", size, "white")
    corners = [round(side * size[place % 2]) for place, side in enumerate(at)]
    ImageDraw.Draw(made).rectangle((corners[0], corners[1], corners[2] - 1, corners[3] - 1), fill=COLOURS[colour])
    return made


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        *[("qwen3_vl_embedding", weights) for weights in ((1.0, 1.0), (0.0, 1.0), (1.0, 0.0))],
        *[(name, (0.25, 3.0)) for name in ("gme", "jina_v4", "projector")],
    ],
)
def test_the_parts_add_up_to_the_score(make, name: str, weights: tuple[float, float]) -> None:
    model = make(name, scoring={"pooled_weight": weights[0], "late_weight": weights[1]})
    query, document = ModelInput("red circle"), ModelInput("a caption", (page((160, 96)), page((64, 128))))
    found = explain(model, query, document)
    score = float(model.similarity(model.encode_query([query]), model.encode_document([document])))
    assert found.score == score
    assert float(found.shares.sum()) + found.pooled_share == pytest.approx(score, abs=ADDING_UP)
    assert weights[0] * found.pooled + weights[1] * found.late == pytest.approx(score, abs=ADDING_UP)


def test_similarities_and_winners_are_those_of_the_slow_reference(tiny: SmartModel) -> None:
    query, document = "red circle", ModelInput("caption", (page((160, 96)),))
    found = explain(tiny, query, document)
    left, right = tiny.encode_query([query]).tokens[0], tiny.encode_document([document]).tokens[0]
    expected = maxsim_reference(list(left.unsqueeze(1)), list(right.unsqueeze(1))).float()
    torch.testing.assert_close(found.similarities, expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(found.best, expected.amax(dim=1), atol=1e-6, rtol=0)
    assert found.winners == expected.argmax(dim=1).tolist()
    assert len(found.query_tokens) == len(left) and len(found.document_tokens) == len(right)
    torch.testing.assert_close(found.heat(3), expected[3], atol=1e-6, rtol=0)
    assert float(found.heat(None).sum()) == pytest.approx(found.late, abs=ADDING_UP)
    assert set(found.heat(None).nonzero().flatten().tolist()) == set(found.winners) == set(found.won())
    assert sorted(token for tokens in found.won().values() for token in tokens) == list(range(len(left)))


@EVERY_VISUAL
@pytest.mark.parametrize("size", [(160, 160), (330, 150), (160, 480)], ids=["square", "wide", "tall"])
def test_known_states_light_the_patches_that_show_them(paint, name: str, size: tuple[int, int]) -> None:
    """Grid, merged patches and aspect: every token inside the rectangle is hotter than every token outside it."""
    at = (0.55, 0.15, 0.95, 0.5)
    found = explain(paint(name), "red", ModelInput(images=(page(size, at=at),)))
    heat, inside, outside = found.heat(_token(found, "red")).tolist(), [], []
    for value, token in zip(heat, found.document_tokens, strict=True):
        if token.box is None:
            continue
        left, top, right, bottom = token.box
        # Half a percent of slack: resizing blurs the edges.
        if left > at[0] - 0.005 and top > at[1] - 0.005 and right < at[2] + 0.005 and bottom < at[3] + 0.005:
            inside.append(value)
        elif right < at[0] - 0.005 or bottom < at[1] - 0.005 or left > at[2] + 0.005 or top > at[3] + 0.005:
            outside.append(value)
    assert outside and max(outside) < 0.1
    winner = found.document_tokens[found.winners[_token(found, "red")]]
    assert winner.box is not None and _overlaps(winner.box, at)
    if name != "projector":  # its three rows and columns are too coarse for a whole token inside
        assert inside and min(inside) > 0.9


@EVERY_VISUAL
def test_each_of_several_images_has_its_own_places(paint, name: str) -> None:
    images = (page((160, 96), "red"), page((96, 224), "blue", (0.0, 0.6, 0.5, 1.0)), page((128, 128), "green"))
    found = explain(paint(name), "red blue green", ModelInput("a caption", images))
    for colour, image, at in (("red", 0, (0.55, 0.15)), ("blue", 1, (0.0, 0.6)), ("green", 2, (0.55, 0.15))):
        winner = found.document_tokens[found.winners[_token(found, colour)]]
        assert winner.image == image
        assert winner.box is not None and winner.box[2] > at[0] and winner.box[3] > at[1]
    assert {token.image for token in found.document_tokens} >= {0, 1, 2}


@EVERY_VISUAL
def test_the_real_vision_tower_changes_most_where_the_page_changes(make, name: str) -> None:
    """The order of a real backbone's tokens: state 0 is what the vision tower hands over, token by token."""
    model, size = make(name, scoring={"layer": 0, "document_tokens": "visual"}), (224, 140)
    at = (0.75, 0.5, 0.95, 0.95)
    changed = ModelInput(images=(page(size, "black", at),))
    blank = model.encode_document([ModelInput(images=(Image.new("RGB", size, "white"),))])
    difference = (model.encode_document([changed]).packed - blank.packed).norm(dim=1)
    place = explain(model, "red", changed).document_tokens[int(difference.argmax())]
    assert place.box is not None and _overlaps(place.box, at)


def test_the_winning_patch_of_a_named_mark_lies_on_it(paint) -> None:
    """data/local-binding: 20 pages, three marks named of each, in cells that are known."""
    model, generator, hits = paint("qwen3_vl_embedding"), random.Random(0), []
    for _ in range(20):
        marks = mark_pages.draw_binding(generator)
        cells = generator.sample(range(mark_pages.CELLS**2), len(marks))
        (named,) = mark_pages.name_bindings(marks, 1, generator)
        drawn = Image.fromarray(mark_pages.draw_page(marks, cells, mark_pages.BASE))
        found = explain(model, mark_pages.query_text(named), ModelInput(images=(drawn,)))
        for mark in named:
            winner = found.document_tokens[found.winners[_token(found, mark.split()[0])]]
            hits.append((winner.row, winner.column) == divmod(cells[list(marks).index(mark)], mark_pages.CELLS))
    assert len(hits) == 60 and all(hits)


def test_a_text_is_explained_by_its_words(tmp_path) -> None:
    model = SmartModel.from_config(encoder_folder(tmp_path / "text"), family="text_encoder", init_std=0.2)
    found = explain(model, "red cat", "the cat sat on the red mat")
    score = float(model.similarity(model.encode_query(["red cat"]), model.encode_document([found.document])))
    assert float(found.shares.sum()) + found.pooled_share == pytest.approx(score, abs=ADDING_UP)
    assert [token.text for token in found.document_prompt][:4] == ["[CLS]", " the", " cat", " sat"]
    assert [token.label for token in found.query_tokens] == ["red", "cat"]
    assert [row["match"] for row in found.records()] == [
        f"'{found.document_tokens[winner].label}'" for winner in found.winners
    ]
    assert found.on_images == 0


def test_a_query_may_be_an_image(paint) -> None:
    found = explain(paint("qwen3_vl_embedding"), page((96, 96), at=(0, 0, 1, 1)), page((160, 160)))
    patch = next(place for place, token in enumerate(found.query_tokens) if token.image == 0)
    winner = found.document_tokens[found.winners[patch]]
    assert found.query_tokens[patch].name == "image 1, row 1, column 1"
    assert winner.box is not None and _overlaps(winner.box, (0.55, 0.15, 0.95, 0.5))


def test_texts_of_tokens_are_the_decoded_prompt(tiny: SmartModel) -> None:
    tokenizer = tiny.family.tokenizer
    for text in ("plain words, and 12 numbers", "日本語 é\n\n\t<b>", "🙂🙃 \ufffd\ufffd end", ""):
        ids = tokenizer(text)["input_ids"]
        texts = token_texts(tokenizer, ids)
        assert len(texts) == len(ids)
        assert "".join(texts) == tokenizer.decode(ids, clean_up_tokenization_spaces=False)


@pytest.mark.parametrize(
    ("query", "document", "message"),
    [
        ("red", ["one", "two"], "2 document inputs were given; it explains one query and one document"),
        (["red"], "one", "1 query inputs were given"),
        ("  ", "one", "the query holds nothing: no image, and no text but blanks"),
        ("red", {"text": ""}, "the document holds nothing"),
        ("red", ModelInput(images=(b"no image",)), "not an image file that can be decoded"),
        ("red", ModelInput(video=(Image.new("RGB", (64, 64)),) * 2), "the document holds a video; pages and texts can"),
        ("red", 3, "input of type int"),
    ],
)
def test_what_cannot_be_explained(tiny: SmartModel, query: object, document: object, message: str) -> None:
    with pytest.raises((DataError, ModelError), match=message):
        explain(tiny, query, document)


def test_a_text_model_reads_no_page(tmp_path) -> None:
    model = SmartModel.from_config(encoder_folder(tmp_path / "text"), family="text_encoder")
    with pytest.raises(ModelError, match="text_encoder reads text, but an input holds image"):
        explain(model, "red", page((64, 64)))


def test_a_family_that_does_not_say_where_tokens_lie(make, monkeypatch: pytest.MonkeyPatch) -> None:
    model = make("projector")
    monkeypatch.delattr(ProjectorFamily, "image_boxes")
    with pytest.raises(ModelError, match="projector does not say where .* its class needs the method image_boxes"):
        explain(model, "red", page((64, 64)))
    assert explain(model, "red", "a text needs no places").score


def test_a_family_that_says_too_few_places(make, monkeypatch: pytest.MonkeyPatch) -> None:
    model = make("projector")
    monkeypatch.setattr(ProjectorFamily, "image_boxes", lambda *_: [torch.zeros(4, 4)])
    with pytest.raises(ModelError, match="gives 4 places, and the prompt of this document has 9 visual tokens"):
        explain(model, "red", page((64, 64)))


def test_families_say_where_tokens_lie_on_any_picture(paint) -> None:
    """As many places as tokens, which cover the picture once, whatever its size."""
    assert {FAMILIES[name].model_types[0] for name in VISUAL} >= {"qwen2_vl", "qwen2_5_vl", "qwen3_vl", "paligemma"}
    for name in VISUAL:
        family, generator = paint(name).family, np.random.default_rng(0)
        for width, height in generator.integers(20, 700, size=(4, 2)).tolist():
            features = family.featurize([ModelInput(images=(Image.new("RGB", (width, height)),))], "document")
            (boxes,) = family.image_boxes(features)
            assert len(boxes) == int(torch.isin(features["input_ids"], family.visual_ids).sum())
            areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
            assert float(areas.sum()) == pytest.approx(1, abs=1e-5)
            assert float(boxes.min()) == 0 and float(boxes.max()) == 1


def _token(found, label: str) -> int:
    """The query's token that says this."""
    return [token.label for token in found.query_tokens].index(label)


def _overlaps(box: tuple[float, ...], at: tuple[float, ...]) -> bool:
    return box[0] < at[2] and box[2] > at[0] and box[1] < at[3] and box[3] > at[1]


def test_tiny_has_the_words_of_the_colours() -> None:
    """Else the backbone of known states would know no colour by its name."""
    tokenizer = SmartModel.from_config(TINY).family.tokenizer
    for colour in COLOURS:
        assert len(tokenizer(f" {colour}")["input_ids"]) == 1, colour
