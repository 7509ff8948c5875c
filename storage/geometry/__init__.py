"""Slices in space: from headers to parts, stacks and a verdict. Pure: dispatcher and worker both ask it."""
