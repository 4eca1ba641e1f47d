"""Tables: reading them, what their columns are, and turning them into inputs and targets of a network."""
