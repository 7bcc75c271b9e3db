"""Sequential change detection: turns observations, one at a time, into the health of targets.

Comes in: an `Observation`, and whether it was made while our own network was down. Goes out: `TargetHealth`, each
`Transition` with the probes it rests on, the burst probes that it asks for, and notices. No IO, no clock.
"""
