"""What every package may use and none is about: whole files, retries, versions, the processor, saved settings."""
