"""`ctnode doctor`: what works between us and everybody around us, measured, and who has to change what.

Every check makes a `node.doctor.findings.Finding`; `node.doctor.examination` says which there are.
"""
