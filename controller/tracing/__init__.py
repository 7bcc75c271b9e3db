"""Probes and decisions as traces (`otel`), for those who collect them. In come values, out go spans by OTLP."""
