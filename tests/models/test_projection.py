"""The token projection: its formula by hand, what it reads, what it leaves alone, and its way through folders."""

import json

import pytest
import torch
from torch.nn import functional as F

from smart_train import ScoringConfig, SmartModel
from smart_train.errors import ModelError
from smart_train.export import export_model
from smart_train.models import TokenProjection
from smart_train.models.readout import READOUT
from tests.models.conftest import make_model
from tests.models.text_folders import encoder_folder

H = 96  # of the tiny Qwen3-VL, which has two decoder layers
KINDS = {
    "linear": {},
    "two maps": {"hidden_dim": 40},
    "three layers": {"layers": (0, 1, -1)},
    "two maps on two layers": {"hidden_dim": 24, "layers": (-1, 1)},
    "one inner layer": {"layers": (1,)},
}


@pytest.fixture
def base(tmp_path):
    make_model().save_pretrained(tmp_path / "base")
    return tmp_path / "base"


def projected(base, kind, dim=16):
    """The base with a projection far from its initial values."""
    model = SmartModel.from_pretrained(base)
    model.freeze_backbone()
    projection = TokenProjection(H, dim, **KINDS[kind])
    projection.reset(0)
    with torch.no_grad():
        for parameter in projection.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.3)
    model.add_projection(projection)
    return model.eval()


def states_of(model, features):
    """All hidden states at the kept positions, from the backbone itself."""
    inputs = {name: value for name, value in features.items() if name not in READOUT}
    with torch.no_grad():
        output = model.backbone(**inputs, output_hidden_states=True, return_dict=True)
    return [states[features["token_mask"]] for states in (*output.hidden_states[:-1], output.last_hidden_state)]


def test_one_map_and_two_maps_by_hand():
    state = torch.tensor([[3.0, 1.0, -1.0, -3.0]])  # mean 0, variance 5
    normal = state / (5 + 1e-5) ** 0.5
    single = TokenProjection(4, 2)
    torch.testing.assert_close(single(state), normal @ single.linear.weight.T)
    double = TokenProjection(4, 2, hidden_dim=3)
    middle = normal @ double.hidden.weight.T
    activated = middle * 0.5 * (1 + torch.erf(middle / 2**0.5))
    torch.testing.assert_close(double(state), activated @ double.linear.weight.T)
    assert (double.hidden_size, double.hidden_dim, double.dim) == (4, 3, 2)


def test_layer_weights_by_hand():
    projection = TokenProjection(4, 2, layers=(0, 1))
    with torch.no_grad():
        projection.layer_query.copy_(torch.tensor([0.0, 0.0, 0.0, 5.0]))  # rms 2.5: becomes (0, 0, 0, 2)
    first = torch.tensor([[2.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 7.0]])  # root mean squares 1 and 3.5
    second = torch.tensor([[0.0, 0.0, 0.0, 1.0], [0.0, 0.0, 0.0, 7.0]])  # 0.5 and 3.5
    # Scores <rms(state), rms(query)> / sqrt(4): 0 and 2 for the first token, 2 and 2 for the second.
    even = torch.tensor([[1 / (1 + torch.e**2), torch.e**2 / (1 + torch.e**2)], [0.5, 0.5]])
    weights = projection.layer_weights(first, second)
    torch.testing.assert_close(weights, even, atol=1e-5, rtol=0)
    mixed = weights[:, :1] * first + weights[:, 1:] * second
    torch.testing.assert_close(projection(first, second), projection.linear(projection.norm(mixed)))


def test_without_a_query_the_mixture_is_the_mean_and_equal_layers_are_one():
    several, single = TokenProjection(8, 4, layers=(0, 1, 2)), TokenProjection(8, 4)
    single.load_state_dict({name: value for name, value in several.state_dict().items() if name != "layer_query"})
    states = [torch.randn(5, 8) for _ in range(3)]
    torch.testing.assert_close(several(states[0], states[0], states[0]), single(states[0]))
    with torch.no_grad():
        several.layer_query.zero_()
    torch.testing.assert_close(several(*states), single(torch.stack(states).mean(0)))


