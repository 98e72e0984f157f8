"""Work that some ranks do while others wait, however long it takes: they watch for signs of life over the store through
which the process group met, and no collective waits."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, cast

import torch.distributed as dist

from smart_train.distributed.ranks import is_main, rank, world_size
from smart_train.errors import RunError, SmartTrainError, first_line

T = TypeVar("T")
_BEAT = 10.0  # seconds between two signs of life; a tenth of the group's timeout where that is shorter
_LONGEST_PAUSE = 0.5  # seconds between two looks at what a rank that works has told
_LOST = (
    "It may have been killed, for lack of memory for example; a message of its own, if there is one, is elsewhere in "
    "this output. The same command continues from what is complete"
)


def on_main(function: Callable[[], T]) -> T:
    """`function` run by the main rank alone, its result (or its user error) on every rank.

    However long that takes, no rank waits in a collective, which would end the run after the group's timeout
    (`training.ddp_timeout`): the others watch for the main rank's signs of life, and only then comes the broadcast. A
    broadcast, because an all-gather makes room for as large a result of every rank.

    Raises:
        RunError: on the other ranks, when the main one failed otherwise than by a user's error, or when it gives no
            sign of life for the group's timeout.
    """
    if world_size() == 1:
        return function()
    outcome: tuple[Any, SmartTrainError | None] = (None, None)
    stages = _stages()
    number = stages.next()
    if is_main():
        with stages.working(number):
            try:
                outcome = (function(), None)
            except SmartTrainError as error:
                outcome = (None, error)
    else:
        stages.wait_for(0, number)
    box = [outcome]
    dist.broadcast_object_list(box, src=0)
    value, failure = box[0]
    if failure is not None:
        failure.from_main = not is_main()
        raise failure
    return value


def on_each(function: Callable[[], T]) -> list[T]:
    """`function` run by every rank at the same time; the results of all, in rank order, on the main rank, and [] on the
    others. However long the slowest rank takes, no rank waits for it in a collective.

    Raises:
        RunError: on every other rank, when `function` raised on one, or when one gives no sign of life.
    """
    if world_size() == 1:
        return [function()]
    stages = _stages()
    number, all_done = stages.next(), stages.next()
    # The main rank watches all, and the others watch the main one: all of them watching all would be too many looks.
    if is_main():
        with stages.working(all_done):
            share = function()
            for other in range(1, world_size()):
                stages.wait_for(other, number)
    else:
        with stages.working(number):
            share = function()
        stages.wait_for(0, all_done)
    shares: list[Any] | None = [None] * world_size() if is_main() else None
    dist.gather_object(share, shares, dst=0)
    return shares or []


def on_every_rank(function: Callable[[], T]) -> T:
    """This rank's result of `function`, which all ranks run at the same time, as to open a model. A user's error on
    any of them is raised on all and told by the main one: mostly each would find the same."""
    made: list[T] = []

    def attempt() -> SmartTrainError | None:
        try:
            made.append(function())
        except SmartTrainError as error:
            return error
        return None

    failures = on_each(attempt)

    def raise_first() -> None:
        """With the rank in front, where others do not have it: it may be on another machine."""
        failed = [(place, failure) for place, failure in enumerate(failures) if failure is not None]
        if failed:
            place, failure = failed[0]
            if len(failed) < len(failures):
                failure.args = (f"rank {place}: {failure}", *failure.args[1:])
            raise failure

    on_main(raise_first)
    return made[0]


def says_first(message: str, machine: int) -> bool:
    """Whether this rank is the first of its `machine` to ask this of `message`. Several ranks may each find the same,
    and it is told once.

    Args:
        machine: the rank of its first process.
    """
    key = hashlib.sha256(message.encode(errors="surrogatepass")).hexdigest()
    try:
        first = dist.distributed_c10d._get_default_store().add(f"smart_train/said/{machine}/{key}", 1) == 1
    except RuntimeError:  # the process that held the store has ended: it is better told twice than not at all
        return True
    if first and is_main():
        time.sleep(2 * _LONGEST_PAUSE)  # the others should ask: this process may take the store along
    return first


class _Stages:
    """What the ranks tell each other of the work that some of them do while others wait, over the store through which
    the process group met: which numbered stage a rank has ended, why one has failed, and a count that rises while a
    rank works, which is its sign of life.

    Args:
        store: of the process group. Its timeout is how long a rank without a sign of life is waited for.
    """

    def __init__(self, store: dist.Store) -> None:
        self.store = dist.PrefixStore("smart_train", store)
        self.patience = cast(Any, store).timeout.total_seconds()  # torch's types do not list it
        self.rank, self.number = rank(), 0
        self.store.set(f"{self.rank}/name", f" (process {os.getpid()} on {socket.gethostname()})")

    def next(self) -> int:
        """The number of the stage that begins; every rank must ask at the same places."""
        self.number += 1
        return self.number

    @contextlib.contextmanager
    def working(self, number: int) -> Iterator[None]:
        """Within, the others see that this rank is alive; afterwards, that it has ended stage `number`, or why not."""
        over = threading.Event()
        self.store.add(f"{self.rank}/signs", 1)
        threading.Thread(target=self._beat, args=(over,), name="signs of life", daemon=True).start()
        try:
            yield
            self.store.set(f"{self.rank}/ended", str(number))
        except BaseException as error:
            with contextlib.suppress(RuntimeError):  # without the store the others end by themselves
                self.store.set(f"failed/{number}", f"{self.rank} {message_for_other_ranks(error)}")
                time.sleep(2 * _LONGEST_PAUSE)  # they should read it: this process may take the store along
            raise
        finally:
            over.set()

    def wait_for(self, other: int, number: int) -> None:
        """Returns when rank `other` has ended stage `number`.

        Raises:
            RunError: a rank has failed in this stage, or `other` gives no sign of life.
        """
        signs, quiet, waited = "", 0.0, 0.0
        while True:
            # First: a rank whose caller went on after the failure may have ended a later stage by now.
            if told := self._read(f"failed/{number}"):
                teller, _, message = told.partition(" ")
                failure = RunError(message)
                failure.from_main, failure.told_by = True, int(teller)
                raise failure
            if int(self._read(f"{other}/ended") or 0) >= number:
                return
            signs_before, signs = signs, self._read(f"{other}/signs")
            quiet = quiet if signs == signs_before else 0.0
            if quiet > self.patience:
                name = self._read(f"{other}/name")
                raise RunError(
                    f"rank {other}{name} has given no sign of life for {self.patience:g} seconds (the timeout of the "
                    "process group; in a recipe: training.ddp_timeout) while the others waited for its part of the "
                    f"work. {_LOST}"
                )
            # Counted by what was slept, not by the clock: a process that was stopped for a while has missed nothing.
            pause = min(_LONGEST_PAUSE, 0.001 + waited / 10)
            time.sleep(pause)
            quiet, waited = quiet + pause, waited + pause

    def _beat(self, over: threading.Event) -> None:
        while not over.wait(min(_BEAT, self.patience / 10)):
            try:
                self.store.add(f"{self.rank}/signs", 1)
            except RuntimeError:  # the store is gone; this rank meets that itself when its work is done
                return

    def _read(self, key: str) -> str:
        try:
            return self.store.get(key).decode() if self.store.check([key]) else ""
        except RuntimeError as error:
            raise RunError(
                f"the process that holds what the ranks tell each other (rank 0, or the launcher) cannot be reached "
                f"({first_line(error)}). {_LOST}"
            ) from error


def message_for_other_ranks(error: BaseException) -> str:
    """What the other ranks say of what this one ends with."""
    if isinstance(error, SmartTrainError):
        return str(error) if error.from_main else f"rank {rank()} stopped: {error}"
    return f"rank {rank()} failed ({type(error).__name__}: {first_line(error)}); its output says where"


_stages_of: weakref.WeakKeyDictionary[dist.Store, _Stages] = weakref.WeakKeyDictionary()


def _stages() -> _Stages:
    """Those of the process group that runs now."""
    store = dist.distributed_c10d._get_default_store()
    if store not in _stages_of:
        _stages_of[store] = _Stages(store)
    return _stages_of[store]
