"""Gradient caching: the memory of a chunk, the candidates of a batch (GradCache, arXiv 2101.06983).

The batch is encoded in chunks without a graph. Scores and loss see all of it at once. When the backward pass reaches
the embeddings, every chunk is encoded again, now with a graph and with the random numbers of the first time, and hands
on the gradient of its embeddings. The result is that of the same chunks with their graphs kept, for a second forward.
Of that second forward, what has no trained weight is left out where its result can be kept: the vision tower, and all
of a frozen backbone below a projection. What was sent to the device for the first is kept there, where it has room.

It is activation checkpointing of the whole encoder, and built like it: an autograd function whose backward replays. So
what the Trainer does with a loss (scaling, accumulation) needs no second version here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from smart_train.distributed import gather_objects, world_size
from smart_train.errors import RunError
from smart_train.models import SmartModel
from smart_train.models.family import Features
from smart_train.models.readout import TOKEN_COUNTS, ForwardOutput, is_sent, kept_numbers, on_device
from smart_train.models.slicing import select_rows
from smart_train.models.stored_states import is_stored, select_stored, stored, token_counts
from smart_train.scoring.embeddings import Embeddings
from smart_train.training.chunk_order import Order
from smart_train.training.kept_inputs import KeptInputs
from smart_train.training.kept_vision import KeepVision, KeptVision, budget, check_keep_vision

_BUCKET_BYTES = 32 * 2**20
_COMPANY = -1  # in the place of a chunk's number: of forwards that only keep other ranks company


@dataclass(frozen=True)
class GradientCaching:
    """How much of one side of a batch is encoded at a time; at least one bound is given, and both hold.

    Args:
        mini_batch_size: most inputs.
        mini_batch_tokens: most tokens, padding included (visual tokens are tokens). An input longer than this is
            encoded alone.
        keep_vision: memory for outputs of a frozen vision tower, which the second forward then need not compute, and
            for inputs, which then need not be sent again: "auto" (a tenth of the device's), "off", or GiB. Changes
            neither loss nor gradients.

    Raises:
        RunError: no bound, or one below 1; a `keep_vision` that is something else.
    """

    mini_batch_size: int | None = None
    mini_batch_tokens: int | None = None
    keep_vision: KeepVision = "auto"

    def __post_init__(self) -> None:
        bounds = {"mini_batch_size": self.mini_batch_size, "mini_batch_tokens": self.mini_batch_tokens}
        if all(value is None for value in bounds.values()):
            raise RunError(f"gradient_caching: give {' or '.join(bounds)}; without a bound there is nothing to cache")
        for name, value in bounds.items():
            if value is not None and value < 1:
                raise RunError(f"gradient_caching.{name} is {value}; it must be at least 1")
        check_keep_vision(self.keep_vision)

    def rows(self, length: int) -> int:
        """How many inputs of `length` tokens are encoded at a time."""
        by_tokens = max(1, self.mini_batch_tokens // max(1, length)) if self.mini_batch_tokens else None
        return min(bound for bound in (self.mini_batch_size, by_tokens) if bound is not None)

    def chunks(self, lengths: Sequence[int]) -> list[list[int]]:
        """Row numbers of each chunk: every row once, longest first, so that little is padded."""
        order = sorted(range(len(lengths)), key=lambda row: -lengths[row])
        chunks = []
        while order:
            count = self.rows(lengths[order[0]])
            chunks.append(order[:count])
            order = order[count:]
        return chunks


@dataclass(frozen=True)
class HostFeatures:
    """Features that the loader and the Trainer leave in main memory, since they do not know what this is.

    The pixels of 512 pages would fill a small GPU before the first of them is encoded; chunks move there one by one.
    """

    features: Features

    def pin_memory(self) -> HostFeatures:
        """The same in pinned memory; a loader that pins its batches looks for this method."""
        return HostFeatures({name: value.pin_memory() for name, value in self.features.items()})


class HostCollator:
    """A collator whose features stay in main memory. Picklable for the loader's workers."""

    def __init__(self, collator: Callable[[Sequence[Any]], dict[str, Any]]) -> None:
        self.collator = collator

    def __call__(self, examples: Sequence[Any]) -> dict[str, Any]:
        batch = self.collator(examples)
        return {**batch, **{side: HostFeatures(batch[side]) for side in ("query", "document")}}


def encode_cached(model: SmartModel, features: Features | HostFeatures, caching: GradientCaching) -> Embeddings:
    """`model.embed(features)` with the memory of one chunk's graph; differentiable once with respect to parameters.

    The backward must run while the parameters still are what they were here, and under no other autocast than this.

    Args:
        features: all rows of one side, on any device.
    """
    encoder = ChunkedEncoder(model, features, caching)
    if not torch.is_grad_enabled():
        return Embeddings(*encoder.encode(), encoder.offsets, numbers=encoder.numbers)
    anchor = torch.zeros((), requires_grad=True)  # autograd calls the backward of a function only for an input's sake
    pooled, packed = _Replay.apply(anchor, encoder)
    return Embeddings(pooled, packed, encoder.offsets, numbers=encoder.numbers)


class _Replay(torch.autograd.Function):
    """Pooled [B, D] and packed tokens [sum T, d]; the backward encodes again and leaves gradients in the parameters."""

    @staticmethod
    def forward(ctx: Any, anchor: Tensor, encoder: ChunkedEncoder) -> tuple[Tensor, Tensor]:
        ctx.encoder = encoder
        ctx.set_materialize_grads(False)
        return encoder.encode()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, pooled: Tensor | None, packed: Tensor | None) -> tuple[None, None]:
        with torch.enable_grad():
            ctx.encoder.replay(pooled, packed)
        return None, None


