"""Reads the status pages of vendors, for information only.

Comes in: the body of a page in one of several formats. Goes out: each change of what the vendor reports.
"""
