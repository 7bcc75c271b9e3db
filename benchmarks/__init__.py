"""Measured promises; `make bench` runs them."""
