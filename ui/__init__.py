"""Show what is known, in the browser."""
