"""One parser for each format of status page: the parsed document goes in, the entries in scope come out."""
