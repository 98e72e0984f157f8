"""One file per backbone family, and the registry that finds a model's family."""
