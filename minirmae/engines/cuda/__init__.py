"""Training on an NVIDIA card with kernels of our own: a whole step is one CUDA graph.

The way down: `training` takes steps as the CPU's loop does, and `replicas`
many models' at once; `step` holds a step's memory and replays it; `plan` lists
its launches, stage by stage (`stages`), for a model that `network` has read;
`primitives` and `ends` describe single launches, `products` and `geometry`
their sizes, `layout` and `memory` where arrays lie; `sources` and `modules`
are the CUDA files, compiled; and `device` is the only file that talks to CuPy
beside `modules`. All but those two is plain Python on plain numbers.
"""
