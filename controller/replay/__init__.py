"""`hotspare replay`: what a configuration would have decided over what was recorded."""
