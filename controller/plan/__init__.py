"""`hotspare plan`: what a configuration will do before it does it, tried in the simulation and calculated."""
