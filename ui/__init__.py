"""The Streamlit page, a process of its own.

In comes an `Overview` every few seconds; out comes escaped HTML. `server` starts the process, `app` is the script, the
other modules render one section each and are pure.
"""
