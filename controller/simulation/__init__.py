"""Simulates the service in virtual time: its own detector, pacing, blindness and policy against made-up providers.

In: a `Scenario` (a configuration, background behaviour, outages) and seeds. Out: the decisions of each seed, and
together the document of `simulate --json`: time to flip, false failovers, failed requests, probes and their cost.
"""
