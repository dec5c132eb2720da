"""What a kernel's source says about its arguments: their types, and which it may write."""

import functools
import re

from minirmae.engines.cuda import sources

_TYPES = {"int": "int32", "long long": "int64", "float": "float32", "double": "float64"}


@functools.cache
def declared(kernel):
    """(name, dtype, written) of each argument of `kernel`: pointers are uint64, and written unless const."""
    text = sources.module_of(kernel, "tf32", sources.SMALL).source()
    (arguments,) = re.findall(rf'extern "C" __global__ void[^(]*(?:\([A-Z_]+\) )?\b{kernel}\(([^)]*)\)', text)
    result = []
    for argument in arguments.replace("\n", " ").split(","):
        kind, name = re.fullmatch(r"\s*(.*?)\s*(\w+)\s*", argument).groups()
        pointer = kind.endswith("*")
        result.append((name, "uint64" if pointer else _TYPES[kind], pointer and not kind.startswith("const ")))
    return tuple(result)


def accesses(launch):
    """(buffer, written) for each buffer of a launch."""
    for (_, _, written), argument in zip(declared(launch.kernel), launch.arguments, strict=False):
        if hasattr(argument, "shape") and hasattr(argument, "start"):
            yield argument, written
