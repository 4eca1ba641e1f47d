"""Update rules: pure functions of (theta, gradient, state)."""
