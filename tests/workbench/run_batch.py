"""A batch in a process of its own, for tests that kill it: folder, results, name of the models."""

from __future__ import annotations

import sys
from pathlib import Path

from inference.workbench.batch import BatchSettings, Progress, run_batch
from tests.workbench import analysers
from tests.workbench.mortality import end_at

if __name__ == "__main__":
    end_at(Path(sys.argv[2]))
    run_batch(
        BatchSettings(
            path=Path(sys.argv[1]),
            out=Path(sys.argv[2]),
            jobs=2,
            threads=1,
            device="cpu",
            pictures=True,
            limit_s=600.0,
            load=getattr(analysers, sys.argv[3]),
        ),
        Progress(),
    )
