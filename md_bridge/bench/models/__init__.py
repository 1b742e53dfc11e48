"""The models that are measured, as files: the bundled one, a PET of the published XS size, yours;
and the same weights for pet-kokkos."""
