"""Search: which settings a sweep tries, as pure functions: spaces, samplers, pruning."""
