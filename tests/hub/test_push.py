"""Pushing to a Hub: what arrives, what loads from there, and every refusal."""

import errno
import json

import pytest
import torch
from huggingface_hub import ModelCard, constants

from smart_train import SmartModel
from smart_train.errors import ExportError, ModelError
from smart_train.export import check_destination, export_model, plan_push, push_folder, verify_folder
from tests.export.conftest import adapt, project
from tests.hub.server import READER, WRITER

pytestmark = pytest.mark.usefixtures("without_peers", "verified_once")

QUERIES = ["total revenue 2019", "safety valve"]


def encode(model, pages):
    return model.encode_query(QUERIES), model.encode_document([*pages, "a text"])


def assert_same(first, second, atol=0.0):
    for ours, theirs in zip(first, second, strict=True):
        torch.testing.assert_close(ours.pooled, theirs.pooled, atol=atol, rtol=0)
        torch.testing.assert_close(ours.packed, theirs.packed, atol=atol, rtol=0)


# There and back -------------------------------------------------------------------------------------------------


def test_merged_round_trip(hub, exported, pages):
    assert push_folder(exported, "user/model") == f"{hub.url}/user/model"
    assert hub.repositories["user/model"].private
    local = {path.relative_to(exported).as_posix() for path in exported.rglob("*") if path.is_file()}
    assert set(hub.files("user/model")) == local | {".gitattributes"}
    assert_same(
        encode(SmartModel.from_pretrained("user/model"), pages), encode(SmartModel.from_pretrained(exported), pages)
    )


@pytest.mark.parametrize("make", [adapt, project])
def test_adapter_round_trip_finds_its_base_by_itself(make, hub, start, pages, tmp_path):
    trained = make(start)
    trained.save_pretrained(tmp_path / "trained")
    (tmp_path / "trained" / "optimizer.pt").write_bytes(b"moments")  # as in a checkpoint
    push_folder(tmp_path / "trained", "user/small")
    assert not {"optimizer.pt", "model.safetensors", "config.json"} & set(hub.files("user/small"))
    assert_same(encode(SmartModel.from_pretrained("user/small"), pages), encode(trained, pages))


def test_a_model_in_memory_is_pushed_merged_or_as_its_adapter(hub, start, pages):
    model = adapt(start)
    assert model.push_to_hub("user/merged", private=False, revision="v1") == f"{hub.url}/user/merged"
    assert not hub.repositories["user/merged"].private
    merged = SmartModel.from_pretrained("user/merged", revision="v1")
    assert_same(encode(merged, pages), encode(model, pages), atol=1e-5)
    model.push_to_hub("user/small", adapter_only=True)
    assert_same(encode(SmartModel.from_pretrained("user/small"), pages), encode(model, pages))
    with pytest.raises(ExportError, match="holds a whole model, not an adapter or a projection"):
        merged.push_to_hub("user/none", adapter_only=True)


def test_a_plain_peft_adapter_is_published_with_what_it_lacks(hub, start, pages, tmp_path):
    model = adapt(start)
    model.save_pretrained(tmp_path / "plain")
    (tmp_path / "plain" / "smart_config.json").unlink()
    push_folder(tmp_path / "plain", "user/small")
    assert_same(encode(SmartModel.from_pretrained("user/small"), pages), encode(model, pages))


def test_an_adapter_stays_on_the_commit_of_its_base_that_it_was_trained_on(hub, base, start, pages, tmp_path):
    adapt(start).save_pretrained(tmp_path / "adapter")
    expected = encode(SmartModel.from_pretrained(tmp_path / "adapter"), pages)
    moved = SmartModel.from_pretrained(base)
    with torch.no_grad():
        moved.backbone.language_model.embed_tokens.weight.mul_(2.0).add_(0.1)
    moved.save_pretrained(tmp_path / "moved")
    export_model(tmp_path / "moved", tmp_path / "base")
    first = hub.repositories[start].branches["main"]
    push_folder(tmp_path / "base", start)
    assert_same(encode(SmartModel.from_pretrained(tmp_path / "adapter"), pages), expected)
    # So does PEFT alone, by the file that it reads and by the card's code.
    push_folder(tmp_path / "adapter", "user/small")
    sent = hub.files("user/small")
    assert json.loads(sent["adapter_config.json"])["revision"] == first
    assert f'AutoModel.from_pretrained("{start}", revision="{first}")' in sent["README.md"].decode()
    (tmp_path / "adapter" / "smart_config.json").unlink()
    plain = SmartModel.from_pretrained(tmp_path / "adapter")
    assert plain.base_revision == first
    assert_same(encode(plain, pages), expected)


