"""Sends probes to LLM providers and classifies how they answer.

In: a target and a check. Out: one observation, with its outcome, phases, tokens and cost. Imports nothing of monitor.
"""
