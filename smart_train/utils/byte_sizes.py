"""Numbers of bytes as people read them."""

from __future__ import annotations

_UNITS = ("B", "KiB", "MiB", "GiB")


def byte_size(value: float) -> str:
    """`512 B`, `12 KiB`, `3.4 MiB`, `632.0 GiB`: in units of 1,024, as memory is counted. `decimal_size` has those of
    1,000."""
    unit = 0
    while value >= 1024 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.0f} {_UNITS[unit]}" if unit < 2 else f"{value:.1f} {_UNITS[unit]}"


def decimal_size(size: float) -> str:
    """`512 bytes`, `1.5 kB`, `14.7 MB`: in units of 1,000, as disks and networks are counted. `byte_size` has those of
    1,024."""
    for unit in ("bytes", "kB", "MB"):
        if size < 1_000:
            return f"{size:,.0f} {unit}" if unit == "bytes" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1_000
    return f"{size:,.1f} GB"