def test_the_card_on_the_hub_names_the_repository(hub, exported):
    push_folder(exported, "user/model")
    card = hub.files("user/model")["README.md"].decode()
    assert 'from_pretrained("user/model")' in card and "# user/model" in card and "OWNER/NAME" not in card
    assert ModelCard(card).data.library_name == "sentence-transformers"
    assert "OWNER/NAME" in (exported / "README.md").read_text(), "the local card stays good for another repository"


def test_a_branch_is_created_and_leaves_the_main_one_alone(hub, exported, pages):
    push_folder(exported, "user/model", revision="v2")
    assert set(hub.files("user/model")) == {".gitattributes"}
    assert "model.safetensors" in hub.files("user/model", "v2")
    SmartModel.from_pretrained("user/model", revision="v2")
    push_folder(exported, "user/model", revision="v2")


def test_pushing_again_sends_nothing_twice(hub, exported):
    push_folder(exported, "user/model")
    hub.requests.clear()
    push_folder(exported, "user/model")
    assert not [path for method, path in hub.requests if method == "PUT"]


def test_weights_of_an_earlier_kind_do_not_stay_behind(hub, base, exported, tmp_path):
    """A leftover adapter beside merged weights would be loaded on top of them."""
    push_folder(exported, "user/model")
    adapt("user/model").save_pretrained(tmp_path / "adapter")
    push_folder(exported, "user/other")
    repository = hub.repositories["user/other"]
    repository.commit("main", {**hub.files("user/other"), "NOTES.md": b"added by hand"})
    push_folder(tmp_path / "adapter", "user/other")
    assert set(hub.files("user/other")) == {
        ".gitattributes",
        "README.md",
        "adapter_config.json",
        "adapter_model.safetensors",
        "golden.safetensors",
        "parity.json",
        "smart_config.json",
        "NOTES.md",
    }
    push_folder(exported, "user/other")
    assert not {"adapter_config.json", "adapter_model.safetensors"} & set(hub.files("user/other"))


def test_only_what_a_push_recorded_and_nobody_changed_since_is_deleted(hub, base, exported, tmp_path):
    push_folder(exported, "user/model")
    theirs = {"theirs.safetensors": b"theirs", "other/config.json": b"{}"}
    changed = {"generation_config.json": b"edited by hand", "golden.safetensors": b"x"}
    hub.repositories["user/model"].commit("main", {**hub.files("user/model"), **theirs, **changed})
    record = json.loads(hub.files("user/model")["parity.json"])
    # A record that names what is not its own names its content by chance only.
    record["sha256"] |= {"theirs.safetensors": "0" * 64, "other/config.json": 7, "../elsewhere": "0" * 64}
    record["sha256"]["generation_config.json"] = "0" * 64
    files = {**hub.files("user/model"), "parity.json": json.dumps(record).encode()}
    hub.repositories["user/model"].commit("main", files)
    push_folder(exported, "user/base")
    adapt("user/base").save_pretrained(tmp_path / "adapter")
    push_folder(tmp_path / "adapter", "user/model")
    left = hub.files("user/model")
    assert theirs.items() <= left.items() and left["generation_config.json"] == b"edited by hand"
    assert not {"config.json", "model.safetensors", "model.safetensors.index.json", "tokenizer.json"} & set(left)


