"""Models of other packages with random weights: the packages' own code, nothing to download."""

from pathlib import Path

BACKBONE = {
    "model": "fairchem.core.models.uma.escn_md.eSCNMDBackbone",
    "sphere_channels": 8,
    "hidden_channels": 8,
    "edge_channels": 8,
    "lmax": 2,
    "mmax": 2,
    "num_layers": 1,
    "cutoff": 4.0,
    "num_distance_basis": 8,
    "ff_type": "spectral",
    "otf_graph": True,
    "regress_forces": True,
    "dataset_mapping": {"omol": "omol", "omat": "omat"},
}


def write_esen(path: Path, direct: bool, task: str) -> Path:
    """A checkpoint for inference as fairchem's training writes it, of an untrained eSEN."""
    import hydra
    import torch
    from fairchem.core.units.mlip_unit.api.inference import MLIPInferenceCheckpoint

    heads = "fairchem.core.models.uma.escn_md"
    if direct:
        chosen = {"energy": f"{heads}.Linear_Energy_Head", "forces": f"{heads}.Linear_Force_Head"}
    else:
        chosen = {"gradients": f"{heads}.MLP_EFS_Head"}
    config = {
        "_target_": "fairchem.core.models.base.HydraModel",
        "backbone": {**BACKBONE, "direct_forces": direct},
        "heads": {name: {"module": module} for name, module in chosen.items()},
        "pass_through_head_outputs": not direct,
    }
    if not direct:
        config["heads"]["gradients"]["wrap_property"] = True
    torch.manual_seed(3)
    state = hydra.utils.instantiate(config).state_dict()
    averaged = {f"module.{name}": value for name, value in state.items()}
    tasks = [_task("energy", "system", [1], task), _task("forces", "atom", [3], task)]
    saved = MLIPInferenceCheckpoint(
        model_config=config,
        model_state_dict=state,
        ema_state_dict={"n_averaged": torch.tensor(1), **averaged},
        tasks_config=tasks,
    )
    torch.save(saved, path)
    return path


def _task(name: str, level: str, shape: list[int], dataset: str) -> dict:
    unit = "fairchem.core.units.mlip_unit.mlip_unit"
    normalizer = "fairchem.core.modules.normalization.normalizer.Normalizer"
    return {
        "_target_": f"{unit}.Task",
        "name": name,
        "level": level,
        "property": name,
        "out_spec": {"_target_": f"{unit}.OutputSpec", "dim": shape, "dtype": "float32"},
        "normalizer": {"_target_": normalizer, "mean": 0.0, "rmsd": 1.5},
        "datasets": [dataset],
    }


def esen(path: str, task: str, double: bool = False):
    """Through our adapter."""
    import torch
    from fairchem.core.units.mlip_unit.api.inference import InferenceSettings

    from md_bridge.calculators.fairchem import fairchem_calculator

    dtype = torch.float64 if double else torch.float32
    settings = InferenceSettings(activation_checkpointing=False, base_precision_dtype=dtype)
    return fairchem_calculator(path, task, device="cpu", inference_settings=settings)


def orb(name: str, own: bool = False):
    """A published architecture at small size: through our adapter, or the package's calculator."""
    from functools import partial
    from unittest.mock import patch

    import torch
    from orb_models.forcefield import pretrained

    from md_bridge.calculators import orb as adapter

    small = {
        "latent_dim": 16,
        "base_mlp_hidden_dim": 16,
        "head_mlp_hidden_dim": 16,
        "num_message_passing_steps": 2,
    }
    kind = "conservative" if "conservative" in name else "direct"
    architecture = f"orb_v3_{kind}_architecture"
    torch.manual_seed(5)
    with (
        patch.object(pretrained, architecture, partial(getattr(pretrained, architecture), **small)),
        patch.object(pretrained, "load_model", lambda model, *_, **__: model.eval()),
    ):
        if not own:
            return adapter.orb_calculator(name, device="cpu")
        from orb_models.forcefield.calculator import ORBCalculator

        return ORBCalculator(getattr(pretrained, name)(device="cpu"), device="cpu")
