"""The client against a stand-in for vLLM's `/pooling` that runs the exported weights, and against recorded answers."""

import base64
import io
import json
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from transformers import AutoModel

from smart_train import ScoringConfig, SmartModel
from smart_train.cli import main
from smart_train.errors import ModelError, NonFiniteError
from smart_train.export import export_model
from smart_train.models import TokenProjection
from smart_train.serving import VLLMClient
from smart_train.serving.vllm import read_states
from smart_train.types import ModelInput
from tests.models.conftest import make_model
from tests.models.text_folders import decoder_folder, encoder_folder, gemma_folder
from tests.models.vision_folders import vision_folder

QUERIES = ["total revenue 2019", "the cat sat", "a"]


class Server:
    """Answers as vLLM does: token ids or a conversation in, a state for every token out."""

    def __init__(self, folder, *, heeds=True):
        self.backbone = AutoModel.from_pretrained(folder).eval()
        self.reader = SmartModel.from_pretrained(folder).family
        self.heeds, self.requests, self.dense = heeds, [], dense_layers(folder)
        self.models, self.refusal = {"data": [{"id": "served"}]}, {"error": {"message": "not here"}}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def answer(self, asked):
        if "messages" in asked:
            features = [self.render(asked)]
        else:
            features = [{"input_ids": torch.tensor([ids])} for ids in asked["input"]]
        rows = []
        for index, inputs in enumerate(features):
            inputs.setdefault("attention_mask", torch.ones_like(inputs["input_ids"]))
            with torch.no_grad():
                states = self.backbone(**inputs).last_hidden_state[0]
                for weight in self.dense:
                    states = states @ weight.T
            if asked.get("use_activation", True) or not self.heeds:
                states = torch.nn.functional.normalize(states, dim=-1)
            data = states.tolist()
            if asked["encoding_format"] == "base64":
                data = base64.b64encode(states.numpy().astype("<f4").tobytes()).decode()
            rows.append({"index": index, "object": "pooling", "data": data})
        return {
            "id": "pool-1",
            "object": "list",
            "created": 1,
            "model": asked["model"],
            "data": rows[::-1],
            "usage": {},
        }

    def render(self, asked):
        """The conversation through the folder's chat template, its images as they were sent."""
        messages, images = [], []
        for message in asked["messages"]:
            content = []
            for part in message["content"]:
                if part["type"] == "image_url":
                    encoded = part["image_url"]["url"].split(",", 1)[1]
                    images.append(Image.open(io.BytesIO(base64.b64decode(encoded))).convert("RGB"))
                    part = {"type": "image"}
                content.append(part)
            messages.append({"role": message["role"], "content": content})
        processor = self.reader.processor
        prompt = processor.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=asked.get("add_generation_prompt", False)
        )
        return dict(processor(text=[prompt], images=images, return_tensors="pt"))


def dense_layers(folder):
    """The weights that vLLM puts every state through: of modules with this one name, whatever others there are."""
    modules = json.loads((folder / "modules.json").read_text()) if (folder / "modules.json").is_file() else []
    named = [module["path"] for module in modules if module["type"] == "sentence_transformers.models.Dense"]
    return [load_file(folder / path / "model.safetensors")["linear.weight"] for path in named]


