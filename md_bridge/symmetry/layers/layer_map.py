"""What was found: each layer's shares of angular momentum and parity, to print, store and draw."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.table import Table

from md_bridge.extras import missing_as_sentence
from md_bridge.symmetry.results.spectrum import Spectrum
from md_bridge.text import finite_or_none

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Layer", "LayerMap", "Sectors"]


@dataclass(frozen=True, eq=False)
class Sectors:
    """How the square of some features is shared out among the sectors (λ, σ).

    :ivar spectrum: B_{λσ}, mean over samples, in the unit of the features squared
    :ivar norm: ⟨‖u‖²⟩, mean over samples: all of it, also what is above lmax
    """

    spectrum: Spectrum
    norm: float

    @property
    def fractions(self) -> np.ndarray:
        """B_{λσ}/⟨‖u‖²⟩, [lmax + 1, sigmas]; NaN for features that are zero."""
        whole = self.norm if self.norm > 0 else float("nan")
        return np.asarray(self.spectrum.values / whole)

    def __getitem__(self, sector: tuple[int, int]) -> float:
        """The fraction in a sector (λ, σ).

        :raises KeyError: there is no such sector
        """
        return self.spectrum[sector] / self.norm if self.norm > 0 else float("nan")

    @property
    def remainder(self) -> float:
        """The share above lmax."""
        return 1.0 - float(self.fractions.sum())

    @property
    def bandwidth(self) -> float:
        """ΣλB/ΣB, the mean angular momentum up to lmax."""
        return self.spectrum.bandwidth

    @property
    def natural_parity_share(self) -> float:
        """The share of σ = +1, of what is up to lmax; NaN without inversion."""
        return self.spectrum.natural_parity_share

    def to_json(self) -> dict[str, Any]:
        """Plain data; what is no number is None."""
        sigmas = {1: "+", -1: "-", 0: "both"}
        return {
            "fractions": {
                sigmas[sigma]: [finite_or_none(float(each)) for each in column]
                for sigma, column in zip(self.spectrum.sigmas, self.fractions.T, strict=True)
            },
            "remainder": finite_or_none(self.remainder),
            "bandwidth": finite_or_none(self.bandwidth),
            "natural_parity_share": finite_or_none(self.natural_parity_share),
            "rms": float(np.sqrt(max(self.norm, 0.0))),
        }


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer.

    :ivar name: of the module, see :class:`~md_bridge.symmetry.layers.Capture`
    :ivar samples: how many atoms, pairs or points were measured, over all structures
    :ivar components: features of a sample
    :ivar whole: of the features as they are
    :ivar centred: of the features without what all samples have in common in a frame; without
        that, a large constant hides all else
    :ivar problems: a sentence for each guard that fails
    """

    name: str
    samples: int
    components: int
    whole: Sectors
    centred: Sectors
    problems: tuple[str, ...] = ()

    def cells(self, centred: bool = True) -> tuple[str, ...]:
        """A row of a table: name, numbers, shares in per cent with parities together, and so on.

        :param centred: see :attr:`centred`
        """
        sectors = self.centred if centred else self.whole
        shares = [*sectors.fractions.sum(axis=1), sectors.remainder]
        return (
            self.name,
            f"{self.samples} × {self.components}",
            *(_percent(share) for share in shares),
            _number(sectors.bandwidth, "{:.2f}"),
            _percent(sectors.natural_parity_share),
        )

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "name": self.name,
            "samples": self.samples,
            "components": self.components,
            "whole": self.whole.to_json(),
            "centred": self.centred.to_json(),
            "problems": list(self.problems),
        }


@dataclass(frozen=True, eq=False)
class LayerMap:
    """All layers, in the order in which the network computes them.

    :ivar layers: the layers
    :ivar source: what was measured, in words
    :ivar degree: of the grid
    :ivar evaluations: how many copies were evaluated
    """

    layers: tuple[Layer, ...]
    source: str
    degree: int
    evaluations: int

    def __getitem__(self, name: str) -> Layer:
        """The layer of this name.

        :raises KeyError: there is none
        """
        return {layer.name: layer for layer in self.layers}[name]

    @property
    def lmax(self) -> int:
        """The largest angular momentum that is told apart."""
        return len(self.layers[0].whole.spectrum.values) - 1

    @property
    def headings(self) -> tuple[str, ...]:
        """Of the columns of a table, for :meth:`Layer.cells`."""
        degrees = (str(degree) for degree in range(self.lmax + 1))
        return ("layer", "numbers", *degrees, f"> {self.lmax}", "mean λ", "σ = +")

    @property
    def problems(self) -> list[str]:
        """What the guards say, layer by layer."""
        return [f"{layer.name}: {each}" for layer in self.layers for each in layer.problems]

    def to_json(self) -> dict[str, Any]:
        """Plain data: numbers, text, lists and mappings of them."""
        return {
            "source": self.source,
            "lmax": self.lmax,
            "degree": self.degree,
            "evaluations": self.evaluations,
            "layers": [layer.to_json() for layer in self.layers],
        }

    def table(self, centred: bool = True) -> Table:
        """A row for each layer: shares in per cent, parities together.

        :param centred: without what all samples have in common, see :class:`Layer`
        """
        what = "without what all samples have in common" if centred else "as they are"
        table = Table(title=f"features {what}: share of each λ, %", title_justify="left", box=None)
        first, *others = self.headings
        table.add_column(first, overflow="fold")
        for header in others:
            table.add_column(header, justify="right")
        for layer in self.layers:
            name, *cells = layer.cells(centred)
            table.add_row(name + ("*" if layer.problems else ""), *cells)
        if self.problems:
            table.caption = "* " + "\n* ".join(self.problems)
            table.caption_justify = "left"
        return table

    def plot(self, path: str | os.PathLike[str] | None = None, centred: bool = True) -> Figure:
        """A picture: λ against the layers, the share as colour, a panel for each parity.

        :param path: of the file to write; None: none
        :param centred: as for :meth:`table`
        :returns: the figure, for changes
        :raises md_bridge.extras.MissingExtraError: matplotlib is not installed
        """
        with missing_as_sentence("a picture of layers"):
            from md_bridge.symmetry.layers.picture import draw
        figure = draw(self, centred)
        if path is not None:
            figure.savefig(path, dpi=150)
        return figure


def _percent(share: float) -> str:
    if not np.isfinite(share):
        return "–"
    if abs(share) < 5e-7:
        return "0"
    return f"{100 * share:.2f}" if abs(share) >= 5e-4 else f"{100 * share:.0e}"


def _number(value: float, form: str) -> str:
    return form.format(value) if np.isfinite(value) else "–"
