"""Standing here, this file puts tests/ on the import path: every test can `import cases`."""
