"""How right the findings are: cases with truths, metrics with intervals, figures, and the models' card.

Not for diagnosis; research software.
"""
