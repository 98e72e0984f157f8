"""Pages, as the export's tests have them."""

from tests.export.conftest import pages  # noqa: F401
