"""The demo: boiling points of all alkanes up to ten carbons, learned live beside five baselines."""
