"""The routing file, read."""