class ChunkedEncoder:
    """One side of a batch: encoded once without a graph, then chunk by chunk with one.

    Args:
        features: all rows of one side, on any device.
        forward: what to call instead of the model, for an engine that has to see every forward and backward.
    """

    def __init__(
        self,
        model: SmartModel,
        features: Features | HostFeatures,
        caching: GradientCaching,
        *,
        forward: Callable[[Features], ForwardOutput] | None = None,
    ) -> None:
        features = features.features if isinstance(features, HostFeatures) else features
        self.forward: Callable[[Features], ForwardOutput] = forward or model
        self.model = model
        # Without a gradient for the backbone only the projection is replayed, from the states that it reads. States
        # that come from the disk are in `features` for both forwards.
        self.keeps_states = model.backbone_frozen and model.projection is not None and not is_stored(features)
        self.states: dict[int, Features] = {}
        self.features = features
        self.visuals = model.family.visual_fields
        self.device = model.device
        self.chunks = caching.chunks(token_counts(features))
        self.order = Order(kept_numbers(features), self.chunks, self.device)
        # Ranks that wait for each other inside a forward need equally many of them: some run one for company.
        self.company = max(gather_objects(len(self.chunks))) - len(self.chunks) if model.in_step else 0
        self.numbers, self.offsets = self.order.numbers, self.order.offsets
        self.random: list[tuple[Tensor, Tensor | None]] = []
        kind = self.device.type
        self.autocast = (torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind))
        # Nothing is replayed for whoever wants no gradients.
        self.replays = torch.is_grad_enabled()
        # Half of it: the two sides of a batch wait for their second forward together.
        room = budget(caching.keep_vision, self.device) // 2 if self.replays and not self.keeps_states else 0
        self.inputs = KeptInputs(room)
        self.vision = KeptVision(model, self.inputs, self._random_state, self._set_random_state)
        self.sends = is_sent(features, self.device)

    def encode(self) -> tuple[Tensor, Tensor]:
        """Pooled vectors and packed tokens of all rows, in the order of the rows."""
        pooled: Tensor | None = None
        packed: Tensor | None = None
        with torch.no_grad():
            # First, as in `replay`: the same chunks of the ranks then meet in both forwards.
            for _ in range(self.company):
                self._first(_COMPANY, [0])
            for number, chunk in enumerate(self.chunks):
                self.random.append(self._random_state())
                part = self._first(number, chunk)
                if pooled is None or packed is None:
                    pooled = part.pooled.new_empty(len(self.numbers) - 1, part.pooled.shape[1])
                    packed = part.packed.new_empty(self.numbers[-1], part.packed.shape[1])
                pooled[self.order.rows(number)] = part.pooled
                packed[self.order.tokens(number)] = part.packed
        assert pooled is not None and packed is not None, "a side has rows"
        return pooled, packed

    def replay(
        self,
        pooled: Tensor | None,
        packed: Tensor | None,
        backward: Callable[[list[Tensor], list[Tensor], bool], None] = lambda values, gradients, _: (
            torch.autograd.backward(values, gradients)
        ),
    ) -> None:
        """Adds to the parameters' gradients what those of the embeddings (None: zero) make of them.

        Args:
            backward: called with some values, their gradients, and whether they are the last of this side.
        """
        for _ in range(self.company):
            with self._as_before(self._random_state()):  # any numbers do, but not another precision
                part = self._again(_COMPANY, [0])
            values = [value for value in (part.pooled, part.packed) if value.requires_grad]
            backward(values, [torch.zeros_like(value) for value in values], False)
        for number, (chunk, state) in enumerate(zip(self.chunks, self.random, strict=True)):
            with self._as_before(state):
                part = self._again(number, chunk)
            # Without the gradient's filter a frozen backbone's pooled vectors, which have no graph, would be an error.
            pairs = [
                (value, gradient[where])
                for value, gradient, where in (
                    (part.pooled, pooled, self.order.rows(number)),
                    (part.packed, packed, self.order.tokens(number)),
                )
                if gradient is not None and value.requires_grad
            ]
            if pairs:
                embeddings, gradients = zip(*pairs, strict=True)
                backward(list(embeddings), list(gradients), number == len(self.chunks) - 1)

    def _first(self, number: int, chunk: list[int]) -> Embeddings:
        """The chunk's embeddings; what `_again` need not compute is kept."""
        features = self._features(chunk)
        if self.keeps_states:
            output = self.forward(features)
            if self.replays:
                self.states[number] = _stored(output, features[TOKEN_COUNTS])
            return output.embeddings(kept_numbers(features))
        if number == _COMPANY:
            return self._embed(features)
        with self.vision.recording(number):
            part = self._embed(features)
        without_pixels = self.model.family.without_pixels(features) if self.vision.holds(number) else None
        # Where nothing is sent, chunks would be a second copy of the batch; without pixels they are small.
        if self.sends or without_pixels is not None:
            self.inputs.keep(number, features if without_pixels is None else without_pixels)
        return part

    def _again(self, number: int, chunk: list[int]) -> Embeddings:
        """The chunk's embeddings with a graph, from what `_first` kept."""
        if self.keeps_states:
            return self._embed(self.states[number] if number == _COMPANY else self.states.pop(number))
        features = self.inputs.take(number)
        with self.vision.replaying(number):
            return self._embed(self._features(chunk) if features is None else features)

    def _embed(self, features: Features) -> Embeddings:
        return self.forward(features).embeddings(kept_numbers(features))

    def _features(self, chunk: list[int]) -> Features:
        if is_stored(self.features):
            features = select_stored(self.features, chunk)
        else:
            features = select_rows(self.features, chunk, self.visuals)
        return on_device(features, self.device)

    def _random_state(self) -> tuple[Tensor, Tensor | None]:
        """State of the CPU's generator, and of the device's where that is another."""
        on_device = None if self.device.type == "cpu" else _generator(self.device).get_rng_state(self.device)
        return torch.get_rng_state(), on_device

    def _set_random_state(self, state: tuple[Tensor, Tensor | None]) -> None:
        on_cpu, on_device = state
        torch.set_rng_state(on_cpu)
        if on_device is not None:
            _generator(self.device).set_rng_state(on_device, self.device)

    @contextmanager
    def _as_before(self, state: tuple[Tensor, Tensor | None]) -> Iterator[None]:
        """The random numbers and the precision of `encode`; the generators then go on as if nothing had happened."""
        enabled, dtype = self.autocast
        on_device = state[1]
        devices = [] if on_device is None else [self.device]
        with (
            torch.random.fork_rng(devices, device_type=self.device.type if devices else "cuda"),
            torch.autocast(self.device.type, dtype=dtype, enabled=enabled),
        ):
            self._set_random_state(state)
            # A weight's half-precision copy from `encode`, which has no graph, would silently end its gradient.
            torch.clear_autocast_cache()
            yield


