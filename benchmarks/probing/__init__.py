"""How truly, and at what cost, probes are timed: beside Debian's blackbox exporter and a plain httpx loop."""
