"""Neural layers: filters, the Hyena operator, merging, positions, the bridge, the block."""
