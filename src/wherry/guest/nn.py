"""wasi-nn by name: the graphs that the image brings, without numpy.

graph = nn.load_by_name("default")
text = graph.compute({"0": Tensor.from_numbers(samples)})["0"].text()
"""

from collections.abc import Mapping
from dataclasses import dataclass

from wherry.guest import host
from wherry.guest.tensor import Tensor

__all__ = ["Graph", "Tensor", "load_by_name"]


@dataclass(frozen=True)
class Graph:
    """A loaded graph; `load_by_name` makes one."""

    name: str
    _graph: host.Graph

    def compute(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Inputs by name -> outputs by name. Graphs that number theirs have "0", "1", and so on. Raises WherryError."""
        return self._graph.compute(inputs)


def load_by_name(name: str = "default") -> Graph:
    """Raises NotFoundError for a name that the image does not bring."""
    return Graph(name, host.current().load_graph(name))
