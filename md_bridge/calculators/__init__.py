"""Models that Python evaluates: ASE calculators and plain functions, wherever a file can be given.

``python:package.module:factory`` names a function without arguments that returns an ASE calculator,
or a function of an ``Atoms`` object that returns a dictionary. The engine finds it through
:mod:`md_bridge.calculators.opening`, and does with it what it does with a file.

What a calculator gives is what its ``implemented_properties`` list, in ASE's units:

======================  ========  ==============================================================
property                shape     what the engine takes it for
======================  ========  ==============================================================
``energy``              scalar    the energy
``forces``              [N, 3]    conservative forces; direct ones if ``forces_kind`` is "direct"
``stress``              [6]       of the same kind as the forces, positive under tension
``direct_forces``       [N, 3]    forces that the model predicts, beside conservative ones
``direct_stress``       [6]       the same of the stress
``energies``            [N]       energies of the atoms
``energy_uncertainty``  [N]       standard deviation of the energy of each atom
``energy_ensemble``     [n]       energy that each member of a committee gives
======================  ========  ==============================================================

Attributes of the calculator (or of the function) say the rest, where they are there:

- ``further_properties``: what it puts into its results though ``implemented_properties`` do not
  list it
- ``forces_kind``: "conservative" (the default) or "direct", of ``forces`` and ``stress``
- ``atomic_numbers``: of the elements that it knows; all, where it does not say
- ``interaction_range``: how far an atom can influence another one, Å; infinite by default
- ``structure_info``: entries for ``Atoms.info`` of every structure
- ``requested_inputs``: which of "charge" and "spin_multiplicity" it asks for; they go into
  ``Atoms.info``, where packages look for them, and are refused with a calculator that has none

The modules beside this one make such calculators of those of some packages: :mod:`~.chgnet`,
:mod:`~.fairchem`, :mod:`~.metatomic`, :mod:`~.orb` and :mod:`~.sevennet`.
"""
