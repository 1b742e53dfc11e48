"""Structures are moved until their forces vanish.

``results`` (what becomes of one), ``settings`` <- ``moving`` (one structure, an optimizer of ASE)
<- ``lockstep`` (many, in batches) <- ``differences`` (between what rows of forces make of one start),
``kept`` (results on the disk) <- ``request``, ``api`` (all starts with all rows).
"""
