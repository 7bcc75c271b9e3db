"""Tests of `hotspare_client.follow`."""
