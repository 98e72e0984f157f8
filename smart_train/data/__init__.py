"""Data: sources of many formats -> `Example` -> batches of features."""

from smart_train.data.batches import Group, GroupedBatches
from smart_train.data.checks import CheckReport, check_examples
from smart_train.data.collator import PairCollator
from smart_train.data.config import SourceConfig
from smart_train.data.formats.pdf import PdfPage, read_pdf, read_pdfs
from smart_train.data.mixture import Mixture, MixturePart, groups_of
from smart_train.data.page_cache import PageCache
from smart_train.data.rows import ExampleRows
from smart_train.data.sources import load_documents, load_examples, load_held_out, load_own_documents

__all__ = [
    "CheckReport",
    "ExampleRows",
    "Group",
    "GroupedBatches",
    "Mixture",
    "MixturePart",
    "PageCache",
    "PairCollator",
    "PdfPage",
    "SourceConfig",
    "check_examples",
    "groups_of",
    "load_documents",
    "load_examples",
    "load_held_out",
    "load_own_documents",
    "read_pdf",
    "read_pdfs",
]
