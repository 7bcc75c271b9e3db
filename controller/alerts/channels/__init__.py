"""Channels that are handed each alert by itself: one file each, a subclass of `AlertStream` and what builds it."""
