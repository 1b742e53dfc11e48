"""LAMMPS inputs at random: exported Lennard-Jones by ``pair_style mdbridge`` equals ``lj/cut``.

    PYTHONPATH=tests/helpers python -m random_decks --decks 2000 --keep /tmp/failures

Every deck follows from its seed. It has one box, one interaction and several runs with changes in
between, and is run twice by the same program on the same ranks: with LAMMPS's own styles, then with
ours in their place. After each run energies, pressure, positions, velocities and forces by atom ID
have to agree to 1e-9 of their size.

``potential``, ``units`` and ``boxes`` are what a deck is made of, ``interactions``, ``fixes`` and
``changes`` what can be drawn, ``generate`` draws, ``running`` runs decks by the batch and compares.
"""
