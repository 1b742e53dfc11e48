"""How the atoms of a crystal vibrate, with forces of several kinds and corrections side by side.

``crystal`` (cells and who is where) <- ``force_constants`` (finite differences), ``operations``
(the space group on a supercell) <- ``violations``, ``projectors`` <- ``dynamical_matrix``,
``band_path`` <- ``modes``, ``growth``, ``thermal``, ``scan`` <- ``settings``, ``results`` <-
``api``.
"""