def test_a_rotation_of_normalised_states_scores_as_no_projection(tmp_path):
    """BERT's states leave a LayerNorm whose weights are still 1 and 0: a second one changes nothing, and a square
    orthogonal map keeps every cosine."""
    plain = SmartModel.from_config(encoder_folder(tmp_path / "bert"), init_std=0.2)
    queries, documents = ["the cat", "red page total"], ["a dog sat", "the cat on the mat", "total revenue"]
    expected = plain.similarity(plain.encode_query(queries), plain.encode_document(documents))
    pooled = plain.encode_query(queries).pooled
    projection = TokenProjection(plain.hidden_size, plain.hidden_size)
    projection.reset(0)
    plain.add_projection(projection)
    rotated = plain.similarity(plain.encode_query(queries), plain.encode_document(documents))
    torch.testing.assert_close(rotated, expected, atol=1e-5, rtol=0)
    assert torch.equal(plain.encode_query(queries).pooled, pooled), "the pooled vector does not pass through it"


@pytest.mark.parametrize("kind", KINDS)
def test_it_reads_its_own_layers(base, mixed, kind):
    model = projected(base, kind)
    features = model.family.featurize(mixed, "document")
    everything = states_of(model, features)
    with torch.no_grad():
        tokens = model(features).packed
        expected = model.projection(*(everything[layer] for layer in model.projection.layers))
    torch.testing.assert_close(tokens, F.normalize(expected, dim=-1), atol=1e-6, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_forward_gives_the_states_that_its_tokens_are_made_of(base, mixed, kind):
    model = projected(base, kind)
    with torch.no_grad():
        output = model(model.family.featurize(mixed, "document"))
        assert len(output.states) == len(model.projection.layers)
        assert torch.equal(model.tokens_of(output.states), output.packed)
    plain = SmartModel.from_pretrained(base)
    assert plain(plain.family.featurize(mixed, "document")).states == (), "those of a backbone that is trained change"


@pytest.mark.parametrize("kind", KINDS)
def test_one_step_trains_every_weight_of_it_and_nothing_else(base, mixed, kind):
    model = projected(base, kind).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=1.0)
    out = model(model.family.featurize(mixed, "document"))
    (out.packed * torch.randn_like(out.packed)).sum().backward()
    optimizer.step()
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {f"projection.{name}" for name, _ in model.projection.named_parameters()}


@pytest.mark.parametrize("kind", KINDS)
def test_saved_and_loaded_it_gives_the_same_tokens(base, tmp_path, mixed, kind):
    model = projected(base, kind)
    model.save_pretrained(tmp_path / "trained")
    saved = json.loads((tmp_path / "trained" / "projection_config.json").read_text())
    assert saved == {
        "hidden_size": H,
        "dim": 16,
        "hidden_dim": KINDS[kind].get("hidden_dim"),
        "layers": list(KINDS[kind].get("layers", [-1])),
    }
    actual, expected = (
        SmartModel.from_pretrained(tmp_path / "trained").encode_document(mixed),
        model.encode_document(mixed),
    )
    assert torch.equal(actual.packed, expected.packed) and torch.equal(actual.pooled, expected.pooled)


def test_an_export_carries_it(base, tmp_path, mixed):
    model = projected(base, "two maps on two layers")
    model.save_pretrained(tmp_path / "trained")
    assert export_model(tmp_path / "trained", tmp_path / "export").parity.largest < 1e-6
    actual = SmartModel.from_pretrained(tmp_path / "export").encode_document(mixed)
    assert torch.equal(actual.packed, model.encode_document(mixed).packed)