@pytest.mark.parametrize("record", [b"{", b"\xff", b"[]", b'{"sha256": ["config.json"]}', None])
def test_without_a_record_that_can_be_read_nothing_is_deleted(record, hub, base, exported, tmp_path):
    push_folder(exported, "user/base")
    push_folder(exported, "user/model")
    files = {name: body for name, body in hub.files("user/model").items() if name != "parity.json"}
    hub.repositories["user/model"].commit("main", files if record is None else {**files, "parity.json": record})
    before = hub.files("user/model")
    push_folder(exported, "user/model")  # nothing of it is left behind
    hub.repositories["user/model"].commit("main", before)
    adapt("user/base").save_pretrained(tmp_path / "adapter")
    told = r"user/model: holds config.json, model.safetensors, model.safetensors.index.json, which would be loaded"
    with pytest.raises(ExportError, match=told):
        push_folder(tmp_path / "adapter", "user/model")
    assert hub.files("user/model") == before


# What is not pushed ---------------------------------------------------------------------------------------------


def test_unverified_weights_are_refused(hub, base):
    with pytest.raises(ExportError, match="was never verified"):
        push_folder(base, "user/model")
    assert not hub.requests


def test_weights_changed_after_the_verification_are_refused(hub, exported):
    config = exported / "smart_config.json"
    values = json.loads(config.read_text())
    values["scoring"]["late_weight"] = 0.0
    config.write_text(json.dumps(values))
    with pytest.raises(ExportError, match="smart_config.json changed since the export was verified"):
        push_folder(exported, "user/model")
    assert not hub.requests


def test_a_folder_that_no_longer_gives_what_it_gave_is_refused(hub, exported, monkeypatch):
    """Its files are those that were verified; the library that reads them has changed."""
    monkeypatch.setattr("smart_train.export.hub.verify_folder", verify_folder)
    from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLTextModel

    forward = Qwen3VLTextModel.forward

    def rotated(self, *args, **kwargs):
        output = forward(self, *args, **kwargs)
        output.last_hidden_state = output.last_hidden_state.roll(1, dims=-1)
        return output

    monkeypatch.setattr(Qwen3VLTextModel, "forward", rotated)
    with pytest.raises(ExportError, match="its results differ from those at export"):
        push_folder(exported, "user/model")
    assert not hub.requests


def test_an_adapter_of_a_local_base_is_refused(hub, base, tmp_path):
    adapt(base).save_pretrained(tmp_path / "adapter")
    with pytest.raises(ExportError, match="which others cannot load; push the merged export instead"):
        push_folder(tmp_path / "adapter", "user/model")


def test_a_base_on_the_hub_is_found_by_others_whatever_folders_are_here(start, hub, tmp_path, monkeypatch):
    """A folder of that name in the current directory is not what the adapter names."""
    adapt(start).save_pretrained(tmp_path / "adapter")
    (tmp_path / "user" / "start").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert "golden.safetensors" in plan_push("adapter", "user/model").sizes


def test_a_relative_path_that_reads_like_a_hub_id_is_a_path(hub, base, tmp_path):
    """Version 0.1.0 wrote the base as the recipe gave it. Others would load any repository of that name."""
    adapt(base).save_pretrained(tmp_path / "adapter")
    config = tmp_path / "adapter" / "smart_config.json"
    values = json.loads(config.read_text())
    old = {name: value for name, value in values.items() if name not in ("base_beside", "base_weights")}
    config.write_text(json.dumps({**old, "base": "models/base", "base_revision": None}))
    with pytest.raises(ExportError, match="trained on models/base, which others cannot load"):
        plan_push(tmp_path / "adapter", "user/model")


@pytest.mark.parametrize("name", ["nowhere", "empty"])
def test_a_folder_without_a_model_is_refused(name, hub, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ExportError, match="no such folder|was never verified"):
        push_folder(tmp_path / name, "user/model")


def test_an_export_without_its_card_is_refused(hub, exported):
    (exported / "README.md").unlink()
    with pytest.raises(ExportError, match=r"the model card \(README.md\) is missing"):
        push_folder(exported, "user/model")


def test_hidden_files_stay_here(hub, exported):
    (exported / ".env").write_text("SECRET")
    (exported / ".cache").mkdir()
    (exported / ".cache" / "x").touch()
    push_folder(exported, "user/model")
    assert not [name for name in hub.files("user/model") if name.startswith(".") and name != ".gitattributes"]


