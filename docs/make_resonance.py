"""The picture of docs/two-models.md: the heating rate of the bundled model at every outer step.

Example: python docs/make_resonance.py
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from md_bridge.drift.report.palette import OKABE_ITO

DOCS = Path(__file__).parent
DATA = DOCS.parent / "md_bridge" / "data"
LENGTH_PS = 0.5


def curve(*options: str) -> tuple[dict, list[dict]]:
    """Heating rate against the outer step, and at whole M."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "md_bridge", "protocol", "resonance"]
        files = [str(DATA / "water.pt"), str(DATA / "water-start.xyz")]
        subprocess.run(
            [*command, *files, "--ps", str(LENGTH_PS), "--out", folder, *options], check=True
        )
        summary = json.loads((Path(folder) / "resonance" / "summary.json").read_text())
    return summary["curve"], summary["rates"]


def main() -> None:
    """Write images/resonance.png."""
    figure = Figure(figsize=(6.4, 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    runs = {
        "its own direct forces inside": (),
        "the student inside": ("--inner", str(DATA / "water-inner.pt")),
    }
    for color, (label, options) in zip(OKABE_ITO, runs.items(), strict=False):
        line, rates = curve(*options)
        axes.plot(line["outer_step_fs"], line["heating_meV_per_atom_per_ps"], color=color)
        x = [rate["outer_step_fs"] for rate in rates]
        y = [rate["heating_meV_per_atom_per_ps"] for rate in rates]
        axes.plot(x, y, "o", color=color, label=label)
        print(label, *(f"M={rate['M']}: {value:.3f}" for rate, value in zip(rates, y, strict=True)))
    axes.axhline(0.1, color="#777777", linewidth=0.8, linestyle="--")
    axes.annotate("tolerance", (1.02, 0.11), fontsize=8, color="#555555")
    axes.set_yscale("log")
    axes.set_xlabel("outer step (fs); dots: whole M with inner steps of 0.5 fs")
    axes.set_ylabel("mean heating rate (meV/atom/ps)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(DOCS / "images" / "resonance.png", dpi=150)


if __name__ == "__main__":
    main()
