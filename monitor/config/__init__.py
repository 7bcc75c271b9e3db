"""Reads the configuration: from a YAML file and the environment to `Settings`, or to all mistakes with their places.

`schema` holds every key, `section` and `values` read them, `build` makes the settings; `loader` is the entrance.
"""
