"""The same simulations with i-PI's own metatomic driver and with ours: same trajectories.

The oracle reads the same file (float64) but shares no code with us. Both runs start from the same
atoms and the same seed, so thermostats and barostats draw the same random numbers.
"""

import models
import numpy as np
import pytest
from ipi_tools import Simulation, argon, ffdirect, ffsocket, metatomic_ffdirect, mts_forces

STEPS = 20

THERMOSTAT = """<thermostat mode="langevin"> <tau units="femtosecond"> 100 </tau> </thermostat>"""
PATH_THERMOSTAT = (
    """<thermostat mode="pile_g"> <tau units="femtosecond"> 100 </tau> </thermostat>"""
)
BAROSTAT = """<barostat mode="isotropic"> <tau units="femtosecond"> 200 </tau>
    <thermostat mode="langevin"> <tau units="femtosecond"> 100 </tau> </thermostat>
    </barostat>"""
FLEXIBLE_BAROSTAT = """<barostat mode="anisotropic"> <tau units="femtosecond"> 200 </tau>
    <h0 shape="(3, 3)" units="angstrom"> [ 11.2, 0, 0, 0, 11.2, 0, 0, 0, 11.2 ] </h0>
    <thermostat mode="langevin"> <tau units="femtosecond"> 100 </tau> </thermostat>
    </barostat>"""
TEMPERATURE = """<temperature units="kelvin"> 40 </temperature>"""
STRESS = """<stress units="megapascal"> [ 50, 0, 0, 0, 50, 0, 0, 0, 50 ] </stress>"""
PRESSURE = """<pressure units="megapascal"> 50 </pressure>"""

ENSEMBLES = {
    "nve": {},
    "nvt": {"mode": "nvt", "dynamics": THERMOSTAT, "ensemble": TEMPERATURE},
    "npt": {"mode": "npt", "dynamics": THERMOSTAT + BAROSTAT, "ensemble": TEMPERATURE + PRESSURE},
    "nst": {
        "mode": "nst",
        "dynamics": THERMOSTAT + FLEXIBLE_BAROSTAT,
        "ensemble": TEMPERATURE + STRESS,
    },
    "pimd": {"mode": "nvt", "dynamics": PATH_THERMOSTAT, "ensemble": TEMPERATURE, "beads": 4},
}
MTS = {"inner_steps": 4, "timestep": 8.0}


@pytest.fixture(scope="module")
def curl(tmp_path_factory):
    return models.curl(size=0.02).export(tmp_path_factory.mktemp("curl") / "curl.pt")


def run(folder, ensemble, forcefields, forces, *clients, **more):
    settings = {"steps": STEPS, **ENSEMBLES[ensemble], **more}
    result = Simulation(argon(), forcefields, forces, **settings).run(folder, *clients)
    assert result.ok, result.log + str(result.client_messages)
    return result


