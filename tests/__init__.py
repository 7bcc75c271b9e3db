"""The tests: one file per module, plus stories."""
