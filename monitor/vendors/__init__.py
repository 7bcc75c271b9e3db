"""One file for each kind of status page that can be read."""