def same(ours, theirs):
    for name, expected in theirs.table().items():
        np.testing.assert_allclose(ours.table()[name], expected, rtol=1e-6, err_msg=name)
    np.testing.assert_allclose(ours.positions(), theirs.positions(), rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(ours.momenta(), theirs.momenta(), rtol=1e-6, atol=1e-6)


def pair_of_runs(folder, model, ensemble, kind, batch=1):
    if kind == "mts":
        ours = [
            ffdirect("cons", model, "conservative", batch=batch),
            ffdirect("direct", model, "direct", batch=batch),
        ]
        theirs = [
            metatomic_ffdirect("cons", model),
            metatomic_ffdirect("direct", model, non_conservative=True),
        ]
        forces, more = mts_forces(), MTS
    else:
        ours = [ffdirect("one", model, kind, batch=batch)]
        theirs = [metatomic_ffdirect("one", model, non_conservative=kind == "direct")]
        forces, more = '<force forcefield="one"/>', {}
    return (
        run(folder / "ours", ensemble, ours, forces, **more),
        run(folder / "theirs", ensemble, theirs, forces, **more),
    )


@pytest.mark.parametrize(
    ("ensemble", "kind"),
    [
        ("nve", "conservative"),
        ("nve", "direct"),
        ("nve", "mts"),
        ("nvt", "conservative"),
        ("npt", "conservative"),
        ("npt", "mts"),
        ("nst", "mts"),
    ],
)
def test_same_as_metatomic_driver(curl, tmp_path, ensemble, kind):
    same(*pair_of_runs(tmp_path, curl, ensemble, kind))


@pytest.mark.parametrize("kind", ["conservative", "mts"])
def test_path_integrals_in_one_batch(curl, tmp_path, kind):
    ours, theirs = pair_of_runs(tmp_path, curl, "pimd", kind, batch=4)
    same(ours, theirs)
    # one pair list for each bead, which outlives many steps, and all beads in one evaluation
    counts = ours.evaluations()
    assert counts["pair_list_builds"] <= 8
    # now and then i-PI hands a batch over in two parts; still far from one evaluation per bead
    if kind == "mts":
        assert STEPS - 3 <= counts["both"] <= STEPS + 3
    else:
        assert 1 + STEPS <= counts["conservative_only"] <= STEPS + 4


def test_path_integrals_bead_by_bead(curl, tmp_path):
    """Without batches the beads are told apart by where they are."""
    same(*pair_of_runs(tmp_path, curl, "pimd", "mts"))


@pytest.mark.parametrize(("mode", "batch"), [("unix", 1), ("unix", 4), ("shm", 1), ("shm", 4)])
def test_path_integrals_over_a_socket(curl, tmp_path, socket_name, mode, batch):
    forces = '<force forcefield="one"/>'
    client = [curl, "--template", "start.xyz", "--serve", f"{mode}:{socket_name}", "-v"]
    forcefield = ffsocket("one", socket_name, mode, batch)
    ours = run(tmp_path / "ours", "pimd", [forcefield], forces, client, steps=6)
    theirs = run(tmp_path / "theirs", "pimd", [metatomic_ffdirect("one", curl)], forces, steps=6)
    same(ours, theirs)


def test_incomplete_batch(curl, tmp_path, socket_name):
    """i-PI fills a batch of 3 for 4 beads with copies, which must not be computed."""
    forces = '<force forcefield="one"/>'
    client = [curl, "--template", "start.xyz", "--serve", f"unix:{socket_name}", "-v"]
    forcefield = ffsocket("one", socket_name, batch=3)
    ours = run(tmp_path / "ours", "pimd", [forcefield], forces, client, steps=4)
    theirs = run(tmp_path / "theirs", "pimd", [metatomic_ffdirect("one", curl)], forces, steps=4)
    same(ours, theirs)


def test_over_tcp(curl, tmp_path, free_port):
    forces = '<force forcefield="one"/>'
    client = [curl, "--template", "start.xyz", "--serve", f"127.0.0.1:{free_port}=direct"]
    forcefield = ffsocket("one", "127.0.0.1", "inet", port=free_port)
    ours = run(tmp_path / "ours", "nve", [forcefield], forces, client, steps=4)
    theirs = run(
        tmp_path / "theirs",
        "nve",
        [metatomic_ffdirect("one", curl, non_conservative=True)],
        forces,
        steps=4,
    )
    same(ours, theirs)


def test_multiple_time_stepping_over_two_sockets(curl, tmp_path, socket_name):
    """One client for both forcefields, which share each evaluation of both kinds."""
    services = [f"unix:{socket_name}cons=conservative", f"unix:{socket_name}direct=direct"]
    client = [curl, "--template", "start.xyz", "-v"]
    client += [f"--serve={service}" for service in services]
    sockets = [ffsocket(name, socket_name + name) for name in ("cons", "direct")]
    drivers = [
        metatomic_ffdirect("cons", curl),
        metatomic_ffdirect("direct", curl, non_conservative=True),
    ]
    ours = run(tmp_path / "ours", "npt", sockets, mts_forces(), client, **MTS)
    same(ours, run(tmp_path / "theirs", "npt", drivers, mts_forces(), **MTS))


def test_ring_polymer_contraction(curl, tmp_path):
    """Direct forces on all beads, the correction on the centroid only."""
    forces = (
        '<force forcefield="cons" nbeads="1"><mts_weights>[1, 0]</mts_weights></force>'
        '<force forcefield="direct" nbeads="1"><mts_weights>[-1, 0]</mts_weights></force>'
        '<force forcefield="direct"><mts_weights>[0, 1]</mts_weights></force>'
    )
    ours = [ffdirect("cons", curl, "conservative"), ffdirect("direct", curl, "direct")]
    theirs = [
        metatomic_ffdirect("cons", curl),
        metatomic_ffdirect("direct", curl, non_conservative=True),
    ]
    same(
        run(tmp_path / "ours", "pimd", ours, forces, **{**MTS, "steps": 8}),
        run(tmp_path / "theirs", "pimd", theirs, forces, **{**MTS, "steps": 8}),
    )
