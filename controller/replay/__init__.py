"""Replays recorded observations under another configuration.

In: settings and the database of a service. Out: what these settings would have decided, paired with what was decided
then, as a value and as the document of `replay --json`.
"""
