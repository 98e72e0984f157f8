"""Validation: what is wrong with a data set, before a run spends hours on it."""

from smart_train.validation.findings import Finding
from smart_train.validation.page import write_page
from smart_train.validation.reading import Part, read_corpus, read_part, read_rows
from smart_train.validation.report import ValidationReport, print_validation, validate

__all__ = [
    "Finding",
    "Part",
    "ValidationReport",
    "print_validation",
    "read_corpus",
    "read_part",
    "read_rows",
    "validate",
    "write_page",
]
