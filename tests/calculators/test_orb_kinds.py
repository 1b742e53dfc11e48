"""Which kinds of forces the adapter for orb-models finds, of stand-ins for its calculators."""

from types import SimpleNamespace

import pytest
from ase.calculators.calculator import Calculator

from md_bridge.calculators.model import CalculatorModel
from md_bridge.calculators.orb import say_kinds


class Stub(Calculator):
    """What the adapter looks at."""

    implemented_properties = ("energy", "forces", "stress")

    def __init__(self, heads, conservative=True, wrapped=False):
        super().__init__()
        model = SimpleNamespace(heads=dict.fromkeys(heads))
        self.model = SimpleNamespace(xc_model=model) if wrapped else model
        self.conservative = conservative


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize(
    ("heads", "direct"),
    [
        (("energy", "forces", "stress"), {"direct_forces", "direct_virial"}),
        (("energy", "forces"), {"direct_forces"}),
        (("energy",), set()),
    ],
)
def test_heads_that_predict_are_direct_beside_derivatives(heads, direct, wrapped):
    made = say_kinds(Stub(heads, wrapped=wrapped))
    assert made.forces_kind == "conservative"
    given = set(CalculatorModel("orb", made).quantities)
    assert given == {"energy", "conservative_forces", "conservative_virial", *direct}


def test_a_network_that_predicts_alone_is_direct():
    made = say_kinds(Stub(("energy", "forces", "stress"), conservative=False))
    assert made.forces_kind == "direct"
    given = set(CalculatorModel("orb", made).quantities)
    assert given == {"energy", "direct_forces", "direct_virial"}


@pytest.mark.parametrize("asks", [True, False])
def test_a_network_that_counts_electrons_asks_for_charge_and_spin(asks):
    stub = Stub(("energy",))
    stub.expects_charge_and_spin = asks
    inputs = CalculatorModel("orb", say_kinds(stub)).inputs
    assert set(inputs) == ({"charge", "spin_multiplicity"} if asks else set())
