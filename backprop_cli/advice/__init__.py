"""Advice on training: the result in words, whether anything is learned and why not, a learning rate that works."""
