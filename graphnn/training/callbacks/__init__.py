"""Callbacks for `fit`: objects with methods named like the nine points, each taking the run."""
