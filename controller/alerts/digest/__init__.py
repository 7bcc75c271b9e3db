"""The weekly digest: sums up a week of availability, incidents and cost, once.

In: the database, and the settings that say when it is due. Out: one event with the text, which the channels deliver.
"""
