"""Where routes stand: what users lose beside an oracle and beside no failover, in worlds where nothing is simple."""
