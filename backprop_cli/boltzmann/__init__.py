"""Restricted Boltzmann machines: their energy, estimates of the likelihood and of its gradient, and sampling."""
