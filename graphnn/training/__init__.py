"""Training: fit, callbacks, the live plot, checkpoints."""
