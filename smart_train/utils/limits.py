"""Bounds that more than one layer holds to, where no library need be imported to know them."""

MIN_TEMPERATURE = 0.01  # a learned temperature below this makes one hard negative own the gradient
