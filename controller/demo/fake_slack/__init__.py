"""Demo, fake slack."""
