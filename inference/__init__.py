"""From a completed series to findings and result objects. It never opens a network connection."""
