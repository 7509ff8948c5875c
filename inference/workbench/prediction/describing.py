"""What the OpenAPI description says of the one route for programs. Pure."""

from __future__ import annotations

from typing import Any, Final

from inference.report import NOT_FOR_DIAGNOSIS
from inference.report_fields import FIELDS

DESCRIPTION: Final = (
    "What CT volumes show: axis, body part, intravenous contrast, slice scores, T12 and L3. "
    f"{NOT_FOR_DIAGNOSIS}. The token that was printed at the start goes into the header "
    "`Authorization: Bearer TOKEN`."
)

SECURITY: Final = {"token": {"type": "http", "scheme": "bearer"}}

FILE: Final[dict[str, Any]] = {"schema": {"type": "string", "format": "binary"}}

TOLD: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["error", "reason", "notice", "volumes"],
    "properties": {
        "error": {"type": "string", "description": "a word for programs"},
        "reason": {"type": "string", "description": "names the instance, the attribute and both values"},
        "notice": {"type": "string", "const": NOT_FOR_DIAGNOSIS},
        "volumes": {
            "type": "array",
            "items": {"type": "object"},
            "description": "as in a report, where volumes were read and all refused",
        },
    },
}

PROBLEMS: Final = {
    400: "no CT, not readable, or every volume refused: the reason names instance, attribute and values",
    401: "without the token",
    403: "asked for under another name, or by a page of another site",
    408: "nothing more of the upload comes",
    413: "more than this server takes in one request",
    500: "an error of ours; the files ended the worker process",
    503: "one analysis runs and as many wait as may: ask again after Retry-After seconds",
    504: "the analysis took too long",
    507: "the disk is full",
}

PREDICT: Final[dict[str, Any]] = {
    "summary": "Analyse the CT in the request, and wait for the report",
    "openapi_extra": {
        "security": [{"token": []}],
        "requestBody": {
            "required": True,
            "description": "A zip archive of DICOM or NIfTI files, one DICOM file, one NIfTI file (.nii, "
            ".nii.gz), or any number of them as the files of a form. An archive in an archive is not opened.",
            "content": {
                "application/zip": FILE,
                "application/dicom": FILE,
                "application/octet-stream": FILE,
                "application/gzip": FILE,
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "properties": {"files": {"type": "array", "items": FILE["schema"]}},
                    }
                },
            },
        },
    },
    "responses": {
        200: {
            "description": "One object for each volume, as `ctnode analyze --json` writes it; at least one "
            f"was analysed. The first warning of each is: {NOT_FOR_DIAGNOSIS}",
            "content": {
                "application/json": {
                    "schema": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["series_instance_uid", "volume", "eligible", "reason", "warnings"],
                            "description": "; ".join(f"{name}: {words}" for name, words in FIELDS.items()),
                        },
                    }
                }
            },
        },
        **{
            status: {"description": words, "content": {"application/json": {"schema": TOLD}}}
            for status, words in PROBLEMS.items()
        },
    },
}
