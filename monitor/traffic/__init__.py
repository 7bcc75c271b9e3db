"""What applications report of their requests: datagrams come in, counts per target, host and second go out.

Off by default (`traffic.listen`). `monitor.detection.traffic_detector` judges the counts.
"""
