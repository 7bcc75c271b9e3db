"""Asks all candidates of a route the same questions, and compares what they answer.

In: a golden set (questions with what is expected of them), and targets. Out: for each target how many answers were
right, fitted their schema and called the right tool, with tokens, cost and latency; how far two targets agree; and
what has changed since the run before.
"""
