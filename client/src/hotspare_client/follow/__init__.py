"""`hotspare-follow`: in come the routing tables of any of several nodes, over HTTP; out goes the file of this host.

`rules` decides (pure), `node` asks one node, `local_file` writes, `follower` connects them, `script` is the command.
"""
