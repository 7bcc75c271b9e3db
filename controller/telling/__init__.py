"""Tell people and machines what happened: Slack, webhooks, other services, a heartbeat, the digest."""
