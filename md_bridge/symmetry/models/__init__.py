"""How much symmetry a model file has learned: its quantities as functions of turned copies."""
