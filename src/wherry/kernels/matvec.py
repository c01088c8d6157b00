"""x @ weight.T for at most 8 rows, with the layer norm before it. See `linear.py`."""

from typing import Any

from numpy.typing import NDArray

from wherry.gpu.device import Device, Tensor
from wherry.kernels import layer_norm, linear
from wherry.kernels.source import Case, random_array


def launch(
    device: Device,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    norm_weight: Tensor | None = None,
    norm_bias: Tensor | None = None,
    **options: Any,
) -> Tensor:
    norm = None if norm_weight is None or norm_bias is None else (norm_weight, norm_bias, 1e-5)
    return linear.matvec(device, x, weight, bias, norm=norm, **options)


def reference(
    x: NDArray[Any],
    weight: NDArray[Any],
    bias: NDArray[Any] | None = None,
    norm_weight: NDArray[Any] | None = None,
    norm_bias: NDArray[Any] | None = None,
    lanes: int | None = None,
    **options: Any,
) -> NDArray[Any]:
    if norm_weight is not None and norm_bias is not None:
        x = layer_norm.reference(x, norm_weight, norm_bias)
    return linear.reference(x, weight, bias, **options)


def cases() -> list[Case]:
    x, w, b = random_array(1, 5, 384) + 2, random_array(2, 100, 384, scale=0.05), random_array(3, 100)
    normed = Case("normed", (x, w, b, random_array(4, 384), random_array(5, 384)), {"gelu": True})
    shared = [Case(f"{lanes} lanes", (x, w, b), {"lanes": lanes}) for lanes in (8, 16, 64)]
    return [*linear.cases(few=True), normed, *shared]
