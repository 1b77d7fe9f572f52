"""Networks: features first, activations by name."""
