"""A repository whose layout names modules of smart_train, in sentence-transformers."""

import pytest
import torch

from smart_train import ScoringConfig, SmartModel
from smart_train.export import export_model, push_folder
from tests.models.text_folders import encoder_folder

sentence_transformers = pytest.importorskip("sentence_transformers", minversion="6.0")
pytestmark = pytest.mark.usefixtures("without_peers")
QUERIES = ["the cat sat", "red page"]


def test_both_classes_read_it_by_its_name(hub, tmp_path):
    source = encoder_folder(tmp_path / "source")
    SmartModel.from_config(source, init_std=0.3, scoring=ScoringConfig(layer=1)).save_pretrained(tmp_path / "trained")
    export_model(tmp_path / "trained", tmp_path / "export")
    push_folder(tmp_path / "export", "user/inner")
    # Trust runs nothing of the repository: there is no code in it.
    assert not [name for name in hub.files("user/inner") if name.endswith(".py")]
    ours = SmartModel.from_pretrained(tmp_path / "export", device="cpu").encode_query(QUERIES)
    single = sentence_transformers.SentenceTransformer("user/inner", device="cpu", trust_remote_code=True)
    torch.testing.assert_close(torch.from_numpy(single.encode_query(QUERIES)), ours.pooled)
    several = sentence_transformers.MultiVectorEncoder("user/inner", device="cpu", trust_remote_code=True)
    for theirs, expected in zip(several.encode_query(QUERIES), ours.tokens, strict=True):
        torch.testing.assert_close(theirs, expected)
