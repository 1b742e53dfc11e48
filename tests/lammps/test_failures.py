"""What fails in the middle of a run stops all ranks, and leaves readable files behind."""

from typing import Dict  # TorchScript knows no other  # noqa: UP035

import lammps_tools as tools
import models
import numpy as np
import pytest
import torch

from md_bridge.export import export_module, pair_vectors


class OutOfMemoryWhenClose(torch.nn.Module):
    """Pairs of constant energy; asks for more memory than there is when two atoms are closer than
    3.2 Å."""

    def forward(
        self,
        types: torch.Tensor,
        positions: torch.Tensor,
        cell: torch.Tensor,
        pairs: torch.Tensor,
        shifts: torch.Tensor,
        structure: torch.Tensor,
    ) -> Dict[str, torch.Tensor]:  # noqa: UP006
        r2 = pair_vectors(positions, cell, pairs, shifts, structure).square().sum(dim=1)
        energy = torch.zeros_like(positions[:, 0]).index_add(0, pairs[:, 0], 0.0 * r2)
        if bool((r2 < 3.2**2).any()):
            much = types.size(0) * 1125899906842624
            energy = energy + torch.zeros([much], dtype=energy.dtype).sum()
        return {"energy": energy}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("failures")
    models.nan_when_close(3.2).export(folder / "nan.pt")
    export_module(
        OutOfMemoryWhenClose(),
        folder / "memory.pt",
        elements=["Ar"],
        cutoff=8.5,
        layers=1,
    )
    return folder


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize(
    ("model", "words"),
    [("nan.pt", "not finite"), ("memory.pt", "out of memory on cpu")],
    ids=["nan", "out of memory"],
)
def test_files_written_so_far_are_readable(folder, model, words, ranks):
    """Two atoms fly at each other on the last rank; the other rank sees neither of them."""
    text = f"""
        units metal
        atom_modify map array
        region box block 0 60 0 30 0 30
        create_box 1 box
        mass 1 39.95
        create_atoms 1 single 10 15 15
        create_atoms 1 single 15 15 15
        create_atoms 1 single 41 15 15
        create_atoms 1 single 48 15 15
        set atom 4 vx -20
        fix nve all nve
        timestep 0.004
        thermo 1
        dump d all custom 1 dump.lammpstrj id type x
        restart 10 step.*.restart
        pair_style mdbridge {model}
        pair_coeff * * Ar
        run 100
        """
    for file in folder.glob("*.restart"):
        file.unlink()
    run = tools.run_input(text, folder, ranks=ranks)
    assert run.returncode not in (0, None)
    error = " ".join(line for line in run.stdout.splitlines() if "ERROR" in line)
    assert words in error
    assert run.stdout.count("ERROR") == 1
    assert "ERROR" in (folder / "log.lammps").read_text()

    frames = (folder / "dump.lammpstrj").read_text().split("ITEM: TIMESTEP\n")[1:]
    assert len(frames) > 40
    assert {len(frame.splitlines()) for frame in frames} == {1 + 2 + 4 + 1 + 4}
    last = np.array([line.split() for line in frames[-1].splitlines()[-4:]], dtype=float)
    distance = abs(last[last[:, 0] == 4, 2] - last[last[:, 0] == 3, 2])
    assert 3.2 <= distance < 3.4

    again = "read_restart step.*.restart\nrun 0\n"  # the last one
    assert len(list(folder.glob("*.restart"))) > 3
    run = tools.run_input(again, folder)
    assert run.returncode == 0, run.stdout
    assert "  4 atoms\n" in run.stdout
    assert "Current step  : 40" in run.stdout
