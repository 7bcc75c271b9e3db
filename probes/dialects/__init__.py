"""The wire formats of the providers, each one file of pure functions and declarations.

In: a target and a task, or JSON from a provider. Out: a request, a reply, or the outcome of an error.
"""
