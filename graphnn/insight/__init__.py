"""Looking into a model: parameter tables, pictures, curvature, activations and gradients layer by layer."""
