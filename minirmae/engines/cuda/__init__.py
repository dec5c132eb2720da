"""Training on an NVIDIA GPU with kernels of our own: a whole step is one CUDA graph.

From the top: `training` takes steps in chunks, and `replicas` those of many
models at once. `step` holds the memory of a step and replays it. `plan` lists
its launches, stage by stage (`stages`), for a model that `network` has read.
`primitives` and `ends` describe single launches, `geometry` and `products`
their sizes, `memory` and `layout` where arrays lie. `sources` names the CUDA
files of `kernels/`, `modules` compiles them, and `card` talks to the GPU. All
but the last two is plain Python on plain numbers; those two need CuPy.
"""
