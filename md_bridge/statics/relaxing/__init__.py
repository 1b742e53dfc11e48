"""Structures are moved until their forces vanish.

``results`` (what becomes of one), ``settings`` <- ``moving`` (one structure, an optimizer of ASE)
<- ``lockstep`` (many, in batches), ``lammps`` <- ``differences`` (between what rows of forces make
of one start), ``kept`` (results on the disk) <- ``request``, ``comparing``, ``api`` (all starts and
all rows).
"""
