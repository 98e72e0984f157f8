"""Data: sources of many formats -> `Example` -> batches of features."""

from smart_train.data.checks import CheckReport, check_examples
from smart_train.data.collator import PairCollator
from smart_train.data.config import SourceConfig
from smart_train.data.pdf import PdfPage, read_pdf, read_pdfs
from smart_train.data.rows import ExampleRows
from smart_train.data.sources import load_documents, load_examples, load_own_documents

__all__ = [
    "CheckReport",
    "ExampleRows",
    "PairCollator",
    "PdfPage",
    "SourceConfig",
    "check_examples",
    "load_documents",
    "load_examples",
    "load_own_documents",
    "read_pdf",
    "read_pdfs",
]
