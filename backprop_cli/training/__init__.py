"""Training: batches, the recorded step, the loop as a generator of events, and evaluation."""
