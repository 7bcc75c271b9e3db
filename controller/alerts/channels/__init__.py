"""Channels that send each alert by itself: one file each, a subclass of `PerAlertChannel` and what builds it.

In: an `Alert` and an id, the same for every attempt. Out: one HTTP request or notification; else a DeliveryError.
"""
