"""Several machines on one PostgreSQL: who probes from which region, and how the leader learns of it.

Settings, probes and leases come in; reports of probes go out, and reach the judgement of the one that leads.
"""