def test_seeded_reset_draws_every_random_part_again():
    one, two, three = (TokenProjection(8, 4, hidden_dim=6, layers=(0, 1)) for _ in range(3))
    for projection, seed in ((one, 1), (two, 1), (three, 2)):
        projection.reset(seed)
    for name, value in one.state_dict().items():
        assert torch.equal(value, two.state_dict()[name])
        assert name.startswith("norm.") or not torch.equal(value, three.state_dict()[name])
    torch.testing.assert_close(one.linear.weight @ one.linear.weight.T, torch.eye(4), atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dim": 97}, "projection.dim 97 must lie between 1 and the backbone's hidden size 96"),
        ({"dim": 0}, "projection.dim 0 must lie between 1"),
        ({"hidden_dim": 0}, "projection.hidden_dim 0 must be at least 1"),
        ({"layers": ()}, r"projection.layers \[\] must name at least one layer, and none twice"),
        ({"layers": (1, 1)}, r"projection.layers \[1, 1\] must name at least one layer, and none twice"),
    ],
)
def test_a_shape_that_is_no_projection_is_refused(arguments, message):
    with pytest.raises(ModelError, match=message):
        TokenProjection(**{"hidden_size": H, "dim": 16, **arguments})


@pytest.mark.parametrize(
    ("projection", "layer", "message"),
    [
        (TokenProjection(64, 8), -1, "trained on hidden size 64, the backbone has 96"),
        (TokenProjection(H, 8, layers=(0, 3)), -1, r"projection.layers 3 is out of range: .* hidden states -3 .. 2"),
        (
            TokenProjection(H, 8, layers=(-1, 2)),
            -1,
            r"projection.layers \[-1, 2\] name one layer twice: with 2 layers, -1 is layer 2",
        ),
        (TokenProjection(H, 8), 1, r"scoring.layer 1: the token projection reads its own layers, \[-1\]"),
        (TokenProjection(H, 8, layers=(0, 1)), 1, r"scoring.layer 1: the token projection reads its own"),
    ],
)
def test_a_projection_that_does_not_fit_the_model_is_refused(projection, layer, message):
    model = make_model(scoring=ScoringConfig(layer=layer))
    with pytest.raises(ModelError, match=message):
        model.add_projection(projection)
    assert model.projection is None


def test_scoring_may_name_the_layer_that_the_projection_reads(mixed):
    model = make_model(scoring=ScoringConfig(layer=1))
    model.add_projection(TokenProjection(H, 8, layers=(1,)))
    assert model.encode_document(mixed).packed.shape[1] == 8


def edit(**changes):
    def change(folder):
        path = folder / "projection_config.json"
        values = {**json.loads(path.read_text()), **changes}
        path.write_text(json.dumps({name: value for name, value in values.items() if value is not ...}))

    return change


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (edit(layers=...), "must hold hidden_size, dim, hidden_dim, layers; holds hidden_size, dim, hidden_dim$"),
        (edit(activation="relu"), "holds hidden_size, dim, hidden_dim, layers, activation"),
        (edit(dim="16"), "widths must be whole numbers, layers a list of them"),
        (edit(layers=-1), "widths must be whole numbers, layers a list of them"),
        (edit(dim=200), "projection.dim 200 must lie between 1"),
        (edit(dim=12), r"projection.safetensors: .*size mismatch for linear.weight"),
        (edit(hidden_dim=8), r'projection.safetensors: .*Missing key\(s\) in state_dict: "hidden.weight"'),
        (lambda folder: (folder / "projection_config.json").write_text("{"), "projection_config.json: not valid JSON"),
        (lambda folder: (folder / "projection.safetensors").write_bytes(b"??"), "projection.safetensors: .*header"),
        (lambda folder: (folder / "projection.safetensors").unlink(), "projection.safetensors: .*No such file"),
    ],
)
def test_a_damaged_folder_is_refused(tmp_path, damage, message):
    TokenProjection(H, 16).save(tmp_path)
    damage(tmp_path)
    with pytest.raises(ModelError, match=message):
        TokenProjection.load(tmp_path)