@pytest.mark.parametrize("files", [{"model.safetensors": b"theirs"}, {"README.md": b"my notes"}, {"data.csv": b"1"}])
def test_somebody_elses_files_are_not_overwritten(files, hub, exported):
    hub.create("user/theirs", files)
    with pytest.raises(ExportError, match="user/theirs: holds files that smart_train did not write"):
        push_folder(exported, "user/theirs")
    with pytest.raises(ExportError, match="user/theirs: holds files that smart_train did not write"):
        check_destination("user/theirs", private=True)
    assert hub.files("user/theirs") == {".gitattributes": hub.files("user/theirs")[".gitattributes"], **files}


def test_files_that_appear_meanwhile_are_not_overwritten(hub, exported, monkeypatch):
    from smart_train.export import hub as module

    check = module._check_ours

    def late(info, *rest):
        check(info, *rest)
        hub.repositories["user/model"].commit("main", {"theirs.txt": b"theirs"})

    monkeypatch.setattr(module, "_check_ours", late)
    with pytest.raises(ExportError, match=r"the repository was changed during the push \(412\)"):
        push_folder(exported, "user/model")
    assert hub.files("user/model") == {"theirs.txt": b"theirs"}


def test_nothing_private_becomes_public(hub, exported):
    hub.create("user/model", private=False)
    with pytest.raises(ExportError, match="user/model: is public, but a private repository was asked for"):
        push_folder(exported, "user/model")
    assert set(hub.files("user/model")) == {".gitattributes"}
    push_folder(exported, "user/model", private=False)
    assert "config.json" in hub.files("user/model")
    push_folder(exported, "user/open", private=False)
    assert not hub.repositories["user/open"].private


# Refusals of the Hub --------------------------------------------------------------------------------------------


def message(capfd, call, *args, **kwargs):
    """The error of a call that the Hub refuses; neither it nor anything printed holds the token."""
    with pytest.raises(ExportError) as caught:
        call(*args, **kwargs)
    printed = capfd.readouterr()
    for token in (WRITER, READER, "hf_wrong"):
        assert token not in f"{caught.value}{printed.out}{printed.err}"
    return str(caught.value)


def test_a_full_disk_of_the_hubs_client(hub, exported, monkeypatch, capfd):
    push_folder(exported, "user/model")
    hub.repositories["user/model"].commit("main", {**hub.files("user/model"), "old.json": b"{}"})

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("huggingface_hub.HfApi.hf_hub_download", full)
    told = "user/model: the Hub's client cannot write its files (No space left on device): free some space in"
    assert told in message(capfd, push_folder, exported, "user/model")


def test_missing_token(hub, exported, monkeypatch, capfd):
    monkeypatch.delenv("HF_TOKEN")
    for call in (lambda: push_folder(exported, "user/model"), lambda: check_destination("user/model", private=True)):
        assert "no token for the Hub: log in with `hf auth login`, or set HF_TOKEN" in message(capfd, call)
    assert not hub.requests


def test_wrong_token(hub, exported, monkeypatch, capfd):
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    assert "does not accept the token (401)" in message(capfd, push_folder, exported, "user/model")
    assert not hub.repositories


def test_token_that_may_not_write(hub, exported, monkeypatch, capfd):
    monkeypatch.setenv("HF_TOKEN", READER)
    said = message(capfd, push_folder, exported, "user/model")
    assert said == (
        "user/model: the token may not write there (403): use one with write permission for user, or another owner"
    )


def test_owner_that_is_not_ours(hub, exported, capfd):
    assert "may not write there (403)" in message(capfd, push_folder, exported, "somebody/model")


def test_a_name_that_is_none(hub, exported, capfd):
    assert "must read OWNER/NAME" in message(capfd, push_folder, exported, "a/b/c")


def test_offline(hub, exported, monkeypatch, capfd):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE is set; unset it" in message(capfd, push_folder, exported, "user/model")


