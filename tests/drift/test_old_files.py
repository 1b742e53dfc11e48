"""Files of before the first release: they say ``engine`` where ``host`` is meant."""

import json

import numpy as np
import pytest
from ase.io import write
from drift_models import argon_crystal

from md_bridge.drift import Campaign, CampaignPlan, Method, RunRecord, read_csv, write_csv
from md_bridge.drift.runs.campaign import CampaignError, read_settings
from md_bridge.model_options import ModelOptions


def test_series(tmp_path):
    path = tmp_path / "run.csv"
    method = Method("i-pi", "mts", 4, 0.5)
    write_csv(RunRecord(method, 2, 1.0, np.arange(3.0), np.ones(3), np.ones(3)), path)
    assert path.read_text().startswith("# host: i-pi\n")
    path.write_text(path.read_text().replace("# host:", "# engine:"))
    assert read_csv(path).method == method


def test_a_campaign_goes_on(tmp_path):
    """Its settings know no options of the model but the variant."""
    write(tmp_path / "start.xyz", argon_crystal())
    (tmp_path / "model.pt").write_bytes(b"any")
    plan = CampaignPlan(tmp_path / "model.pt", tmp_path / "start.xyz")
    Campaign(plan, tmp_path)
    file = tmp_path / "campaign.json"
    settings = json.loads(file.read_text())
    assert settings["host"] == "lammps"
    assert settings.pop("model_options")["symmetrize"] == "none"
    old = {"engine": settings.pop("host"), "variant": "", **settings}
    file.write_text(json.dumps(old))
    assert read_settings(tmp_path)["host"] == "lammps"
    Campaign(plan, tmp_path)
    assert "engine" not in json.loads(file.read_text())
    file.write_text(json.dumps({**old, "variant": "pbe"}))
    with pytest.raises(CampaignError, match="holds runs with other settings: model_options is"):
        Campaign(plan, tmp_path)
    pbe = CampaignPlan(plan.model, plan.start, model_options=ModelOptions(variant="pbe"))
    Campaign(pbe, tmp_path)