def _handler(server):
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_):
            """Quiet."""

        def do_GET(self):
            self.send(server.models if self.path == "/v1/models" else None)

        def do_POST(self):
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            server.requests.append((asked, self.headers.get("Authorization")))
            self.send(server.answer(asked) if self.path == "/pooling" and asked["model"] == "served" else None)

        def send(self, value):
            body = json.dumps(value if value is not None else server.refusal).encode()
            self.send_response(200 if value is not None else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler


def text_model(folder, kind, projection=False, **kwargs):
    if kind == "decoder":
        source = decoder_folder(folder.with_name("source"))
    else:
        source = encoder_folder(folder.with_name("source"), pooling={"pooling_mode": kind})
    model = SmartModel.from_config(source, init_std=0.3, **kwargs)
    if projection:
        model.add_projection(TokenProjection(model.hidden_size, 8))
        torch.nn.init.normal_(model.projection.norm.bias)
    model.save_pretrained(folder)


@pytest.fixture
def exported(tmp_path, without_peers):
    def export(make, *args, **kwargs):
        make(tmp_path / "trained", *args, **kwargs)
        export_model(tmp_path / "trained", tmp_path / "export")
        return tmp_path / "export"

    return export


def vision_model(folder):
    make_model().save_pretrained(folder)


def assert_same(ours, theirs):
    assert theirs.offsets.tolist() == ours.offsets.tolist()
    torch.testing.assert_close(theirs.pooled, ours.pooled, atol=1e-5, rtol=0)
    torch.testing.assert_close(theirs.packed, ours.packed, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("kind", "projection"), [("decoder", False), ("decoder", True), ("mean", False), ("cls", True)]
)
def test_text_models_give_the_same_as_here(kind, projection, exported):
    folder = exported(text_model, kind, projection)
    model = SmartModel.from_pretrained(folder)
    with Server(folder) as server:
        client = VLLMClient(server.url, folder, api_key="secret", batch_size=2)
        assert_same(model.encode_query(QUERIES), client.encode_query(QUERIES))
        documents = client.encode_document(["the red page", "a mat"])
        assert_same(model.encode_document(["the red page", "a mat"]), documents)
        assert len(server.requests) == 3 and {key for _, key in server.requests} == {"Bearer secret"}
        scores = client.similarity(client.encode_query("the cat"), documents)
    torch.testing.assert_close(scores, model.similarity(model.encode_query("the cat"), documents), atol=1e-5, rtol=0)


def test_pages_give_the_same_as_here(exported, pages):
    folder = exported(vision_model)
    model = SmartModel.from_pretrained(folder)
    mixed = [pages[0], "a text", {"text": "a caption", "image": pages[1]}, {"text": "x", "instruction": "Other words"}]
    with Server(folder) as server:
        client = VLLMClient(server.url, folder)
        assert_same(model.encode_document(mixed), client.encode_document(mixed))
        assert_same(model.encode_query(QUERIES), client.encode_query(QUERIES))


def gemma_model(folder):
    SmartModel.from_config(gemma_folder(folder.with_name("source")), init_std=0.2).save_pretrained(folder)


def test_embedding_gemma_gives_the_same_as_here(exported):
    """The server has put its states through the Dense layers: one linear map, before or after the mean."""
    folder = exported(gemma_model)
    model = SmartModel.from_pretrained(folder)
    with Server(folder) as server:
        assert len(server.dense) == 1
        client = VLLMClient(server.url, folder)
        assert_same(model.encode_query(QUERIES), client.encode_query(QUERIES))
        assert_same(model.encode_document(["the red page", "a mat"]), client.encode_document(["the red page", "a mat"]))
        assert len(server.requests) == 3, "the golden query is asked once"


def test_a_server_that_did_not_load_the_dense_layers_is_refused(exported):
    folder = exported(gemma_model)
    with Server(folder) as server:
        server.dense = []
        with pytest.raises(ModelError, match="does not apply the Dense layers of embedding_gemma: the mean cosine of"):
            VLLMClient(server.url, folder).encode_query(QUERIES)
        (folder / "golden.safetensors").unlink()
        with pytest.raises(ModelError, match="golden.safetensors: cannot be read.*name a folder that `smart-train exp"):
            VLLMClient(server.url, folder).encode_query(QUERIES)


def test_verify_measures_a_server_too(exported, monkeypatch, capsys):
    folder = exported(vision_model)
    with Server(folder) as server:
        monkeypatch.setattr(sys, "argv", ["smart-train", "verify", str(folder), "--vllm", server.url])
        with pytest.raises(SystemExit) as end:
            main()
        assert not end.value.code
        assert "vllm: largest difference" in capsys.readouterr().out
        with torch.no_grad():
            server.backbone.language_model.norm.weight.mul_(torch.linspace(0.5, 2.0, 96))
        with pytest.raises(SystemExit) as end:
            main()
        assert end.value.code == 2
        assert "its results differ from those at export" in capsys.readouterr().err


# Recorded answers ---------------------------------------------------------------------------------------------

# What vLLM 0.32 said of a tiny Qwen3-VL's export: the same two prompts of token ids, asked in both encodings.
RECORDED = json.loads((Path(__file__).parent / "recorded_vllm_0_32.json").read_text())


def test_recorded_answers_are_read_in_both_encodings():
    lengths = []
    for packed, plain in zip(RECORDED["base64"]["data"], RECORDED["float"]["data"], strict=True):
        states = read_states(packed["data"], 256)
        torch.testing.assert_close(states, read_states(plain["data"], 256), atol=1e-5, rtol=0)
        assert (states.norm(dim=-1) - 1).abs().min() > 1, "asked for as they are, they came so"
        lengths.append(len(states))
    assert lengths == [3, 2]


def test_a_recorded_refusal_is_shown(exported, monkeypatch):
    folder = exported(text_model, "cls")
    code, body = RECORDED["unknown_model"]
    assert code == 404
    with Server(folder) as server:
        monkeypatch.setattr(server, "refusal", body)
        with pytest.raises(ModelError, match="the server answered 404: .*The model `other` does not exist"):
            VLLMClient(server.url, folder, model="other").encode_query("the cat")
        models = RECORDED["models"]
        monkeypatch.setattr(server, "models", models)
        assert VLLMClient(server.url, folder).name == models["data"][0]["id"]


@pytest.mark.parametrize("data", ["AACAPgAAwL8=", "no base64!", [[1.0], [1.0, 2.0]]])
def test_damaged_answers_are_refused(data):
    with pytest.raises(ValueError):
        read_states(data, 3)


# What goes wrong ------------------------------------------------------------------------------------------------


def test_a_server_that_normalises_where_raw_states_are_needed(exported):
    folder = exported(text_model, "mean")
    with (
        Server(folder, heeds=False) as server,
        pytest.raises(ModelError, match="returned normalised states"),
    ):
        VLLMClient(server.url, folder).encode_query(QUERIES)


def test_normalised_states_do_where_nothing_else_is_made_of_them(exported):
    folder = exported(text_model, "cls")
    with Server(folder, heeds=False) as server:
        assert_same(
            SmartModel.from_pretrained(folder).encode_query(QUERIES),
            VLLMClient(server.url, folder).encode_query(QUERIES),
        )


def test_a_server_with_another_model(exported, tmp_path, monkeypatch):
    folder = exported(text_model, "cls")
    with Server(folder) as server:
        monkeypatch.setattr(server, "answer", lambda asked: {"data": [{"index": 0, "data": [[0.0] * 32]}]})
        with pytest.raises(ModelError, match=r"\(1, 32\) states for a prompt that is \(\d+, 32\) here: the server has"):
            VLLMClient(server.url, folder).encode_query("the cat")
        monkeypatch.setattr(server, "answer", lambda asked: {"error": "strange"})
        with pytest.raises(ModelError, match="not an answer of /pooling"):
            VLLMClient(server.url, folder).encode_query("the cat")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_states_that_are_not_numbers_are_refused(exported, monkeypatch, value):
    folder = exported(text_model, "cls")
    length = SmartModel.from_pretrained(folder).family.token_count(ModelInput("the cat"), "query", [])
    states = [[1.0] * 32 for _ in range(length)]
    states[-1][5] = value
    with Server(folder) as server:
        monkeypatch.setattr(server, "answer", lambda asked: {"data": [{"index": 0, "data": states}]})
        with pytest.raises(NonFiniteError, match="returned states that hold NaN or infinity.*start the server with"):
            VLLMClient(server.url, folder).encode_query("the cat")


def test_a_server_that_is_not_there(exported):
    folder = exported(text_model, "cls")
    with pytest.raises(ModelError, match="no answer .*is the server up"):
        VLLMClient("http://127.0.0.1:9", folder).encode_query("the cat")


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (b"", "no answer .*closed connection without response.*is the server up"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", "no answer .*IncompleteRead.*is the server up"),
        (b"HTTP/1.1 200 OK\r\n\r\n<html>", "no answer .*is the server up"),
        (b"HTTP/1.1 200 OK\r\n\r\n{}", "/v1/models: names no model; is it a vLLM server"),
    ],
)
def test_what_is_no_answer_is_said_in_a_line(exported, said, message):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def speak():
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(said)

        speaker = threading.Thread(target=speak)
        speaker.start()
        with pytest.raises(ModelError, match=message):
            VLLMClient(f"http://127.0.0.1:{server.getsockname()[1]}", exported(text_model, "cls")).encode_query("a")
        speaker.join()


def test_models_that_vllm_cannot_give(exported, tmp_path, pages):
    with pytest.raises(ModelError, match="not an export that a server can serve"):
        VLLMClient("http://127.0.0.1:9", encoder_folder(tmp_path / "plain"))
    folder = exported(text_model, "cls", scoring=ScoringConfig(layer=1))
    with pytest.raises(ModelError, match=r"tokens are made of hidden state \[1\]; vLLM returns only the last one"):
        VLLMClient("http://127.0.0.1:9", folder)
    SmartModel.from_config(vision_folder(tmp_path / "qwen2", "qwen2_vl"), family="gme").save_pretrained(
        tmp_path / "gme"
    )
    client = VLLMClient("http://127.0.0.1:9", tmp_path / "gme", model="served")
    with pytest.raises(ModelError, match="gme: vLLM does not process its images as in training"):
        client.encode_document([pages[0]])
