"""Skeletal muscle in the slice of L3: area, attenuation, index. Experimental; no part of the node."""
