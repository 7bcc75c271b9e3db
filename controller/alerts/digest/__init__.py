"""The weekly digest: sums up a week from the database, once, and stores the text as an event that people are told."""
