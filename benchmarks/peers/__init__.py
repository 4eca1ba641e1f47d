"""One file per peer: `python -m benchmarks.peers.NAME WORKLOAD` prints one JSON object.

`seconds` has the training time of each timed epoch, `accuracy` that on the test images afterwards.
"""
