"""Update rules, minimizers, schedules, averages: pure functions of theta, gradient, state and time."""
