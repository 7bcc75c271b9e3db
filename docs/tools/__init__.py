"""Draws the pictures of what Slack shows into `docs/`, from the messages that the code sends (`make pictures`)."""
