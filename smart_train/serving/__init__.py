"""Other programs' servers and engines: reading a model that runs there, and writing embeddings as they take them."""

from smart_train.serving.plaid import read_plaid, write_plaid
from smart_train.serving.qdrant import write_qdrant
from smart_train.serving.vllm import VLLMClient

__all__ = ["VLLMClient", "read_plaid", "write_plaid", "write_qdrant"]
