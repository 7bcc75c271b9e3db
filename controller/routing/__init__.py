"""Decides where each route points, and publishes it: in come targets' health and operator overrides, out goes the file.

Holds the policy (pure), the overrides that operators set, their store, and the routing file that applications read.
It uses nothing of the controller's other packages.
"""
