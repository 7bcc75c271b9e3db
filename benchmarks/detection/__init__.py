"""Our rule beside the rules of others, on one set of scenarios at one interval."""
