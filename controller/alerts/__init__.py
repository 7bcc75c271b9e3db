"""Tells people and programs what the database says they have not been told.

In come incidents and events; out go messages in Slack, signed webhooks, notifications through Apprise, heartbeat pings
and a weekly digest. One worker per channel delivers; each channel is one file, listed in `registry.CHANNELS`.
"""
