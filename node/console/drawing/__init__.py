"""Pictures: slices, projections, and what is drawn as SVG. Pure but for `images`, which reads the store."""
