"""Drills: faults provoked for real, or in virtual time, and whether what must hold did."""
