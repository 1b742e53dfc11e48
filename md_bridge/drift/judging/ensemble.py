"""Is the ensemble right? Checks of the physical_validation package, on arrays.

P. T. Merz and M. R. Shirts, PLoS ONE 13, e0202764 (2018). What applies where:

- :func:`check_kinetic_energy` and :func:`check_equipartition` compare with the *canonical*
  distribution: for runs with a thermostat that samples it (Langevin, stochastic velocity rescaling,
  Nosé-Hoover chains). At constant energy the total kinetic energy fluctuates less than that, by the
  ratio of heat capacities, whatever the forces: these functions would call a perfect NVE run wrong.
  Of an NVE run, compare the *mean* kinetic temperatures of the elements.
- :func:`check_ensemble` compares two canonical runs that differ in nothing but their temperature.
- :func:`check_step_convergence` is for the conserved quantity of runs that differ in nothing but
  their time step, NVE or with a thermostat that has a conserved quantity.

Samples of a trajectory remember each other. Each function leaves out what is not equilibrated and
thins the rest to independent samples, both by pymbar (J. D. Chodera, J. Chem. Theory Comput. 12,
1799 (2016)), and says how many those are: below :data:`FEWEST_SAMPLES` it gives no verdict.

Units: eV, ps, K, Å, Å/ps, u.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import units
from numpy.typing import ArrayLike, NDArray

from md_bridge.errors import MDBridgeError
from md_bridge.extras import missing_as_sentence

if TYPE_CHECKING:
    from physical_validation.data import SimulationData

__all__ = [
    "ALARM_DEVIATIONS",
    "FEWEST_SAMPLES",
    "Deviation",
    "EnsembleCheck",
    "ValidationError",
    "check_ensemble",
    "check_equipartition",
    "check_kinetic_energy",
    "check_molecules",
    "check_step_convergence",
    "independent_samples",
    "suggested_temperature_step",
]

ALARM_DEVIATIONS = 3.0
"""A deviation of this many standard errors is one; the chance of a false alarm is 0.3 %."""

FEWEST_SAMPLES = 50
"""Independent samples below which there is no verdict."""

_SEED = 20_180_905
_ANGSTROM_PER_PS = units.Angstrom / (1000.0 * units.fs)


class ValidationError(MDBridgeError, ValueError):
    """The data cannot be checked; the message says what was expected and found."""


@dataclass(frozen=True)
class Deviation:
    """One number of a run next to what it should be."""

    name: str
    """What was compared: ``mean kinetic energy``, ``width, O``."""
    deviations: float
    """|found - expected| in standard errors of what was found."""
    expected: float | None = None
    found: float | None = None
    unit: str = ""


@dataclass(frozen=True)
class EnsembleCheck:
    """The outcome of one check."""

    title: str
    comparisons: tuple[Deviation, ...]
    samples: int
    """Independent samples that it rests on."""
    passed: bool | None
    """None: too few independent samples to say."""

    @property
    def sentence(self) -> str:
        """The outcome in words."""
        worst = max(self.comparisons, key=lambda entry: entry.deviations)
        if self.passed is None:
            return (
                f"{self.title}: {self.samples} independent samples are too few to say (expected "
                f"at least {FEWEST_SAMPLES}): run longer."
            )
        values = ""
        if worst.found is not None and worst.expected is not None:
            values = (
                f" ({worst.found:.4g} {worst.unit}, expected {worst.expected:.4g} {worst.unit})"
            )
        verb = "as it should be" if self.passed else "is not what it should be"
        return (
            f"{self.title}: {verb}; the largest deviation is {worst.deviations:.1f} standard "
            f"errors in {worst.name}{values}, from {self.samples} independent samples."
        )

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "sentence": self.sentence}


def check_kinetic_energy(
    kinetic_energy: ArrayLike, temperature: float, degrees_of_freedom: float
) -> EnsembleCheck:
    """Compare mean and width of a kinetic energy with those of the Maxwell-Boltzmann distribution.

    K is Gamma-distributed with mean n kT/2 and variance n (kT)²/2 for n degrees of freedom. For
    canonical runs only, see the module's docstring.

    :param kinetic_energy: of all atoms, or of a group of them; shape (samples,), eV
    :param temperature: of the thermostat, K
    :param degrees_of_freedom: n, those that the momentum conservation of the whole takes left out
        (3N - 3 for all atoms; for a group see
        :func:`md_bridge.drift.judging.equipartition.degrees_of_freedom`)
    :raises ValidationError: values that are not finite or not positive, or too few samples
    :raises ImportError: without the package physical_validation
    """
    kinetic = _series("kinetic energy", kinetic_energy)
    _positive("temperature", temperature)
    _positive("degrees of freedom", degrees_of_freedom)
    kt = units.kB * temperature
    if np.min(kinetic) < 0:
        raise ValidationError(f"a kinetic energy cannot be negative, found {np.min(kinetic):g} eV")
    kept = independent_samples(kinetic)
    with _package() as package:
        data = _simulation(package, kept, temperature, degrees_of_freedom)
        mean, width = package.kinetic_energy.distribution(
            data, strict=False, verbosity=0, bootstrap_seed=_SEED, data_is_uncorrelated=True
        )
    expected = np.array([0.5 * degrees_of_freedom * kt, np.sqrt(0.5 * degrees_of_freedom) * kt])
    comparisons = (
        Deviation("the mean", float(mean), expected[0], float(kept.mean()), "eV"),
        Deviation("the width", float(width), expected[1], float(kept.std(ddof=1)), "eV"),
    )
    return _judged("kinetic energy", comparisons, len(kept))


def check_equipartition(
    kinetic_energies: Mapping[str, ArrayLike],
    temperature: float,
    degrees_of_freedom: Mapping[str, float],
) -> EnsembleCheck:
    """Compare the kinetic energy of each group of atoms with its Maxwell-Boltzmann distribution.

    The mean says which group runs hot, the width whether it fluctuates as it should. With g groups
    there are 2 g comparisons: the limit of :data:`SIGNIFICANCE` is raised so that the chance of a
    false alarm stays that of one.

    :param kinetic_energies: by the name of the group, for example the element; shape (samples,), eV
    :param temperature: of the thermostat, K
    :param degrees_of_freedom: of each group
    :raises ValidationError: as :func:`check_kinetic_energy`, or groups that do not match
    """
    if set(kinetic_energies) != set(degrees_of_freedom) or not kinetic_energies:
        raise ValidationError(
            f"expected degrees of freedom for the groups {', '.join(kinetic_energies) or '(none)'},"
            f" found {', '.join(degrees_of_freedom) or 'none'}"
        )
    comparisons: list[Deviation] = []
    samples = []
    for name, kinetic in kinetic_energies.items():
        check = check_kinetic_energy(kinetic, temperature, degrees_of_freedom[name])
        samples.append(check.samples)
        comparisons += [
            Deviation(f"{entry.name} of {name}", *_values(entry)) for entry in check.comparisons
        ]
    return _judged("equipartition", tuple(comparisons), min(samples))


def check_molecules(
    positions: ArrayLike,
    velocities: ArrayLike,
    masses: ArrayLike,
    molecules: Sequence[Sequence[int]],
    temperature: float,
    box: ArrayLike,
) -> EnsembleCheck:
    """Equipartition between translation, rotation and internal motion of molecules.

    A resonance of multiple time stepping heats the internal vibrations first; a thermostat that
    then keeps the total right cools the rest. For canonical runs only.

    :param positions: shape (frames, atoms, 3), Å, molecules unwrapped
    :param velocities: shape (frames, atoms, 3), Å/ps
    :param masses: shape (atoms,), u
    :param molecules: indices of the atoms of each molecule, contiguous and in order: 0 1 2, 3 4 5
    :param temperature: of the thermostat, K
    :param box: lengths of the box, shape (3,), Å
    :raises ValidationError: shapes that do not match, or molecules that are not contiguous
    """
    x, v = (np.asarray(values, dtype=np.float64) for values in (positions, velocities))
    m = np.asarray(masses, dtype=np.float64)
    if x.ndim != 3 or x.shape != v.shape or x.shape[1:] != (len(m), 3):
        raise ValidationError(
            "expected positions and velocities of shape (frames, atoms, 3) and one mass an atom, "
            f"found {x.shape}, {v.shape} and {m.shape}"
        )
    if [i for molecule in molecules for i in molecule] != list(range(len(m))):
        raise ValidationError(
            "expected molecules that hold every atom once and in order (0 1 2, 3 4 5, ...); sort "
            "the atoms by molecule"
        )
    volume = float(np.prod(np.asarray(box, dtype=np.float64)))
    frames = _independent(np.sum(m[:, None] * v**2, axis=(1, 2)))
    with _package() as package:
        data = package.data.SimulationData(
            units=_units(package),
            system=package.data.SystemData(
                natoms=len(m),
                nconstraints=0,
                ndof_reduction_tra=3,
                ndof_reduction_rot=0,
                mass=m,
                molecule_idx=np.array([molecule[0] for molecule in molecules]),
                nconstraints_per_molecule=np.zeros(len(molecules)),
            ),
            ensemble=package.data.EnsembleData(
                "NVT", natoms=len(m), volume=volume, temperature=temperature
            ),
            # the package takes m v²/2 for an energy in its units: eV, for masses in u
            trajectory=package.data.TrajectoryData(x[frames], v[frames] * _ANGSTROM_PER_PS),
            observables=package.data.ObservableData(),
        )
        pairs = package.kinetic_energy.equipartition(
            data, strict=False, verbosity=0, bootstrap_seed=_SEED, data_is_uncorrelated=True
        )
    names = ("all", "translation", "rotation and internal motion", "rotation", "internal motion")
    comparisons = [
        Deviation(f"{what} of {name}", float(deviation))
        for name, pair in zip(names, pairs, strict=False)
        for what, deviation in zip(("the mean", "the width"), pair, strict=True)
        if np.isfinite(deviation)
    ]
    return _judged("equipartition in molecules", tuple(comparisons), len(frames))


def check_ensemble(
    potential_energies: Sequence[ArrayLike], temperatures: Sequence[float]
) -> EnsembleCheck:
    """Compare two canonical runs at two temperatures: the ratio of their distributions is known.

    ln(P2(U)/P1(U)) = (1/kT1 - 1/kT2) U + constant, whatever the potential. The check fits the slope
    of this line to the energies where the two distributions overlap (see
    :func:`suggested_temperature_step`).

    :param potential_energies: of two runs that differ in temperature only; shapes (samples,), eV
    :param temperatures: of their thermostats, K
    :raises ValidationError: not two runs, equal temperatures, or distributions that do not overlap
    """
    if len(potential_energies) != 2 or len(temperatures) != 2:
        raise ValidationError(
            f"expected two runs and two temperatures, found {len(potential_energies)} and "
            f"{len(temperatures)}"
        )
    if temperatures[0] == temperatures[1]:
        raise ValidationError(f"expected two temperatures, found {temperatures[0]:g} K twice")
    for temperature in temperatures:
        _positive("temperature", temperature)
    series = [_series("potential energy", energies) for energies in potential_energies]
    low, high = (series[i] for i in np.argsort(temperatures))
    if low.max() < high.min():
        raise ValidationError(
            f"the potential energies at {min(temperatures):g} K (up to {low.max():g} eV) and "
            f"{max(temperatures):g} K (from {high.min():g} eV) do not overlap: bring the "
            "temperatures nearer to each other"
        )
    series = [independent_samples(energies) for energies in series]
    with _package() as package:
        runs = [
            _simulation(package, np.ones_like(energies), temperature, 3.0, potential=energies)
            for energies, temperature in zip(series, temperatures, strict=True)
        ]
        (quantiles,) = package.ensemble.check(
            *runs, verbosity=0, bootstrap_seed=_SEED, data_is_uncorrelated=True
        )
    beta = abs(1 / (units.kB * temperatures[0]) - 1 / (units.kB * temperatures[1]))
    comparison = Deviation("the ratio of the two distributions", abs(float(quantiles)), beta)
    return _judged("ensemble", (comparison,), min(map(len, series)))


def suggested_temperature_step(potential_energy: ArrayLike, temperature: float) -> float:
    """Distance (K) of the second temperature at which :func:`check_ensemble` sees most.

    :param potential_energy: of a canonical run, shape (samples,), eV
    :param temperature: of its thermostat, K
    """
    energies = independent_samples(potential_energy)
    with _package() as package:
        data = _simulation(package, np.ones_like(energies), temperature, 3.0, potential=energies)
        return float(
            package.ensemble.estimate_interval(data, verbosity=0, data_is_uncorrelated=True)["dT"]
        )


def check_step_convergence(
    timesteps_fs: Sequence[float], conserved_energies: Sequence[ArrayLike], limit: float = 0.5
) -> EnsembleCheck:
    """Compare how the fluctuation of H falls with the time step with the δt² of a symplectic one.

    For every two runs that are neighbours in δt, rms(H1)/rms(H2) over (δt1/δt2)² is to be one. A
    potential that is not smooth fails it, and so does a run that drifts.

    :param timesteps_fs: of runs that differ in nothing else, fs
    :param conserved_energies: H of each at least at ten times, shapes (samples,), eV
    :param limit: largest deviation of that ratio from one that passes. It has no error bar: short
        runs need a generous one
    :raises ValidationError: fewer than two runs, or the same step twice
    """
    if len(timesteps_fs) != len(conserved_energies) or len(set(timesteps_fs)) < 2:
        raise ValidationError(
            "expected the conserved quantity at two or more different time steps, found steps "
            f"{', '.join(f'{step:g}' for step in timesteps_fs)} fs and {len(conserved_energies)} "
            "series"
        )
    series = [_series("conserved quantity", energies) for energies in conserved_energies]
    with _package() as package:
        runs = [
            package.data.SimulationData(
                units=_units(package),
                dt=step / 1000.0,
                observables=package.data.ObservableData(constant_of_motion=energies),
            )
            for step, energies in zip(timesteps_fs, series, strict=True)
        ]
        largest = float(package.integrator.convergence(runs, verbose=False))
    comparison = Deviation("the ratio of fluctuations over that of steps squared", largest)
    samples = min(len(energies) for energies in series)
    passed = None if samples < FEWEST_SAMPLES else largest <= limit
    return EnsembleCheck("convergence with the time step", (comparison,), samples, passed)


def independent_samples(values: ArrayLike) -> NDArray[np.float64]:
    """The equilibrated part of a series, thinned to samples that do not remember each other.

    :param values: shape (n,), in any unit, evenly spaced in time
    :returns: shape (k,) with k <= n, in the same unit
    :raises ValidationError: the series is too short, has another shape or a number that is not
        finite
    """
    series = _series("series", values)
    return series[_independent(series)]


def _independent(series: NDArray[np.float64]) -> NDArray[np.intp]:
    """Indices of these samples; where the start is cut is looked for in steps of 1/100 of all."""
    if np.ptp(series) == 0.0:
        return np.zeros(1, dtype=np.intp)
    with _package():
        from pymbar import timeseries

        start, inefficiency, _ = timeseries.detect_equilibration(
            series, nskip=max(1, len(series) // 100)
        )
        kept = timeseries.subsample_correlated_data(series[start:], g=inefficiency)
    return int(start) + np.asarray(kept, dtype=np.intp)


def _judged(title: str, comparisons: tuple[Deviation, ...], samples: int) -> EnsembleCheck:
    """Bonferroni: with n comparisons each may be off by chance in 1/n of the cases only."""
    from scipy import special

    alarm = 2 * float(special.ndtr(-ALARM_DEVIATIONS)) / len(comparisons)
    limit = -float(special.ndtri(alarm / 2))
    passed: bool | None = all(entry.deviations <= limit for entry in comparisons)
    return EnsembleCheck(title, comparisons, samples, None if samples < FEWEST_SAMPLES else passed)


def _values(entry: Deviation) -> tuple[float, float | None, float | None, str]:
    return entry.deviations, entry.expected, entry.found, entry.unit


def _series(name: str, values: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or len(array) < 10:
        raise ValidationError(
            f"expected the {name} as a series of at least 10 samples, found shape {array.shape}"
        )
    bad = np.flatnonzero(~np.isfinite(array))
    if bad.size:
        raise ValidationError(
            f"{name}: expected finite numbers, found {array[bad[0]]} in sample {bad[0]}"
        )
    return array


def _positive(name: str, value: float) -> None:
    if not value > 0:
        raise ValidationError(f"the {name} must be positive, found {value}")


@contextlib.contextmanager
def _package() -> Iterator[Any]:
    """physical_validation, without the banners of its parts and what it prints."""
    logging.getLogger("pymbar").setLevel(logging.ERROR)
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        with missing_as_sentence("this check"):
            import physical_validation
        yield physical_validation


def _units(package: Any) -> Any:
    """Of eV, Å, ps and K, into the package's kJ/mol, nm, bar."""
    return package.data.UnitData(
        kb=units.kB,
        energy_conversion=units.mol / units.kJ,
        energy_str="eV",
        length_conversion=0.1,
        length_str="Å",
        volume_conversion=1e-3,
        volume_str="Å³",
        temperature_conversion=1.0,
        temperature_str="K",
        pressure_conversion=1.0 / units.bar,
        pressure_str="eV/Å³",
        time_conversion=1.0,
        time_str="ps",
    )


def _simulation(
    package: Any,
    kinetic: NDArray[np.float64],
    temperature: float,
    degrees_of_freedom: float,
    potential: NDArray[np.float64] | None = None,
) -> SimulationData:
    """Energies as the package wants them: as many atoms as give these degrees of freedom."""
    atoms = int(np.ceil(degrees_of_freedom / 3.0))
    return package.data.SimulationData(
        units=_units(package),
        system=package.data.SystemData(
            natoms=atoms,
            nconstraints=0,
            ndof_reduction_tra=3.0 * atoms - degrees_of_freedom,
            ndof_reduction_rot=0,
        ),
        ensemble=package.data.EnsembleData(
            "NVT", natoms=atoms, volume=1.0, temperature=temperature
        ),
        observables=package.data.ObservableData(
            kinetic_energy=kinetic,
            potential_energy=kinetic if potential is None else potential,
            total_energy=kinetic if potential is None else potential,
        ),
    )
