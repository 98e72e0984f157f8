"""States of a frozen backbone, computed once and read from the disk by every later epoch, evaluation and run.

Under a projection no weight below the states is trained, so a page has the same states in every step. A cache is known
by all that they depend on beside the input (`identity`), and an input in it by its content (`state_key`), never by its
path: a page that is changed is another page. Runs that agree in the first share a folder.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import torch
import transformers
from torch import Tensor

import smart_train
from smart_train.distributed import gather_objects, on_main, rank, world_size
from smart_train.errors import BusyError, DataError, RunError, SmartTrainError
from smart_train.inputs.fetching import URL_SCHEMES
from smart_train.inputs.images import describe_image, image_key
from smart_train.inputs.video import video_key
from smart_train.models import SmartModel
from smart_train.models.encoding import encoded_parts
from smart_train.models.family import SMART_CONFIG, Features, Role
from smart_train.scoring.embeddings import Embeddings
from smart_train.training.state_shards import SHARD_BYTES, StateShards, faults, input_bytes
from smart_train.types import ModelInput
from smart_train.utils.atomic import remove, write_json
from smart_train.utils.hashing import stable_hash
from smart_train.utils.locks import LOCK_NAME, only_one
from smart_train.utils.manifest import MANIFEST, digests
from smart_train.utils.terms import FORMAT_BYTES

ABOUT_NAME = "about.json"
ROLES: tuple[Role, ...] = ("query", "document")
_FORMAT = 1  # of keys and files; raise it when either changes
_FILTERS = ("query_tokens", "document_tokens", "pooled_token")
_READ_BY_FAMILIES = ("*.json", "*.txt", "*.jinja", "*.model", "*.py")  # of a model's folder, beside its weights
_NOT_READ = (SMART_CONFIG, MANIFEST, "model.safetensors.index.json", "pytorch_model.bin.index.json")
_PATIENCE = 20.0  # seconds between two words of a lock that another run holds
_GROUP = 2048  # inputs that are held at a time: rows may bring their pages as bytes
_SAMPLE = 16  # inputs whose tokens are counted before anything is encoded


class Inputs(NamedTuple):
    """Inputs of one role that may be too many to be held: gone through once, then asked for by place."""

    role: Role
    every: Callable[[], Iterable[tuple[Hashable, ModelInput]]]  # each with its place
    at: Callable[[Any], ModelInput]


class Missing(NamedTuple):
    """An input whose states are not there: its key, and which place of which `Inputs` it has."""

    key: int
    source: int
    place: Any


@dataclass(frozen=True)
class Need:
    """What is about to be encoded.

    Args:
        inputs: by role, how many. known: how many are there already. size: bytes on disk, estimated.
    """

    inputs: dict[Role, int]
    known: int
    size: float


def state_key(item: ModelInput, role: Role) -> int:
    """Equal for inputs that every model reads alike; images and videos by their content.

    Raises:
        DataError: a file cannot be read, or is at a web address, behind which another may lie tomorrow.
    """
    frames = item.video if isinstance(item.video, list | tuple) else (item.video,)
    for reference in (*item.images, *frames):
        if isinstance(reference, str) and reference.startswith(URL_SCHEMES):
            raise DataError(
                f"{describe_image(reference)}: what a web address gives may change, so states of it cannot be kept; "
                "download the files, or set projection.state_cache: off"
            )
    images = [image_key(image) for image in item.images]
    video = None if item.video is None else video_key(item.video)
    return stable_hash(repr((role, item.text, item.instruction, images, video)).encode())


def identity(
    model: SmartModel, layers: Sequence[int], stored_as: str, autocast: torch.dtype | None, quantization: str | None
) -> dict[str, Any]:
    """All that a state depends on beside its input, as JSON values. Reads the base's weights, once a process.

    Args:
        layers: numbered from 0, the embeddings, to the number of decoder layers. quantization: what the backbone is
            held in, in words.
    """
    model.pin_base()
    base = model.named_base
    if base is None or (base.local and base.weights is None):
        raise RunError(
            "projection.state_cache: the files of the model's weights cannot be told from others, so states of it "
            "cannot be kept; set it to off"
        )
    folder = Path(model.family.folder)
    names = {path.name for pattern in _READ_BY_FAMILIES for path in folder.glob(pattern)} - set(_NOT_READ)
    return {
        "format": _FORMAT,
        "versions": {"smart_train": smart_train.__version__, "transformers": transformers.__version__},
        "base": base.weights if base.local else {"name": base.name, "revision": base.revision},
        "files": digests(folder, sorted(names)),
        "family": model.family.name,
        "prompts": model.family.prompts.to_dict(),
        "tokens": {name: getattr(model.scoring, name) for name in _FILTERS},
        "layers": list(layers),
        "state_dtype": stored_as,
        "computed": {
            "dtype": str(next(model.backbone.parameters()).dtype),
            "autocast": None if autocast is None else str(autocast),
            "quantization": quantization,
            "attention": model.config._attn_implementation,
            "device": model.device.type,
        },
    }


class StateCache:
    """The states of one backbone's inputs in one folder. A `StateSource`, and what a collator takes for a featurizer.

    Args:
        root: where caches lie, each in a folder of its own.
        stored_as: "auto", the dtype that states have, so that nothing is lost; else one of `NUMBER_FORMATS`.
        autocast: what the forward runs under; None: nothing.
        quantization: as `identity`.

    Every rank must make it.
    """

    def __init__(
        self,
        root: Path,
        model: SmartModel,
        layers: Sequence[int],
        *,
        stored_as: str = "auto",
        autocast: torch.dtype | None = None,
        quantization: str | None = None,
    ) -> None:
        self._depth = model.config.get_text_config().num_hidden_layers
        self.layers = sorted({layer % (self._depth + 1) for layer in layers})
        self.stored_as, self.autocast = stored_as, autocast
        self._filters = _filters(model)
        self.about = on_main(lambda: identity(model, self.layers, stored_as, autocast, quantization))
        name = hashlib.blake2b(json.dumps(self.about, sort_keys=True).encode(), digest_size=8).hexdigest()
        self.folder = root / name
        self.shards = StateShards(self.folder)

    def serves(self, model: SmartModel) -> bool:
        """See `StateSource`."""
        return _filters(model) == self._filters and set(self._columns(model.token_layers)) <= set(self.layers)

    def features(self, items: Sequence[ModelInput], role: Role, layers: Sequence[int]) -> Features | None:
        """See `StateSource`. Raises DataError where a file cannot be read."""
        keys = [state_key(item, role) for item in items]
        if not all(self.shards.holds(keys)):
            return None
        return self.shards.read(keys, [self.layers.index(layer) for layer in self._columns(layers)])

    def reader(self, layers: Sequence[int]) -> StateReader:
        """What gives the states of training rows to a collator."""
        return StateReader(self, tuple(layers))

    def fill(
        self,
        model: SmartModel,
        inputs: Sequence[Inputs],
        *,
        admit: Callable[[Need], None],
        say: Callable[[str], None],
        batch_size: int,
        num_workers: int | None = None,
        show_progress_bar: bool | None = None,
    ) -> None:
        """Has the states of all `inputs`: what is not there, or is damaged, is encoded, by all ranks together. One
        process at a time does so in a folder; others wait. A process that is killed leaves what it has finished.

        Args:
            admit: called by the main rank before anything is encoded; raises a SmartTrainError where that may not be.
            say: prints a line; called by the main rank.

        Raises:
            RunError: a rank does not see the folder. DataError: an input cannot be read.
        """
        with self._alone(say):
            self._check_seen_by_all()
            self._drop_damaged(say)
            missing = on_main(lambda: self._missing(model, inputs, admit))
            for role in ROLES:
                of_role = [one for one in missing if inputs[one.source].role == role]
                if of_role:
                    bar = show_progress_bar if rank() == 0 else False
                    self._encode(model, role, of_role, inputs, (batch_size, num_workers, bar))
            self.shards.refresh(on_main(lambda: self.shards.files))

    def _missing(self, model: SmartModel, inputs: Sequence[Inputs], admit: Callable[[Need], None]) -> list[Missing]:
        wanted: dict[int, Missing] = {}
        for number, source in enumerate(inputs):
            for place, item in source.every():
                key = state_key(item, source.role)
                wanted.setdefault(key, Missing(key, number, place))
        held = self.shards.holds(list(wanted))
        missing = [one for one, is_held in zip(wanted.values(), held, strict=True) if not is_held]
        counts: dict[Role, int] = dict.fromkeys(ROLES, 0)
        for one in missing:
            counts[inputs[one.source].role] += 1
        size = sum(counts[role] * self._input_bytes(model, role, missing, inputs) for role in ROLES if counts[role])
        admit(Need(counts, len(wanted) - len(missing), size))
        write_json(self.folder / ABOUT_NAME, self.about)
        return missing

    def _input_bytes(
        self, model: SmartModel, role: Role, missing: Sequence[Missing], inputs: Sequence[Inputs]
    ) -> float:
        """Bytes of one input, on average, from the tokens of a few."""
        of_role = [one for one in missing if inputs[one.source].role == role]
        sample = [inputs[one.source].at(one.place) for one in of_role[:: math.ceil(len(of_role) / _SAMPLE)]]
        tokens = sum(int(model.family.featurize([item], role)["token_mask"].sum()) for item in sample) / len(sample)
        return input_bytes(tokens, layers=len(self.layers), width=model.hidden_size, number=self._number(model))

    def _number(self, model: SmartModel) -> int:
        """Bytes of a state's number; of "auto" those of the weights, which norms may widen."""
        if self.stored_as == "auto":
            return next(model.backbone.parameters()).element_size()
        return FORMAT_BYTES[self.stored_as]

    def _encode(
        self,
        model: SmartModel,
        role: Role,
        missing: Sequence[Missing],
        inputs: Sequence[Inputs],
        options: tuple[int, int | None, bool | None],
    ) -> None:
        """Writes files of `missing`, every rank its share of them, one each at a time: no rank waits for long."""
        size = on_main(lambda: max(1, int(SHARD_BYTES / self._input_bytes(model, role, missing, inputs))))
        parts = [missing[start : start + size] for start in range(0, len(missing), size)]
        own_parts = parts[rank() :: world_size()]
        made = self._made(model, role, own_parts, size, inputs, options)
        for _ in range(0, len(parts), world_size()):
            failure: SmartTrainError | None = None
            try:
                for part, states in islice(made, 1):
                    self.shards.write([one.key for one in part], states, len(self.layers), self.stored_as)
            except SmartTrainError as error:
                failure = error
            for teller, other in enumerate(gather_objects(failure)):
                if other is not None:
                    other.from_main, other.told_by = failure is None, teller
                    raise other

    def _made(
        self,
        model: SmartModel,
        role: Role,
        parts: Sequence[Sequence[Missing]],
        size: int,
        inputs: Sequence[Inputs],
        options: tuple[int, int | None, bool | None],
    ) -> Iterator[tuple[Sequence[Missing], Embeddings]]:
        """Each of `parts`, encoded: states [sum T, L * H] as tokens. One loader serves several of them."""
        batch_size, num_workers, show_progress_bar = options
        layers = self.layers

        def read(features: Features) -> Embeddings:
            on, dtype = self.autocast is not None, self.autocast
            with torch.autocast(model.device.type, dtype=dtype, enabled=on):
                pooled, states, offsets = model.read_states(features, layers)
            return Embeddings(pooled, states[0] if len(states) == 1 else torch.cat(states, dim=1), offsets)

        together = max(1, _GROUP // size)
        for start in range(0, len(parts), together):
            group = parts[start : start + together]
            items = [inputs[one.source].at(one.place) for part in group for one in part]
            encoded = encoded_parts(
                model,
                items,
                role,
                size=size,
                batch_size=batch_size,
                show_progress_bar=show_progress_bar,
                num_workers=num_workers,
                read=read,
            )
            yield from zip(group, encoded, strict=True)

    def _drop_damaged(self, say: Callable[[str], None]) -> None:
        """Knows the whole files, and removes the others; ranks share the reading."""
        files: list[Path] = on_main(lambda: self.shards.files)
        damaged: dict[Path, str] = {}
        for part in gather_objects(faults(files[rank() :: world_size()])):
            damaged |= part

        def drop() -> None:
            for file, reason in damaged.items():
                say(f"{reason}. Its inputs are encoded again")
                remove(file)

        on_main(drop)
        self.shards.refresh([file for file in files if file not in damaged])

    def _check_seen_by_all(self) -> None:
        """Raises RunError where the folder that this rank writes to is not the main rank's."""
        if world_size() == 1:
            return
        mark = self.folder / ".seen"
        on_main(lambda: write_json(mark, self.about["format"]))
        blind = [place for place, seen in enumerate(gather_objects(mark.is_file())) if not seen]
        on_main(lambda: remove(mark))
        if blind:
            raise RunError(
                f"projection.state_cache: process {blind[0]} does not see {self.folder}, which the first process made; "
                "name a folder that all machines share, or set projection.state_cache: off"
            )

    @contextmanager
    def _alone(self, say: Callable[[str], None]) -> Iterator[None]:
        """Holds the folder's lock; waits for another run that is encoding, whose states this one then finds."""
        told = False
        with ExitStack() as stack:
            while True:
                try:
                    doing = "encoding states of a frozen backbone"
                    stack.enter_context(only_one(self.folder / LOCK_NAME, doing, patience=_PATIENCE, by=on_main))
                    break
                except BusyError as error:
                    if not told:
                        on_main(partial(say, f"{error}. Waiting for it"))
                    told = True
            yield

    def _columns(self, layers: Sequence[int]) -> list[int]:
        """`layers` as numbers from 0."""
        return [layer % (self._depth + 1) for layer in layers]


class StateReader:
    """A collator's featurizer that reads states instead of pages. Picklable for a loader's workers."""

    def __init__(self, cache: StateCache, layers: tuple[int, ...]) -> None:
        self.cache, self.layers = cache, layers

    def featurize(self, inputs: Sequence[ModelInput], role: Role) -> dict[str, Tensor]:
        """Raises DataError where an input is not the one that was encoded when the run began."""
        features = self.cache.features(inputs, role, self.layers)
        if features is None:
            raise DataError(
                f"a {role} has changed since its states were encoded, into {self.cache.folder}; start the run again, "
                "which encodes it"
            )
        return features


def _filters(model: SmartModel) -> tuple[str, ...]:
    """Which tokens the model keeps."""
    return tuple(getattr(model.scoring, name) for name in _FILTERS)
