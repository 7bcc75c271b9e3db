"""Several machines on one PostgreSQL: who leads, who probes from which region, and how the leader learns of it.

Settings, probes and leases come in. One leads and runs the service, the others publish its routing table and stand by;
reports of probes go out, and reach the judgement of the one that leads. `controller.service` knows nothing of it.
"""
