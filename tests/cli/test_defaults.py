"""A command without options does what the library does without arguments. `benchmark`, which needs mteb, is tested with
its suites."""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, signature
from typing import Any, get_args

import pytest

from smart_train.cli.encode import encode
from smart_train.cli.make_pairs import make_pairs
from smart_train.cli.mine import mine
from smart_train.cli.probe import probe
from smart_train.cli.search import search
from smart_train.cli.tune import tune
from smart_train.cli.validate_data import validate_data
from smart_train.cli.verify import verify
from smart_train.evaluation import tune as tune_model
from smart_train.evaluation.probe import probe as probe_model
from smart_train.export import verify_folder
from smart_train.pairs import PairSettings, RoundTrip, VisionWriter
from smart_train.retrieval import MiningConfig, mine_negatives, search_folder, update_index
from smart_train.utils.defaults import CHUNK_TOKENS, PairDefaults
from smart_train.validation import write_page

PAIRS = [
    (mine, MiningConfig, {"negatives", "first_rank", "last_rank", "margin", "pick", "seed", "when_short", "score"}),
    (mine, mine_negatives, {"shard_size", "store", "products", "batch_size"}),
    (search, search_folder, {"top_k", "candidates", "batch_size"}),
    (encode, update_index, {"batch_size", "store"}),
    (tune, tune_model, {"metric", "max_bytes", "seed", "batch_size"}),
    (probe, probe_model, {"metric", "pairs", "batch_size"}),
    (verify, verify_folder, {"tolerance"}),
    (validate_data, write_page, {"samples"}),
    (make_pairs, PairSettings, {"queries_per_page", "held_out", "test", "seed", "on_error", "ocr", "office"}),
    (make_pairs, VisionWriter, {"workers", "prices"}),
]


def defaults(call: Callable[..., Any]) -> dict[str, Any]:
    return {
        name: item.default for name, item in signature(call).parameters.items() if item.default is not Parameter.empty
    }


@pytest.mark.parametrize(("command", "library", "at_least"), PAIRS)
def test_a_commands_defaults_are_the_librarys(
    command: Callable[..., None], library: Callable[..., Any], at_least: set[str]
) -> None:
    of_command, of_library = defaults(command), defaults(library)
    shared = (of_command.keys() & of_library.keys()) - {"dpi"}  # make-pairs tells whether --dpi was given
    assert at_least <= shared
    assert {name: of_command[name] for name in shared} == {name: of_library[name] for name in shared}


def test_what_make_pairs_says_of_an_option_that_is_not_given_is_what_the_library_does() -> None:
    assert vars(PairSettings()) == PairDefaults()._asdict()
    for option, told in (
        ("dpi", f"Default: {PairSettings().dpi}."),
        ("chunk_tokens", f"else {CHUNK_TOKENS}."),
        ("check_first", f"Default: {defaults(RoundTrip)['first']}."),
    ):
        annotation = signature(make_pairs, eval_str=True).parameters[option].annotation
        assert get_args(annotation)[1].help.endswith(told)
