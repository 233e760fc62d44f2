"""What `graphnn train` and `graphnn predict` do: from a table on disk to a folder with a trained model, and back."""
