"""Slack: decides which messages are due, puts them together, and posts, edits and finds them.

In come incidents and events with what was told of them; out go messages, by a bot or by an incoming webhook.
"""
