"""Put the trained backbone and the distilled head into one file that metatomic engines can read.

Example: python export.py model.ckpt direct_head.pt --out water.pt
"""

from __future__ import annotations

from pathlib import Path

import click
import torch
from direct_head import PairForceHead, WaterModel
from metatomic.torch import AtomisticModel, ModelCapabilities, ModelMetadata, ModelOutput
from metatrain.pet import PET

from md_bridge.export.checkpoint import load_checkpoint
from md_bridge.export.files import save_atomically
from md_bridge.export.pet import isolate_padding, true_range

DESCRIPTION = """Liquid water (H, O). FOR DEMONSTRATION ONLY: not for research results.
Trained on GFN1-xTB energies, forces and stresses of 586 periodic boxes of 27 molecules (81 atoms)
near 1 g/cm^3, taken at 330 K and 700 K, half of them strained and rattled. The direct forces and
stress come from a pair-force head distilled on the model's own conservative forces; the backbone
stayed frozen. Errors on 60 held-out boxes are in the card next to this file (water.json)."""

REFERENCES = {
    "architecture": ["https://arxiv.org/abs/2305.19302"],
    "model": [
        "https://doi.org/10.1021/acs.jctc.7b00118 (GFN1-xTB, the reference of the labels)",
        "https://arxiv.org/abs/2412.11569 (direct forces and multiple time stepping)",
    ],
}


def load_backbone(checkpoint: str | Path) -> PET:
    """The best PET of a metatrain checkpoint, ready for inference in single precision."""
    return PET.load_checkpoint(load_checkpoint(checkpoint), "export").eval().to(torch.float32)


def load_head(path: str | Path) -> PairForceHead:
    """A head that ``distil.py`` wrote."""
    state = torch.load(path, weights_only=True, map_location="cpu")
    head = PairForceHead(**state["options"])
    head.load_state_dict(state["weights"])
    return head.eval()


def atomistic_model(pet: PET, head: PairForceHead) -> AtomisticModel:
    """The exportable model with its capabilities and metadata."""
    capabilities = ModelCapabilities(
        outputs={
            "energy": ModelOutput(unit="eV", sample_kind="atom", description="potential energy"),
            "non_conservative_force": ModelOutput(
                unit="eV/A", sample_kind="atom", description="direct forces, zero net force"
            ),
            "non_conservative_stress": ModelOutput(
                unit="eV/A^3", sample_kind="atom", description="direct stress, positive in tension"
            ),
        },
        atomic_types=pet.atomic_types,
        interaction_range=true_range(pet),
        length_unit="angstrom",
        supported_devices=["cuda", "cpu"],
        dtype="float32",
    )
    metadata = ModelMetadata(
        name="PET water (GFN1-xTB), demonstration model",
        authors=["MD Bridge developers"],
        description=DESCRIPTION,
        references=REFERENCES,
    )
    model = WaterModel(pet, head)
    isolate_padding(model)
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    return AtomisticModel(model.eval(), metadata, capabilities)


@click.command()
@click.argument("checkpoint", type=click.Path(exists=True, dir_okay=False))
@click.argument("head", type=click.Path(exists=True, dir_okay=False))
@click.option("--out", default="water.pt", show_default=True, help="Model file to write.")
def main(checkpoint: str, head: str, out: str) -> None:
    """Export the PET of CHECKPOINT with the direct HEAD.

    Example: python export.py model.ckpt direct_head.pt --out water.pt
    """
    save_atomically(atomistic_model(load_backbone(checkpoint), load_head(head)), out)
    click.echo(f"{out}: {Path(out).stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
