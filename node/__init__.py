"""The process that talks DICOM: receives, assembles, delivers and shows. It never loads torch."""
