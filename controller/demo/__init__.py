"""The outage drill: simulated providers, a Slack-shaped server and an application, around the real service."""
