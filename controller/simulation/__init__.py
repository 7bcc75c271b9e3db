"""`hotspare simulate`: the service's own detector, pacing and policy in a made-up world and in virtual time."""
