"""Channels that are handed each alert by itself: one file each, a subclass of `PerAlertChannel` and what builds it."""
