"""Spleen segmentation by a 2-D U-Net: an experiment for researchers, no part of the node.

Nothing here runs in the node, and no weights come with the product: a user trains them from labelled CT.
deploy/SPLEEN_CARD.md says how well that went with the little that was at hand. Not for diagnosis.
"""
