"""Monitor, storage, migrations."""
