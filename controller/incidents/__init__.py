"""Incidents: what broke, the evidence, what it did to routes, and what people say about it.

The facts of each control cycle come in; incidents are opened, changed and resolved. They are stored, and shown as
texts, JSON and Markdown.
"""
