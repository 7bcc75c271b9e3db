"""The one error that a database raises."""


class DatabaseError(Exception):
    """The database cannot be used; the message says which, what was found and what to do.

    Whatever was being written was not written, not even in part: the same call can be made again.
    """
