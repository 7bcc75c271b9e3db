"""How an application's request survives what providers do: sixteen faults, Hotspare's client beside its peers.

`faults.py` is the table: what the failing server does, and what must hold. A *runner* is a program that reads one `Job`
as JSON on standard input, asks, and writes one `Result`: in Python those of `runners/`, in any language otherwise.
"""
