"""Where a pooled loss's gradient goes, against a gradient that the test takes itself."""

import pytest
import torch
from torch.nn import functional as F

from smart_train.errors import ModelError
from smart_train.models.pooled_gradients import decoder_layers, pooled_gradients
from smart_train.types import ModelInput
from tests.models.conftest import make_model

QUERIES = [ModelInput(text="red above blue"), ModelInput(text="what is at the left of the green one")]


@pytest.fixture
def documents(pages):
    return [ModelInput(images=(page,)) for page in pages[:2]]


def test_after_the_last_layer_only_the_pooled_position_has_a_gradient(documents):
    model = make_model()
    last = model.config.get_text_config().num_hidden_layers
    found = pooled_gradients(model, QUERIES, documents)
    assert {layer for layer, _ in found} == set(range(1, last + 1)) and {kind for _, kind in found} <= {
        "pooled",
        "visual",
        "text",
        "other",
    }
    assert found[last, "pooled"][0] == len(documents) and found[last, "pooled"][2] == 1.0
    assert found[last, "visual"][1] == 0.0
    assert found[1, "visual"][1] > 0.0, "attention carries it to the pages' tokens"
    for layer in range(1, last + 1):
        assert sum(share for (at, _), (_, _, share) in found.items() if at == layer) == pytest.approx(1.0)


def test_the_gradient_is_that_of_the_loss(documents):
    """The state after the last layer, whose gradient reaches the loss through the final norm alone."""
    model = make_model()
    last = model.config.get_text_config().num_hidden_layers
    states = []
    handle = decoder_layers(model)[-1].register_forward_hook(
        lambda _module, _inputs, output: states.append(output if torch.is_tensor(output) else output[0])
    )
    with torch.no_grad():
        asked = model(model.family.featurize(QUERIES, "query")).pooled
    states.clear()
    answered = model(model.family.featurize(documents, "document")).pooled
    handle.remove()
    F.cross_entropy(asked @ answered.T / 0.05, torch.arange(2)).backward(inputs=states)
    norms = states[0].grad.norm(dim=-1)
    count, mean, _ = pooled_gradients(model, QUERIES, documents)[last, "pooled"]
    assert mean == pytest.approx(float(norms.sum()) / count, rel=1e-5)


def test_a_frozen_backbone_gives_the_same_and_stays_frozen(documents):
    model = make_model()
    wanted = pooled_gradients(model, QUERIES, documents)
    model.freeze_backbone()
    found = pooled_gradients(model, QUERIES, documents)
    assert found.keys() == wanted.keys()
    for key, (count, mean, share) in wanted.items():
        assert found[key] == (count, pytest.approx(mean, rel=1e-4), pytest.approx(share, rel=1e-4))
    assert model.backbone_frozen and all(parameter.grad is None for parameter in model.parameters())


def test_one_pair_is_refused(documents):
    with pytest.raises(ModelError, match="1 queries and 1 documents; it needs one document for each query, and at lea"):
        pooled_gradients(make_model(), QUERIES[:1], documents[:1])
