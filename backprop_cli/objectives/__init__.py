"""What training minimizes: costs, penalties and sparsity, estimates of their gradient, and the check of gradients."""
