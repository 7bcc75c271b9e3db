"""Turn health into routing: decide, publish, tell people, operate."""
