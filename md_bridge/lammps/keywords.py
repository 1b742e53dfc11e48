"""Words of LAMMPS inputs."""

from __future__ import annotations

from dataclasses import replace

from md_bridge.model_options import ModelOptions

__all__ = ["pair_style_keywords", "quoted"]

_KEYWORDS = {
    "variant": "variant",
    "direct_variant": "variant/direct",
    "uncertainty_variant": "variant/uncertainty",
    "device": "device",
    "extensions": "extensions",
    "symmetrize": "symmetrize",
    "direct_symmetrize": "symmetrize/direct",
    "seed": "seed",
    "charge": "charge",
    "spin_multiplicity": "spin_multiplicity",
    "threads": "threads",
    "inner": "inner",
    "inner_forces": "inner_forces",
    "inner_variant": "inner_variant",
    "inner_symmetrize": "inner_symmetrize",
    "max_correction": "max_correction",
}
"""Keyword of ``pair_style mdbridge`` for each field of :class:`ModelOptions`."""


def pair_style_keywords(options: ModelOptions) -> str:
    """What differs from the defaults, as it follows the model in ``pair_style mdbridge``; begins
    with a space unless it is empty.

    :param options: how the model is evaluated
    """
    defaults = ModelOptions()
    if options.is_random and options.seed is None:
        options = replace(options, seed=1)  # LAMMPS wants one, and a positive one
    return "".join(
        f" {keyword} {quoted(getattr(options, name))}"
        for name, keyword in _KEYWORDS.items()
        if getattr(options, name) != getattr(defaults, name)
    )


def quoted(word: object) -> str:
    """A path, name or number as one LAMMPS word.

    :param word: what LAMMPS is to read as one word
    :returns: in double quotes where LAMMPS would split or expand it
    """
    text = str(word)
    return f'"{text}"' if any(character in text for character in " \t#$&'") else text
