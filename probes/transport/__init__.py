"""HTTP over sockets of our own: phases are timed, sizes and deadlines are bounded.

In: one request. Out: its response, or an exception of h11 or of its own. `fetch` serves everything but probes.
"""
