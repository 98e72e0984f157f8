"""Pages, and exports that are read back by two libraries instead of four."""

from tests.export.conftest import pages, without_peers  # noqa: F401
