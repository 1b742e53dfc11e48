"""What the layers of a network put out while it runs, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import torch

from md_bridge.errors import ArgumentError
from md_bridge.symmetry.errors import SymmetryError
from md_bridge.text import nearest

__all__ = ["Capture", "View", "capture", "chosen", "whole"]


View = Callable[[torch.Tensor], Mapping[str, torch.Tensor]]
"""From the output of a layer to what is kept of it, by what is put behind the name of the layer;
none if it is no feature."""


def whole(value: torch.Tensor) -> dict[str, torch.Tensor]:
    """All of an output, under the name of its layer.

    :param value: the output
    """
    return {"": value}


class Capture(torch.nn.Module):
    """A network that returns the outputs of its layers, by name, instead of its own alone.

    A layer is a module within the network, with its name in ``named_modules()``; what the network
    itself returns is ``output``, or has the names of the mapping that it returns. A layer that
    returns several tensors counts as several, ``NAME_0``, ``NAME_1`` (or as ``members`` say); one
    that runs again is ``NAME#2`` the second time. What a container hands on unchanged is shown
    once, by the name of the container.

    :param network: in evaluation mode, not scripted
    :param pattern: which layers; see :func:`chosen`
    :param run: runs the network on what it is called with; None: the network itself does
    :param members: names of the members of a tuple that a module returns
    :param view: what to keep of an output
    :raises SymmetryError: the network is TorchScript
    """

    def __init__(
        self,
        network: torch.nn.Module,
        pattern: str | Sequence[str] = "*",
        run: Callable[..., Any] | None = None,
        members: Sequence[str] = (),
        view: View = whole,
    ) -> None:
        super().__init__()
        if isinstance(network, torch.jit.ScriptModule):
            raise SymmetryError(
                "TorchScript does not show its layers: expected the Python module that it was "
                "made of, or the checkpoint that holds it (.ckpt)"
            )
        self.network, self.pattern, self.run = network, pattern, run
        self.members, self.view = tuple(members), view

    def forward(self, *inputs: Any) -> dict[str, torch.Tensor]:
        """The outputs of the layers, in the order in which they are done.

        :param inputs: of the network
        :raises ArgumentError: no layer fits a pattern
        """
        log = _Log(self.pattern, self.members, self.view)
        handles = [
            module.register_forward_hook(log.hook(name))
            for name, module in self.network.named_modules()
            if name
        ]
        try:
            with torch.no_grad():
                output = (self.run or self.network)(*inputs)
        finally:
            for handle in handles:
                handle.remove()
        for name, value in output.items() if isinstance(output, Mapping) else [("output", output)]:
            log.add(name, value)
        chosen(self.pattern, log.names)  # says which pattern fits nothing
        return log.values


def capture(
    model: torch.nn.Module | Callable[..., Mapping[str, Any]], pattern: str | Sequence[str] = "*"
) -> Callable[..., Mapping[str, Any]]:
    """A function from the inputs of a model to the outputs of its layers, by name.

    :param model: a torch module; or a plain function that returns a mapping, whose names are then
        those of the layers
    :param pattern: which layers; see :func:`chosen`
    :raises SymmetryError: the model is TorchScript
    """
    if isinstance(model, torch.nn.Module):
        return Capture(model, pattern)

    def named(*inputs: Any) -> dict[str, Any]:
        outputs = model(*inputs)
        if not isinstance(outputs, Mapping):
            raise SymmetryError(
                "a function whose layers are wanted should return a mapping from their names to "
                f"arrays; found {type(outputs).__name__}"
            )
        return {name: outputs[name] for name in chosen(pattern, outputs)}

    return named


def chosen(pattern: str | Sequence[str], names: Iterable[str]) -> list[str]:
    """The names that fit a pattern, in their own order.

    :param pattern: with ``*``, ``?`` and ``[…]`` as in file names (``*`` stands for dots too);
        several with commas between them, or in a list
    :param names: of all layers
    :raises ArgumentError: one of the patterns fits nothing
    """
    names, patterns = list(names), _patterns(pattern)
    for each in patterns:
        if not any(fnmatchcase(name, each) for name in names):
            near = nearest(each, names)
            hint = f"; did you mean {near!r}?" if near else f": there are {', '.join(names[:20])}"
            raise ArgumentError("pattern", f"{each!r} is no layer of this network{hint}")
    return [name for name in names if any(fnmatchcase(name, each) for each in patterns)]


def _patterns(pattern: str | Sequence[str]) -> list[str]:
    parts = pattern.split(",") if isinstance(pattern, str) else pattern
    found = [part.strip() for part in parts if part.strip()]
    if not found:
        raise ArgumentError("pattern", "names no layer: '*' are all of them")
    return found


class _Log:
    """The outputs of one run."""

    def __init__(self, pattern: str | Sequence[str], members: tuple[str, ...], view: View) -> None:
        self.patterns, self.members, self.view = _patterns(pattern), members, view
        self.names: list[str] = []
        self.values: dict[str, torch.Tensor] = {}
        self._known: dict[tuple[Any, ...], tuple[str, str, torch.Tensor]] = {}
        """Name, module and tensor, which is kept so that no other one takes its place in memory."""

    def hook(self, name: str) -> Callable[..., None]:
        """What torch calls when the module of this name is done."""
        return lambda _module, _inputs, output: self.add(name, output)

    def add(self, module: str, output: Any) -> None:
        """What a module returns: a tensor, several, or something else that is passed over."""
        several = isinstance(output, tuple | list)
        for i, value in enumerate(output if several else (output,)):
            member = f"_{self.members[i] if i < len(self.members) else i}" if several else ""
            if isinstance(value, torch.Tensor) and value.is_floating_point():
                for part, kept in self.view(value).items():
                    # the version counts what was done to a tensor in place
                    place = (value.data_ptr(), value.shape, value.stride(), value._version, part)
                    self._add(module, module + (member or part), kept, place, value)

    def _add(
        self, module: str, name: str, kept: torch.Tensor, place: Any, value: torch.Tensor
    ) -> None:
        runs = sum(known == name or known.startswith(f"{name}#") for known in self.names)
        name = f"{name}#{runs + 1}" if runs else name
        self.names.append(name)
        if not any(fnmatchcase(name, each) for each in self.patterns):
            return
        if place in self._known:
            earlier, owner, _ = self._known[place]
            if not owner.startswith(f"{module}."):
                return  # handed on by a module that does nothing
            del self.values[earlier]
        self._known[place] = (name, module, value)
        self.values[name] = kept.detach().clone()  # a later layer may work in place
