"""SevenNet-0, a pretrained network for 89 elements, as a file that LAMMPS, i-PI and ASE run.

Its weights come with the package (``pip install md-bridge[pretrained]``), so nothing is downloaded.
It has no direct forces: it is an outer model of multiple time stepping, and a teacher of the inner
one.

    python sevennet.py                                # writes sevennet-0.pt
    md-bridge check sevennet-0.pt rocksalt.xyz
"""

import contextlib

import click
import e3nn.util.jit
import torch
from sevenn.checkpoint import SevenNetCheckpoint
from sevenn.util import pretrained_name_to_path
from torch import Tensor, nn

from md_bridge.export import export_module, pair_vectors

REFERENCES = {
    "model": ["https://doi.org/10.1021/acs.jctc.4c00190"],
    "architecture": ["https://arxiv.org/abs/2101.03164 (NequIP)"],
    "implementation": ["https://github.com/MDIL-SNU/SevenNet"],
}


class OneHot(nn.Module):
    """What SevenNet knows of an atom at first: its element.

    SevenNet's own is in single precision whatever the rest is in; checks of forces against finite
    differences need double precision.

    :param elements: that the network knows
    """

    def __init__(self, elements: int) -> None:
        super().__init__()
        self.elements = elements

    def forward(self, data: dict[str, Tensor]) -> dict[str, Tensor]:
        """The rows of ``x`` become unit vectors; ``atom_type`` keeps them."""
        row = data["x"]
        one = nn.functional.one_hot(row, self.elements).to(data["edge_vec"].dtype)
        data["atom_type"], data["x"], data["node_attr"] = row, one, one
        return data


class SevenNet(nn.Module):
    """A SevenNet of one modality, from a checkpoint.

    :param checkpoint: a file, or a name that SevenNet knows: ``7net-0``, ``7net-l3i5``
    """

    row: Tensor

    def __init__(self, checkpoint: str = "7net-0") -> None:
        super().__init__()
        with contextlib.suppress(ValueError):  # it may be the path of a file
            checkpoint = pretrained_name_to_path(checkpoint)
        loaded = SevenNetCheckpoint(checkpoint)
        network = loaded.build_model()
        if network.modal_map:
            raise ValueError(
                f"{checkpoint} has the modalities {', '.join(network.modal_map)}; expected one of "
                "a single modality, such as 7net-0"
            )
        self.elements = [int(z) for z in network.type_map]
        self.cutoff = float(loaded.config["cutoff"])
        self.layers = int(loaded.config["num_convolution_layer"])
        row = torch.full((119,), -1, dtype=torch.int64)  # atomic number -> row of the embedding
        for z, index in network.type_map.items():
            row[z] = index
        self.register_buffer("row", row)
        # forces are gradients that the host takes; sums over structures it makes as well
        network.delete_module_by_key("force_output")
        network.delete_module_by_key("reduce_total_enegy")  # (sic)
        network.replace_module("onehot_idx_to_onehot", OneHot(len(self.elements)))
        network.eval_type_map = False
        network.key_grad = None
        network.set_is_batch_data(False)
        # only e3nn knows how to compile the tensor products that it has generated the code of
        self.network = e3nn.util.jit.script(network.eval().requires_grad_(False))

    def forward(
        self,
        types: Tensor,
        positions: Tensor,
        cell: Tensor,
        pairs: Tensor,
        shifts: Tensor,
        structure: Tensor,
    ) -> dict[str, Tensor]:
        """Energy of each atom, ``[N]``, in eV."""
        data = {
            "x": self.row[types],
            "edge_index": pairs.t(),
            "edge_vec": pair_vectors(positions, cell, pairs, shifts, structure),
        }
        return {"energy": self.network(data)["atomic_energy"].squeeze(1)}


@click.command()
@click.option("--out", default="sevennet-0.pt", show_default=True, help="File to write.")
@click.option("--checkpoint", default="7net-0", show_default=True, help="Name, or a file.")
def main(out: str, checkpoint: str) -> None:
    """Export a pretrained SevenNet."""
    module = SevenNet(checkpoint)
    export_module(
        module,
        out,
        elements=module.elements,
        cutoff=module.cutoff,
        layers=module.layers,
        metadata={"name": f"SevenNet ({checkpoint})", "references": REFERENCES},
    )
    click.echo(f"wrote {out}: {len(module.elements)} elements, cutoff {module.cutoff} Å")


if __name__ == "__main__":
    main()
