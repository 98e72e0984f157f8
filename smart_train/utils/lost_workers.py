"""What is said when a process that loads data is gone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from smart_train.errors import RunError, first_line


@contextmanager
def naming_lost_workers(advice: str) -> Iterator[None]:
    """Turns what torch says of a loader's worker that is gone into a RunError with `advice`. torch says it wherever the
    main thread is at that moment, not only where a batch is awaited."""
    try:
        yield
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise RunError(
            f"a process that loads data has ended ({first_line(error)}). The system may have killed it for lack of "
            f"memory, or of shared memory (/dev/shm): {advice}"
        ) from error
