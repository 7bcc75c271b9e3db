"""What Streamlit shows on each page: reads, lays out, and keeps the state in the address.

In: the path of the configuration. Out: native elements, and HTML from `ui` where nothing native serves.
"""
