"""Encode a corpus once, keep it, search it, mine hard negatives from it."""

from smart_train.retrieval.document_sources import collection, find_images, is_collection
from smart_train.retrieval.encode_documents import encode_folder, update_index
from smart_train.retrieval.encoder import Encoder
from smart_train.retrieval.fingerprints import model_fingerprint
from smart_train.retrieval.index import DocumentIndex, Source
from smart_train.retrieval.mining import MiningSummary, mine_negatives
from smart_train.retrieval.mining_rules import MiningConfig
from smart_train.retrieval.search import Hit, check_request, search, search_embeddings, search_folder

__all__ = [
    "DocumentIndex",
    "Encoder",
    "Hit",
    "MiningConfig",
    "MiningSummary",
    "Source",
    "check_request",
    "collection",
    "encode_folder",
    "find_images",
    "is_collection",
    "mine_negatives",
    "model_fingerprint",
    "search",
    "search_embeddings",
    "search_folder",
    "update_index",
]
