"""What the running service does while its disk, its database, its clock or Slack fails, and an outage begins."""
