"""The certificate as a table on the terminal, a page to file and sign, and numbers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from md_bridge._templates import templates
from md_bridge.certify.certificate import Certificate
from md_bridge.certify.findings import Outcome

__all__ = ["CertificateFiles", "certificate_table", "render_page", "write_certificate"]

_STYLES = {
    Outcome.PASSED: "green",
    Outcome.FAILED: "red",
    Outcome.UNDECIDED: "yellow",
    Outcome.MEASURED: "dim",
    Outcome.SKIPPED: "dim",
}


@dataclass(frozen=True)
class CertificateFiles:
    """Where :func:`write_certificate` put what."""

    page: Path
    numbers: Path


def write_certificate(certificate: Certificate, folder: Path) -> CertificateFiles:
    """Write ``certificate.html`` and ``certificate.json`` into a folder.

    :param certificate: what was found
    :param folder: made if missing
    :raises OSError: they cannot be written
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = CertificateFiles(folder / "certificate.html", folder / "certificate.json")
    content = json.dumps(certificate.as_dict(), indent=2, allow_nan=False, ensure_ascii=False)
    files.numbers.write_text(content + "\n", encoding="utf-8")
    files.page.write_text(render_page(certificate), encoding="utf-8")
    return files


def render_page(certificate: Certificate) -> str:
    """The page as one string of HTML; nothing is fetched.

    :param certificate: what was found
    """
    template = templates("md_bridge.certify", "md_bridge.drift").get_template("certificate.html.j2")
    result = {True: "conserves", False: "drifts", None: "inconclusive"}[certificate.passed]
    return template.render(
        title=f"Certificate of {Path(certificate.source).name}",
        certificate=certificate,
        result=result,
        failed=[
            finding
            for outcome in (Outcome.FAILED, Outcome.UNDECIDED)
            for finding in certificate.named(outcome)
        ],
        colours={
            Outcome.PASSED: "conserves",
            Outcome.FAILED: "drifts",
            Outcome.UNDECIDED: "inconclusive",
        },
    )


def certificate_table(certificate: Certificate) -> Table:
    """One line a check.

    :param certificate: what was found
    """
    table = Table(box=None, pad_edge=False)
    table.add_column("check")
    table.add_column("expected", justify="right", no_wrap=True)
    table.add_column("measured", justify="right", no_wrap=True)
    table.add_column("")
    for finding in certificate.findings:
        style = _STYLES[finding.outcome]
        word = "FAILED" if finding.outcome is Outcome.FAILED else finding.outcome.value
        table.add_row(
            escape(finding.name),
            escape(finding.expected),
            escape(finding.measured),
            f"[{style}]{word}[/{style}]",
        )
    return table
