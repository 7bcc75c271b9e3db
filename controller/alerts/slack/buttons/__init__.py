"""Slack's buttons: draws them below incidents, receives presses through Socket Mode, and carries them out.

In come incidents (what can be done about them) and Slack's envelopes; out go blocks of a message, operator requests and
an answer to the person who pressed.
"""
