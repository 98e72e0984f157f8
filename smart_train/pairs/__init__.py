"""Pairs of queries and pages from PDF files: taken from the pages' own text, or written by a vision model."""

from smart_train.pairs.endpoint import ChatEndpoint
from smart_train.pairs.make import QueryWriter, make_pairs
from smart_train.pairs.round_trip import RoundTrip
from smart_train.pairs.settings import PairReport, PairSettings
from smart_train.pairs.vision import Estimate, VisionWriter

__all__ = [
    "ChatEndpoint",
    "Estimate",
    "PairReport",
    "PairSettings",
    "QueryWriter",
    "RoundTrip",
    "VisionWriter",
    "make_pairs",
]
