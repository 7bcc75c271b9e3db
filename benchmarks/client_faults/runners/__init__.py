"""Programs that ask as an application would, one per product; each needs nothing but its product and Python."""
