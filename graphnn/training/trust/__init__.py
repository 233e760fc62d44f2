"""Where numbers stop being finite (`culprit`), and why a training does not learn (`case`, `causes`, `diagnosis`)."""
