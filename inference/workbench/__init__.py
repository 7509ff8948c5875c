"""The researcher's workbench: folders of DICOM and NIfTI through the same geometry and models as the node."""
