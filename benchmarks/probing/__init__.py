"""How exactly probes are timed and what they cost, beside Debian's blackbox exporter and plain httpx loops."""