def test_hub_that_is_down_for_good_then_up(hub, exported, capfd):
    hub.fail("POST", "/commit/", 503, times=5)
    assert "the Hub answered 503; push again later" in message(capfd, push_folder, exported, "user/model")
    assert set(hub.files("user/model")) == {".gitattributes"}, "nothing is visible before the commit"
    hub.requests.clear()
    push_folder(exported, "user/model")
    assert not [path for method, path in hub.requests if method == "PUT"], "uploaded files are not sent twice"


@pytest.mark.parametrize("where", ["/api/whoami", "/repos/create", "/preupload/", "/objects/batch", "/commit/"])
@pytest.mark.parametrize("status", [503, None])
def test_a_fault_that_passes_is_waited_out(where, status, hub, exported):
    hub.fail("GET" if "whoami" in where else "POST", where, status, times=2)
    push_folder(exported, "user/model")
    assert "model.safetensors" in hub.files("user/model")
    assert len([path for method, path in hub.requests if method == "PUT"]) == len(hub.objects), "nothing is sent twice"


def test_a_commit_whose_answer_is_lost_is_made_once(hub, exported):
    """The connection drops after the Hub has done the work: the next attempt finds it done, and is not refused."""
    hub.fail("POST", "/commit/", None, times=1, late=True)
    push_folder(exported, "user/model")
    assert "model.safetensors" in hub.files("user/model")


def test_a_conflict_is_not_fought(hub, exported, capfd):
    hub.fail("POST", "/commit/", 412)
    assert "the repository was changed during the push (412)" in message(capfd, push_folder, exported, "user/model")
    assert len([path for _, path in hub.requests if "/commit/" in path]) == 1


def test_a_connection_that_never_comes_back(hub, exported, capfd):
    hub.fail("POST", "/commit/", None)
    assert "the Hub cannot be reached" in message(capfd, push_folder, exported, "user/model")


def test_large_file_refused(hub, exported, capfd):
    hub.fail("PUT", "/lfs/", 403)
    assert "may not write there (403)" in message(capfd, push_folder, exported, "user/model")


def test_large_file_dropped_is_sent_again(hub, exported, pages):
    hub.fail("PUT", "/lfs/", None, times=1)
    push_folder(exported, "user/model")
    SmartModel.from_pretrained("user/model")


def test_large_file_over_the_quota(hub, exported, monkeypatch, capfd):
    def refuse(*_, **__):
        raise ValueError("LFS batch API returned errors:\nEncountered error for file with OID 1: `quota exceeded`")

    monkeypatch.setattr("huggingface_hub.hf_api.HfApi.create_commit", refuse)
    assert "the Hub refuses a file: Encountered error" in message(capfd, push_folder, exported, "user/model")


def test_our_own_mistakes_keep_their_traceback(hub, exported, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("ours")

    monkeypatch.setattr("huggingface_hub.hf_api.HfApi.create_commit", broken)
    with pytest.raises(RuntimeError, match="ours"):
        push_folder(exported, "user/model")


def test_destination_is_checked_without_writing(hub):
    check_destination("user/new", private=True)
    assert {method for method, _ in hub.requests} == {"GET"} and not hub.repositories


# Loading refusals -----------------------------------------------------------------------------------------------


def test_repository_that_is_not_there(hub):
    with pytest.raises(ModelError, match="user/none: neither a local folder nor a Hub repository you can read"):
        SmartModel.from_pretrained("user/none")


def test_private_repository_without_a_token(hub, exported, monkeypatch):
    push_folder(exported, "user/model")
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(ModelError, match="neither a local folder nor a Hub repository you can read"):
        SmartModel.from_pretrained("user/model")


def test_branch_that_is_not_there(hub, exported):
    push_folder(exported, "user/model")
    with pytest.raises(
        ModelError, match="user/model: not a local folder, and it could not be fetched from the Hub .*404"
    ):
        SmartModel.from_pretrained("user/model", revision="v9")


def test_download_cut_off_is_resumed(hub, exported, pages):
    push_folder(exported, "user/model")
    hub.fail("GET", "resolve/.*/model.safetensors", None, times=1)
    assert_same(
        encode(SmartModel.from_pretrained("user/model"), pages), encode(SmartModel.from_pretrained(exported), pages)
    )
