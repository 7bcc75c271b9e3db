"""Tests of `monitor.traffic`."""
