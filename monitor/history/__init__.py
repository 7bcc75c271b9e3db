"""History for years: observations summed up by hour and day, with latency histograms.

In: observations as they are stored. Out: rollups of any period, with shares, quantiles, tokens and cost.
"""
