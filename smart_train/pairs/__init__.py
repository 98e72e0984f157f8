"""Pairs of queries and pages from PDF files: taken from the pages' own text, or written by a vision model."""

from smart_train.pairs.make import QueryWriter, make_pairs
from smart_train.pairs.settings import PairReport, PairSettings

__all__ = ["PairReport", "PairSettings", "QueryWriter", "make_pairs"]