def _stored(output: ForwardOutput, counts: Tensor) -> Features:
    """The states of `output` in the place of features. With the counts, which are in main memory: nothing waits for the
    device to learn them."""
    states = output.states
    layers = states[0].unsqueeze(1) if len(states) == 1 else torch.stack(states, dim=1)
    return {**stored(output.pooled, output.offsets, layers, None), TOKEN_COUNTS: counts}


def _generator(device: torch.device) -> Any:
    return torch.get_device_module(device)


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replaces every gradient by its mean over the ranks; nothing on one process.

    For backward passes that DistributedDataParallel did not see. It could be made to see the last chunk's, but expects
    every parameter in it: a chunk of text leaves the vision tower out, and a learned temperature is in no chunk.

    A parameter without a gradient on this rank counts as zero, and keeps none when no rank has one.
    """
    if world_size() == 1:
        return
    parameters = [parameter for parameter in parameters if parameter.requires_grad]
    if not parameters:
        return
    used = torch.tensor([parameter.grad is not None for parameter in parameters], device=parameters[0].device)
    used = used.to(torch.uint8)
    dist.all_reduce(used, op=dist.ReduceOp.MAX)
    for parameter, anywhere in zip(parameters, used.tolist(), strict=True):
        if anywhere and parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    for bucket in _buckets([parameter.grad for parameter in parameters if parameter.grad is not None]):
        flat = torch.cat([gradient.flatten() for gradient in bucket]).div_(world_size())
        dist.all_reduce(flat)
        for gradient, mean in zip(bucket, flat.split([gradient.numel() for gradient in bucket]), strict=True):
            gradient.copy_(mean.view_as(gradient))


def _buckets(gradients: list[Tensor]) -> Iterator[list[Tensor]]:
    """Gradients in order, about `_BUCKET_BYTES` of one dtype and device at a time: few messages, little memory."""
    bucket: list[Tensor] = []
    size = 0
    for gradient in gradients:
        alike = not bucket or (gradient.dtype, gradient.device) == (bucket[0].dtype, bucket[0].device)
        if bucket and (not alike or size >= _BUCKET_BYTES):
            yield bucket
            bucket, size = [], 0
        bucket.append(gradient)
        size += gradient.numel() * gradient.element_size()
    if bucket:
        yield bucket
