"""The house as CONTRIBUTING draws it: which way dependencies point, sizes, words."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "md_bridge"
SOURCES = ("md_bridge", "csrc", "lammps_plugin", "tests", "examples", "benchmarks", "docs")
LONGEST_FILE = 500
LARGEST_FOLDER = 15
SUFFIXES = (".py", ".pyi", ".hpp", ".cpp", ".js", ".css", ".j2", ".json")
NOT_READ = {
    "md_bridge/_core.pyi": "generated from the compiled part: make stubs",
    "md_bridge/drift/templates/uplot": "the work of others, as they publish it",
    "docs/performance.json": "data: numbers of md-bridge bench",
    "docs/symmetry.json": "data: numbers of md-bridge symmetry",
    "docs/certified.json": "data: numbers of md-bridge certify",
    "docs/statics.json": "data: numbers of md-bridge relax and phonons",
    "md_bridge/data": "data: the bundled model and its starts",
    "tests/lammps/force_style": "data: numbers of tests/helpers/make_force_style_references.py",
}
"""Files and folders that nobody reads line by line, and why."""

SHARED = ["errors", "text", "forces", "structures", "processes", "model_names", "model_options"]
HOSTS = ["ase", "lammps", "ipi"]
JOBS = [
    "export",
    "drift",
    "symmetry",
    "certify",
    "statics",
    "compare",
    "distil",
    "compiled",
    "bench",
    "demo",
    "cli",
]
DRIFT = ["judging", "records", "runs", "tuning", "protocols", "report"]
SYMMETRY = ["group", "measuring", "results", "api", "layers", "models", "report"]
STATICS = ["relaxing", "phonons", "elastic", "report"]
"""Of ``md_bridge/statics``; its modules come before all of them."""


def below(order: list[str], name: str) -> list[str]:
    """Those that come before a name, which must not import it and what comes after."""
    return order[order.index(name) :]


# What a module (or all modules of a package) must not import; names without md_bridge.
FORBIDDEN = {
    **{name: ["engine", "committee", "_core", "calculators", *HOSTS, *JOBS] for name in SHARED},
    # which calls the calculators without knowing them: csrc/python
    "engine": ["committee", "calculators", *HOSTS, *JOBS],
    "committee": ["calculators", *HOSTS, *JOBS],
    "calculators": [*HOSTS, *JOBS],
    # hosts do not know each other, nor what is done with them
    "ase": ["lammps", "ipi", *JOBS],
    "lammps": ["ase", "ipi", "engine", "_core", *JOBS],
    "ipi": ["ase", "lammps", *JOBS],
    # a check measures the symmetry of a function; that of a model knows what a model file is
    "export": [
        *(
            "lammps",
            "ipi",
            "drift",
            "certify",
            "statics",
            "compare",
            "distil",
            "compiled",
            "bench",
            "demo",
            "cli",
        ),
        *(f"symmetry.{name}" for name in ("layers", "models", "report")),
    ],
    "drift": ["symmetry", *below(JOBS, "certify")],
    # of any function: the engine is for the matrices of its sets alone
    "symmetry": [*HOSTS, *below(JOBS, "certify")],
    **{
        f"symmetry.{name}": [
            *(job for job in JOBS if job != "symmetry"),
            *(f"symmetry.{later}" for later in SYMMETRY[place + 1 :]),
        ]
        for place, name in enumerate(SYMMETRY[:4])
    },
    # a model file's own network is read where files are
    "symmetry.layers": [
        *(job for job in JOBS if job not in ("symmetry", "export")),
        *("symmetry.models", "symmetry.report"),
    ],
    "symmetry.models": ["drift", "symmetry.report"],
    "certify": below(JOBS, "statics"),
    # findings <- single_points <- checks <- certificate <- report
    "certify.single_points": ["certify.checks", "certify.certificate", "certify.report"],
    "certify.checks": ["certify.certificate", "certify.api", "certify.report"],
    # rows, evaluator, noise, … <- relaxing <- phonons, elastic <- report
    "statics": ["certify", *below(JOBS, "compare")],
    **{
        f"statics.{name}": ["drift", *(f"statics.{later}" for later in STATICS)]
        for name in ("rows", "evaluator", "noise", "starts", "space_groups", "constraints")
    },
    "statics.relaxing": ["drift", *(f"statics.{name}" for name in below(STATICS, "phonons"))],
    # findings, request <- subjects <- measures <- comparison <- api, report
    "compare": [*HOSTS, *below(JOBS, "distil")],
    **{
        f"compare.{name}": [f"compare.{later}" for later in ("comparison", "api", "report")]
        for name in ("request", "findings", "subjects", "kept", "measures")
    },
    "compare.report": ["compare.api", "compare.measures"],
    "distil": [
        *("lammps", "ipi", "certify", "statics", "compare"),
        *below(JOBS, "compiled"),
    ],
    "compiled": [*HOSTS, "drift", "certify", "statics", "compare", *below(JOBS, "bench")],
    "compiled.pet": ["compiled.api", "compiled.module", "compiled.student", "distil"],
    "distil.training": ["distil.report", "distil.api", "distil.tuning"],
    "distil.labelling": ["distil.training", "distil.report", "distil.api", "distil.student"],
    "bench": ["certify", "statics", "compare", "distil", "demo", "cli"],
    # programs are run by path, and those of the alternatives load nothing of ours
    **{
        f"bench.programs.{name}": ["engine", *HOSTS, *JOBS]
        for name in ("worker", "raw_call", "ipi_simulation")
    },
    # what is compared with what is known to the groups only
    **{
        f"bench.{name}": ["bench.groups", "bench.api"]
        for name in ("sessions", "models", "panels", "runner", "results", "statistics", "tables")
    },
    "demo": ["certify", "statics", "compare", "distil", "compiled", "bench", "cli"],
    # judging <- records <- runs <- tuning, protocols <- report
    "drift.judging": [
        *(f"drift.{name}" for name in below(DRIFT, "records")),
        *("engine", "_core", "export", *HOSTS),
    ],
    "drift.records": [f"drift.{name}" for name in below(DRIFT, "runs")],
    "drift.runs": [f"drift.{name}" for name in below(DRIFT, "tuning")],
    "drift.tuning": ["drift.protocols", "drift.report"],
    "drift.protocols": ["drift.tuning", "drift.report"],
    "drift.api": ["drift.protocols", "drift.report"],
}


def module_name(path: Path, root: Path) -> str:
    """``drift.judging.line`` for ``root/drift/judging/line.py``."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def imports(path: Path) -> set[str]:
    """What a module imports of md_bridge, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports of this package are absolute"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name.removeprefix("md_bridge.") for name in found if name.startswith("md_bridge.")}


def is_in(name: str, package: str) -> bool:
    """Whether a module is a package or in it."""
    return name == package or name.startswith(f"{package}.")


def reversed_arrows(root: Path) -> list[str]:
    """Every import that :data:`FORBIDDEN` forbids."""
    return [
        f"{importer} imports {imported}"
        for path in sorted(root.rglob("*.py"))
        for importer in [module_name(path, root)]
        for package, forbidden in FORBIDDEN.items()
        if is_in(importer, package)
        for imported in sorted(imports(path))
        if any(is_in(imported, name) for name in forbidden)
    ]


def test_dependencies_point_one_way():
    assert reversed_arrows(PACKAGE) == []
    for package in FORBIDDEN:
        path = PACKAGE / package.replace(".", "/")
        assert path.with_suffix(".py").exists() or path.is_dir(), f"there is no {package}"


@pytest.mark.parametrize(
    ("module", "statement"),
    [
        ("drift/judging/line.py", "from md_bridge.drift.records.run import RunRecord"),
        ("drift/judging/line.py", "def f():\n    import md_bridge.engine"),
        ("drift/tuning/search.py", "from md_bridge.drift import report"),
        ("drift/protocols/loop.py", "from md_bridge.drift.tuning import search"),
        ("lammps/runner.py", "from md_bridge import ipi"),
        ("ase/calculator.py", "import md_bridge.lammps"),
        ("export/files.py", "from md_bridge.drift import judge"),
        ("text.py", "from md_bridge.engine import Engine"),
        ("drift/api.py", "from md_bridge.distil import distil"),
        ("certify/api.py", "from md_bridge.distil import distil"),
        ("export/sources.py", "from md_bridge.certify import certify"),
        ("certify/checks/hosts.py", "from md_bridge.certify.certificate import Certificate"),
        ("symmetry/api.py", "from md_bridge.export import load_exported"),
        ("symmetry/layers/pet.py", "from md_bridge.symmetry.report import page"),
        ("symmetry/group/grids.py", "from md_bridge.symmetry.measuring.laws import Law"),
        ("symmetry/models/copies.py", "from md_bridge.symmetry.report.tables import sections"),
        ("export/checks/rotation.py", "from md_bridge.symmetry.models.copies import Copies"),
        ("statics/noise.py", "from md_bridge.statics.relaxing.lockstep import relax_together"),
        ("statics/relaxing/api.py", "from md_bridge.statics.report.relaxation import as_result"),
        ("statics/relaxing/api.py", "from md_bridge.drift.report import page"),
        ("distil/api.py", "from md_bridge.statics.rows import Row"),
        ("statics/rows.py", "from md_bridge.compare import compare"),
        ("compare/api.py", "from md_bridge.bench.sessions.process import Work"),
        ("compare/measures/cost.py", "from md_bridge.compare.api import compare"),
        ("compare/report/tables.py", "from md_bridge.compare.measures import measure_named"),
        ("distil/api.py", "from md_bridge.lammps import runner"),
        ("distil/labelling/teacher.py", "from md_bridge.distil.training import loss"),
        ("demo.py", "from md_bridge.cli import main"),
        ("bench/runner.py", "from md_bridge.bench.groups import GROUPS"),
        ("bench/programs/worker.py", "from md_bridge.engine import Engine"),
    ],
)
def test_a_reversed_arrow_is_seen(tmp_path, module, statement):
    path = tmp_path / module
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("import md_bridge.errors\n")
    assert reversed_arrows(tmp_path) == []
    path.write_text(statement)
    assert len(reversed_arrows(tmp_path)) == 1


# What C++ files may include of this project, and of Python; all else comes from outside it.
# The longest folder that a file is in counts. Programs of tests look at private files too.
PUBLIC = "csrc/engine/include"
MAY_INCLUDE = {
    PUBLIC: [PUBLIC],
    "csrc/engine": [PUBLIC, "csrc/engine"],
    "csrc/ipi": [PUBLIC, "csrc/ipi"],
    "csrc/python": [PUBLIC, "csrc/ipi", "csrc/python", "python"],
    "lammps_plugin": [PUBLIC, "lammps_plugin"],
    "examples": [PUBLIC, "examples"],
}
SEARCHED = (PUBLIC, "csrc", "csrc/engine", "csrc/ipi", "csrc/python", "lammps_plugin", ".")
INCLUDE = re.compile(r'^\s*#\s*include\s*["<]([^">]+)[">]', re.MULTILINE)


def longest_folder(path: Path, root: Path) -> str:
    """The folder of :data:`MAY_INCLUDE` that a file is in; "" for none."""
    name = f"{path.relative_to(root)}"
    folders = [folder for folder in MAY_INCLUDE if name.startswith(f"{folder}/")]
    return max(folders, key=len, default="")


def included_folder(name: str, includer: Path, root: Path) -> str | None:
    """Which folder of :data:`MAY_INCLUDE` an include leads to, as the compiler looks it up.

    "python" for the headers of Python and pybind11, None for what is not of this project.
    """
    if name.startswith("pybind11/") or name == "Python.h":
        return "python"
    for folder in (includer.parent, *(root / searched for searched in SEARCHED)):
        path = (folder / name).resolve()
        if path.is_file() and path.is_relative_to(root):
            return longest_folder(path, root)
    return None


def reversed_includes(root: Path) -> list[str]:
    """Every include that :data:`MAY_INCLUDE` does not name."""
    root = root.resolve()
    files = {path for folder in MAY_INCLUDE for path in (root / folder).rglob("*.[ch]pp")}
    return [
        f"{path.relative_to(root)} includes {name}"
        for path in sorted(files)
        if not {"tests", "build"} & {*path.relative_to(root).parts}
        for name in INCLUDE.findall(path.read_text(encoding="utf-8"))
        if (target := included_folder(name, path, root)) is not None
        and target not in MAY_INCLUDE[longest_folder(path, root)]
    ]


def test_includes_point_one_way():
    assert reversed_includes(ROOT) == []
    for folder in MAY_INCLUDE:
        assert list((ROOT / folder).rglob("*.[ch]pp")), f"there is no C++ in {folder}"


@pytest.mark.parametrize(
    ("file", "included"),
    [
        ("csrc/engine/model.cpp", '"ipi/client.hpp"'),
        ("csrc/engine/model.cpp", '"../ipi/client.hpp"'),
        ("csrc/engine/model.cpp", '"../python/arrays.hpp"'),
        ("csrc/engine/model.cpp", '"python/arrays.hpp"'),
        ("csrc/engine/model.cpp", "<pybind11/numpy.h>"),
        ("csrc/engine/model.cpp", '"../../lammps_plugin/words.hpp"'),
        ("csrc/engine/include/mdbridge/model.hpp", '"backend.hpp"'),
        ("csrc/engine/include/mdbridge/model.hpp", '"../../backend.hpp"'),
        ("csrc/ipi/client.cpp", '"backend.hpp"'),
        ("csrc/ipi/client.cpp", '"engine/backend.hpp"'),
        ("csrc/ipi/client.cpp", '"../python/arrays.hpp"'),
        ("csrc/ipi/client.cpp", "<Python.h>"),
        ("csrc/python/arrays.hpp", '"../engine/backend.hpp"'),
        ("csrc/python/arrays.hpp", '"lammps_plugin/words.hpp"'),
        ("lammps_plugin/mpi/node.cpp", '"ipi/client.hpp"'),
        ("lammps_plugin/mpi/node.cpp", '"../../csrc/engine/backend.hpp"'),
        ("lammps_plugin/mpi/node.cpp", "<backend.hpp>"),
        ("lammps_plugin/mpi/node.cpp", "<pybind11/numpy.h>"),
        ("examples/cpp/main.cpp", '"engine/backend.hpp"'),
    ],
)
def test_a_reversed_include_is_seen(tmp_path, file, included):
    headers = {
        "csrc/engine/include/mdbridge/error.hpp",
        "csrc/engine/backend.hpp",
        "csrc/ipi/client.hpp",
        "csrc/python/arrays.hpp",
        "lammps_plugin/words.hpp",
    }
    for name in headers | {file}:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("#include <vector>\n#include <mdbridge/error.hpp>\n")
    assert reversed_includes(tmp_path) == []
    (tmp_path / file).write_text(f"#pragma once\n  #  include {included}\n")
    assert len(reversed_includes(tmp_path)) == 1


HOST_WORDS = re.compile(
    r"lammps|i-pi|\bipi\b|bohr|hartree|\brespa|posdata|pybind|\bPyObject\b", re.IGNORECASE
)


def test_the_engine_knows_no_host():
    files = [path for path in (ROOT / "csrc/engine").rglob("*") if path.suffix in SUFFIXES]
    assert len(files) > 10
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in files
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if HOST_WORDS.search(line)
    ]
    assert found == []


@pytest.mark.parametrize(
    "line", ["#include <pybind11/x.h>", "// as LAMMPS does", "bohr", "POSDATA"]
)
def test_a_host_word_is_seen(line):
    assert HOST_WORDS.search(line)
    assert not HOST_WORDS.search("correspaced recipiece: 3 empires")


def sources() -> Iterator[Path]:
    """All source files, but for what builds and tools leave, and :data:`NOT_READ`."""
    for folder in SOURCES:
        for path in sorted((ROOT / folder).rglob("*")):
            inside = path.relative_to(ROOT)
            left = {"build", "_build", "__pycache__"} & {*inside.parts}
            read = not any(inside.is_relative_to(name) for name in NOT_READ)
            if path.suffix in SUFFIXES and read and not left:
                yield path


def test_files_are_short():
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in sources()}
    assert len(lengths) > 200
    assert {path.suffix for path in lengths} >= {".py", ".hpp", ".cpp", ".js", ".css", ".j2"}
    assert [f"{p.relative_to(ROOT)}: {n}" for p, n in lengths.items() if n > LONGEST_FILE] == []


def test_what_is_not_read_exists():
    assert [name for name in NOT_READ if not (ROOT / name).exists()] == []


def test_folders_are_small():
    modules = defaultdict(set)  # a header and its source are one
    for path in sources():
        if path.name != "__init__.py":
            modules[path.parent].add(path.stem)
    found = {str(path.relative_to(ROOT)): len(names) for path, names in modules.items()}
    assert {path: count for path, count in found.items() if count > LARGEST_FOLDER} == {}
