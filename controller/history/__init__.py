"""The history of routes: where they pointed, and how long their users were failed, with the failover and without.

In: decisions and observations. Out: sums by hour and day, for the report and the page.
"""
