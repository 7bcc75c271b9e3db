"""The read model: everything that is known at one instant, as one `Overview`.

In comes a read-only database and the settings; out comes what the page, `hotspare status` and its JSON show.
"""
