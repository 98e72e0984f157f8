"""`push --dry-run`: what would be published, told without a token and without a request; then the push does that."""

from __future__ import annotations

import json

import pytest
from huggingface_hub import constants

from smart_train.errors import ExportError
from smart_train.export import plan_push, push_folder
from tests.command import call
from tests.export.conftest import adapt

pytestmark = pytest.mark.usefixtures("without_peers")


@pytest.fixture
def cut_off(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    """Without a token, and with every connection an error."""

    def refuse(*_: object, **__: object) -> None:
        pytest.fail("a dry run opened a connection")

    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no token"))
    monkeypatch.setattr("socket.create_connection", refuse)
    monkeypatch.setattr("socket.socket.connect", refuse)


def test_it_shows_files_sizes_visibility_and_card(cut_off, exported, monkeypatch, capsys) -> None:
    (exported / ".env").write_text("SECRET")
    assert call(monkeypatch, "push", exported, "--repo", "user/model", "--dry-run") == 0
    shown = capsys.readouterr().out
    assert shown.startswith("Dry run: nothing was sent, and the Hub was not asked.\n")
    assert "repository  user/model, branch main\n" in shown
    assert "visibility  private if it is created; a push to a public repository is refused\n" in shown
    weights = (exported / "model.safetensors").stat().st_size
    assert f"{weights:>18,}  model.safetensors\n" in shown
    assert ".env" not in shown
    card = (exported / "README.md").read_text().replace("OWNER/NAME", "user/model")
    assert shown.endswith(f"README.md, the model card:\n\n{card}\n")
    arguments = ("--repo", "user/model", "--public", "--revision", "v2", "--dry-run")
    assert call(monkeypatch, "push", exported, *arguments) == 0
    shown = capsys.readouterr().out
    assert "branch v2\n" in shown and "public if it is created" in shown


def test_the_push_sends_what_it_showed(hub, exported) -> None:
    plan = plan_push(exported, "user/model")
    assert not hub.requests
    push_folder(exported, "user/model")
    sent = {name: len(content) for name, content in hub.files("user/model").items() if name != ".gitattributes"}
    assert sent == plan.sizes
    assert hub.files("user/model")["README.md"].decode() == plan.card


def test_an_adapter_that_was_not_exported_is_planned_without_its_base(hub, start, tmp_path) -> None:
    adapt(start).save_pretrained(trained := tmp_path / "trained")
    (trained / "optimizer.pt").write_bytes(b"moments")  # as in a checkpoint
    hub.requests.clear()
    plan = plan_push(trained, "user/small")
    assert not hub.requests
    made = [name for name, size in plan.sizes.items() if size is None]
    assert made == ["README.md", "golden.safetensors", "parity.json", "smart_config.json"] and plan.card is None
    push_folder(trained, "user/small")
    sent = {name: len(content) for name, content in hub.files("user/small").items() if name != ".gitattributes"}
    assert sent.keys() == plan.sizes.keys()
    assert all(size in (None, sent[name]) for name, size in plan.sizes.items())


def test_the_adapter_of_a_run_shows_the_card_that_the_run_wrote(cut_off, base, tmp_path, monkeypatch, capsys) -> None:
    adapt(base).save_pretrained(trained := tmp_path / "trained")
    config = trained / "smart_config.json"
    named = json.loads(config.read_text()) | {"base": "user/base", "base_revision": "0" * 40}
    config.write_text(json.dumps(named))
    (trained / "README.md").write_text("# OWNER/NAME\n")
    assert call(monkeypatch, "push", trained, "--repo", "user/small", "--dry-run") == 0
    shown = capsys.readouterr().out
    assert "       by the push  golden.safetensors\n" in shown
    assert shown.endswith("README.md, the model card:\n\n# user/small\n\n")
    (trained / "README.md").unlink()
    assert call(monkeypatch, "push", trained, "--repo", "user/small", "--dry-run") == 0
    assert "model card:\n\nwritten by the push, when it reads the base\n" in capsys.readouterr().out


def test_what_a_push_refuses_is_refused(cut_off, base, exported, tmp_path) -> None:
    adapt(base).save_pretrained(tmp_path / "adapter")
    for folder, repository, message in (
        (base, "user/model", "was never verified"),
        (tmp_path / "nowhere", "user/model", "no such folder"),
        (tmp_path / "adapter", "user/model", "which others cannot load"),
        (exported, "a/b/c", "must read OWNER/NAME"),
    ):
        with pytest.raises(ExportError, match=message):
            plan_push(folder, repository)
    config = exported / "smart_config.json"
    config.write_text(config.read_text() + "\n")
    with pytest.raises(ExportError, match="smart_config.json changed since the export was verified"):
        plan_push(exported, "user/model")
    (exported / "README.md").unlink()
    config.write_text(config.read_text()[:-1])
    with pytest.raises(ExportError, match="the model card"):
        plan_push(exported, "user/model")
