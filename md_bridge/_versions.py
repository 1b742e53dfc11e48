"""Refuse to run against other versions of the C++ packages than those compiled against."""

from __future__ import annotations

import importlib.metadata


def mismatch() -> str | None:
    """Say which installed packages differ from those that the C++ code was compiled against.

    C++ libraries of different versions of torch, metatensor-torch or metatomic-torch are not
    interchangeable: at best a symbol is missing, at worst memory is read wrongly. Versions agree if
    the installed one begins with the numbers that the build wrote down, 2.13 for any torch 2.13.x.

    :returns: a whole sentence for the user, or None if all is well
    """
    try:
        from md_bridge._build_info import COMPILED_AGAINST
    except ImportError:
        return (
            "MD Bridge has no compiled part: it was not installed, or its build failed. "
            "Run `pip install --no-build-isolation .` in its source folder."
        )
    differences = []
    for package, compiled in COMPILED_AGAINST.items():
        try:
            installed = importlib.metadata.version(package).split("+")[0]
        except importlib.metadata.PackageNotFoundError:
            installed = "none"
        if installed != compiled and not installed.startswith(f"{compiled}."):
            differences.append((package, compiled, installed))
    if not differences:
        return None
    compiled_text = ", ".join(f"{package} {compiled}" for package, compiled, _ in differences)
    installed_text = ", ".join(f"{package} {installed}" for package, _, installed in differences)
    wanted = " ".join(_requirement(package, compiled) for package, compiled, _ in differences)
    return (
        f"MD Bridge was compiled against {compiled_text}, but {installed_text} is installed. "
        f"Either run `pip install {wanted}`, or compile MD Bridge again with "
        "`pip install --force-reinstall --no-deps --no-build-isolation .` in its source folder."
    )


def _requirement(package: str, compiled: str) -> str:
    """What to give pip: any ``2.13.x`` for 2.13, else just that version."""
    exact = compiled.count(".") >= 2
    return f"{package}=={compiled}" if exact else f"'{package}=={compiled}.*'"


def require_match() -> None:
    """Raise ImportError with the sentence of :func:`mismatch`, if there is one."""
    sentence = mismatch()
    if sentence is not None:
        raise ImportError(sentence)
