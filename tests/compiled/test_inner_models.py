"""A compiled student serves the inner forces, as its TorchScript file does."""

from md_bridge.engine import Engine, cheapest_forces, open_inner
from md_bridge.model_options import ModelOptions


def test_a_compiled_student_is_an_inner_model(files):
    made = files("student")
    engine, kind = open_inner(ModelOptions(inner=str(made.compiled)))
    assert engine.info.path == str(made.compiled)
    assert kind == cheapest_forces(Engine(made.exported))
