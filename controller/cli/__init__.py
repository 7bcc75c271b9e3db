"""The `hotspare` command line: parses, calls a use case, prints for people or as JSON, and returns an exit status.

One module a command or a family of commands, a table of them in `main.py`; nothing else imports this package.
"""
