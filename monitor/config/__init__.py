"""Reads the configuration: from a YAML file and the environment to `Settings`, or to all mistakes with their places.

`settings` holds every key, `document`, `section` and `values` read them; `loader` is the entrance.
"""
