"""Says what a configuration will do before it does it.

In: settings. Out: the document of `plan --json`: time to flip for outages of 20, 50 and 100 % (by simulation),
false failovers (calculated from the detector's thresholds), probes and cost per month, and every promise it breaks.
"""
