"""Which device the tests of the engine run on: the best that there is, and in a process that has
the emulated accelerator (:mod:`emulated_device`) that one."""

import functools
import os

import emulated_device
import models
import pytest


@pytest.fixture(scope="session")
def accelerator():
    """The emulated one, or None where it is not in use."""
    if os.environ.get(emulated_device.IN_USE) != "1":
        yield None
        return
    device = emulated_device.EmulatedDevice()
    begin = device.counts()
    yield device
    # tests that fall back to the CPU would all pass
    assert (device.counts() - begin).uploads > 0


@pytest.fixture(scope="session", autouse=True)
def exported_for_the_accelerator(accelerator):
    """All analytic models say that they run there, before all."""
    if accelerator is None:
        yield
        return
    export = models.AnalyticModel.export

    @functools.wraps(export)
    def for_all(self, path, dtype="float64", **options):
        return export(self, path, dtype, **{"devices": ["xpu", "cuda", "cpu"], **options})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("md_bridge.export.options.DEVICES", ("cpu", "cuda", "xpu"))
        patch.setattr(models.AnalyticModel, "export", for_all)
        yield
