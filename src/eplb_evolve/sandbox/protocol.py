"""Sizes that both ends of a sandbox channel agree on."""

INPUT_BYTES = 16 << 20
"""Shared mapping for weight and old_phy2log."""

MESSAGE_BYTES = 65536
"""Largest JSON message."""
