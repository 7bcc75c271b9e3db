"""One route or one target in detail over a chosen time, for its page.

In: a read-only database. Out: values with what happened, how it was judged, and what users felt; sums where there are
any, single probes of a bounded range of a target's key where there are none.
"""
