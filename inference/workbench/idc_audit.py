"""The audit of text alone over the index of the Imaging Data Commons (extra `idc`): a million real series.

The index is a file of the Python package idc-index-data; nothing is fetched when the command runs.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from inference.workbench import svg
from inference.workbench.page import Column, page_of, section, table
from inference.workbench.tag_audit import UNKNOWN_MAKER, spellings
from inference.workbench.tag_page import counts_table, spelling_table
from inference.workbench.tag_terms import TermKind, term_of
from storage.errors import ConfigError

PACKAGE: Final = "idc-index-data"
INDEX: Final = "idc_index.parquet"
FIELDS: Final = ("collection_id", "Modality", "BodyPartExamined", "Manufacturer")

NLST: Final = "nlst"
"""The National Lung Screening Trial: three quarters of all CT series, every one of them CHEST."""

MOST_MAKERS: Final = 30


@dataclass(frozen=True, kw_only=True)
class IdcAudit:
    """The CT series of an index by what Body Part Examined says."""

    index_version: str
    series: int  # of CT
    kinds: Mapping[TermKind, int]  # of all of them
    series_outside_nlst: int
    kinds_outside_nlst: Mapping[TermKind, int]
    terms: Mapping[str, Mapping[str, int]]  # term -> spelling -> series
    makers: Mapping[str, Mapping[str, int]]  # outside NLST: manufacturer -> kind -> series
    collections: Mapping[str, Mapping[str, int]]  # collection -> kind -> series

    @property
    def missing_outside_nlst(self) -> float:
        """The share of CT series outside NLST without Body Part Examined, 0..1."""
        return self.kinds_outside_nlst.get(TermKind.MISSING, 0) / max(self.series_outside_nlst, 1)


Record = tuple[str, str, str | None, str | None]
"""collection_id, Modality, BodyPartExamined, Manufacturer."""


def audit_index(records: Iterable[Record], index_version: str) -> IdcAudit:
    """Count the CT series of an index."""
    counts = Counter((c, b, (m or "").strip().upper()) for c, modality, b, m in records if modality == "CT")
    kinds: Counter[TermKind] = Counter()
    outside: Counter[TermKind] = Counter()
    makers: dict[str, Counter[str]] = defaultdict(Counter)
    collections: dict[str, Counter[str]] = defaultdict(Counter)
    for (collection, value, maker), count in counts.items():
        _, kind = term_of(value)
        kinds[kind] += count
        collections[collection][kind.value] += count
        if collection != NLST:
            outside[kind] += count
            makers[maker or UNKNOWN_MAKER][kind.value] += count
    return IdcAudit(
        index_version=index_version,
        series=kinds.total(),
        kinds=kinds,
        series_outside_nlst=outside.total(),
        kinds_outside_nlst=outside,
        terms=spellings((value, count) for (_, value, _), count in counts.items()),
        makers=_largest(makers),
        collections=_largest(collections),
    )


def _largest(counts: Mapping[str, Counter[str]]) -> dict[str, dict[str, int]]:
    names = sorted(counts, key=lambda name: (-counts[name].total(), name))
    return {name: dict(counts[name]) for name in names}


def installed_index() -> IdcAudit:
    """The audit of the index that is installed.

    Raises:
        ConfigError: the package, or what reads its file, is not installed.
    """
    spec = find_spec("idc_index_data")
    if spec is None or not spec.submodule_search_locations or find_spec("pyarrow") is None:
        raise ConfigError("the index is not installed: `pip install ctnode[idc]` brings it")
    file = Path(next(iter(spec.submodule_search_locations))) / INDEX
    try:
        return audit_index(_records(file), version(PACKAGE))
    except (FileNotFoundError, PackageNotFoundError) as error:
        raise ConfigError(f"{PACKAGE} has no {INDEX}: install a version from 18 on") from error


def _records(file: Path) -> Iterable[Record]:
    from pyarrow import parquet  # extra `idc`

    columns = parquet.read_table(file, columns=list(FIELDS)).to_pydict()
    return zip(*(columns[field] for field in FIELDS), strict=True)


def idc_page(audit: IdcAudit) -> str:
    """The page of the audit."""
    kinds = [kind.value for kind in TermKind]
    told = (
        f"{audit.series} CT series of the Imaging Data Commons, index {audit.index_version}. Outside NLST "
        f"{audit.series_outside_nlst}, of which {100 * audit.missing_outside_nlst:.1f} % have no Body Part "
        "Examined. Text alone: no pixel was looked at."
    )
    pies = [
        svg.pie("All CT series", _named(audit.kinds)),
        svg.pie("CT series outside NLST", _named(audit.kinds_outside_nlst)),
    ]
    heads = [Column("set"), *(Column(k, number=True) for k in (*kinds, "all"))]
    sets = (("all", audit.kinds), ("outside NLST", audit.kinds_outside_nlst))
    rows = [[name, *(str(own.get(k, 0)) for k in TermKind), str(sum(own.values()))] for name, own in sets]
    makers = dict(list(audit.makers.items())[:MOST_MAKERS])
    return page_of(
        "Body Part Examined in the Imaging Data Commons",
        [
            f"<p>{escape(told)}</p>",
            section("How it says what was imaged", "<div class='plots'>" + "".join(pies) + "</div>"),
            section("Counts", table("counts", heads, rows)),
            section("In one spelling", spelling_table(audit.terms)),
            section("By manufacturer, outside NLST", counts_table("makers", "manufacturer", makers, kinds)),
            section("By collection", counts_table("collections", "collection", audit.collections, kinds)),
        ],
    )


def _named(kinds: Mapping[TermKind, int]) -> dict[str, int]:
    return {kind.value: kinds[kind] for kind in TermKind if kinds.get(kind)}
