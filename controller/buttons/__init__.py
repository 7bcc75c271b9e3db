"""Buttons below Slack's messages: which there are, and what a press does."""
