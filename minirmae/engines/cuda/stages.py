"""The launches of one stage: its value, the gradient that it passes on, and those of its own parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from minirmae.engines.cuda import primitives
from minirmae.engines.cuda.geometry import Geometry, matrix_geometry
from minirmae.engines.cuda.launch import Buffer, Launch
from minirmae.engines.cuda.memory import PROGRESS, entering, states, vectors
from minirmae.engines.cuda.network import StageSpec


@dataclass(frozen=True)
class PlacedStage:
    """Stage `index` of a model, for a batch of `count`, in `replicas` models at once."""

    stages: Sequence[StageSpec]
    index: int
    count: int
    trained: int
    fixed: int
    replicas: int

    @property
    def stage(self) -> StageSpec:
        """The stage itself."""
        return self.stages[self.index]

    def forward(self) -> tuple[Launch, ...]:
        """Return the launches of the stage's value."""
        stage = self.stage
        if stage.kind == "chain":
            return self._chain("value", backward=False)
        product = primitives.conv_input_gradient if stage.kind == "transposed" else primitives.conv_forward
        return (
            product(
                self._geometry(),
                self._entering("value"),
                self._weight(),
                self._leaving("value"),
                bias=None if stage.bias is None else self._vectors["values"].part(stage.bias, (stage.outputs[-1],)),
                activation=stage.activation,
                replicas=self.replicas,
            ),
        )

    def backward(self) -> tuple[Launch, ...]:
        """Return the launches of the gradients: for the stage before, through that one's activation, and its own."""
        if self.stage.kind == "chain":
            # The gradients of its maps need the states between them.
            return (*self._chain("gradient", backward=True), *self._chain_weights())
        # Nobody asks for the gradient of the images.
        return (*self._weight_gradient(), *(self._input_gradient() if self.index else ()))

    def _input_gradient(self) -> tuple[Launch, ...]:
        product = primitives.conv_forward if self.stage.kind == "transposed" else primitives.conv_input_gradient
        saved, activation = self._saved()
        return (
            product(
                self._geometry(),
                self._leaving("gradient"),
                self._weight(),
                self._entering("gradient"),
                saved=saved,
                saved_activation=activation,
                replicas=self.replicas,
            ),
        )

    def _weight_gradient(self) -> tuple[Launch, ...]:
        stage = self.stage
        grads, dy, x = self._vectors["grads"], self._leaving("gradient"), self._entering("value")
        if stage.kind != "transposed":
            # A bias follows its kernel in the flat vector, and is the product's last row.
            bias = stage.bias is not None
            dkernel = grads.part(stage.weight, (self._geometry().taps + bias, stage.outputs[-1]))
            return (
                primitives.conv_weight_gradient(
                    self._geometry(), x, dy, dkernel, bias=bias, progress=PROGRESS, lane=1, replicas=self.replicas
                ),
            )
        # Seen from the convolution whose adjoint the stage is, its output is the input.
        dkernel = grads.part(stage.weight, (self._geometry().taps, self._geometry().outputs))
        product = primitives.conv_weight_gradient(
            self._geometry(), dy, x, dkernel, progress=PROGRESS, lane=1, replicas=self.replicas
        )
        if stage.bias is None:
            return (product,)
        rows, channels = dy.size // stage.outputs[-1], stage.outputs[-1]
        db = grads.part(stage.bias, (channels,))
        return product, primitives.column_sum(rows, channels, dy, db, PROGRESS, lane=1, replicas=self.replicas)

    def _chain(self, what: str, backward: bool) -> tuple[Launch, ...]:
        """The chain, in one launch if its matrices are small enough for one block, else one product per map."""
        stage, n, count = self.stage, self.stage.inputs[0], self.count
        all_states = states(stage, self.index, count, what)
        saved, activation = self._saved() if backward else (None, "none")
        if n <= primitives.CHAIN_WIDTH:
            return (
                primitives.chain(
                    count,
                    n,
                    stage.layers,
                    all_states,
                    self._weight(),
                    shared=stage.shared,
                    backward=backward,
                    saved=saved,
                    saved_activation=activation,
                    replicas=self.replicas,
                ),
            )
        launches = []
        for i in reversed(range(stage.layers)) if backward else range(stage.layers):
            x, y = (all_states.part(j * count * n, (count, n)) for j in (i, i + 1))
            matrix = self._weight(0 if stage.shared else i * n * n)
            g = matrix_geometry(count, n, n)
            if backward:
                before = saved if i == 0 else None
                launches.append(
                    primitives.conv_input_gradient(
                        g, y, matrix, x, saved=before, saved_activation=activation, replicas=self.replicas
                    )
                )
            else:
                launches.append(primitives.conv_forward(g, x, matrix, y, replicas=self.replicas))
        return tuple(launches)

    def _chain_weights(self) -> tuple[Launch, ...]:
        """dW_i = x_{i-1}' dx_i for all layers at once; one product of all rows if they share one matrix."""
        if not self.stage.trained:
            return ()
        stage, n, count = self.stage, self.stage.inputs[0], self.count
        x = states(stage, self.index, count, "value").part(0, (stage.layers, count, n))
        dy = states(stage, self.index, count, "gradient").part(count * n, (stage.layers, count, n))
        rows, groups = (stage.layers * count, 1) if stage.shared else (count, stage.layers)
        dW = self._vectors["grads"].part(stage.weight, (groups, n, n))
        g = matrix_geometry(rows, n, n)
        return (
            primitives.conv_weight_gradient(
                g, x, dy, dW, progress=PROGRESS, groups=groups, lane=1, replicas=self.replicas
            ),
        )

    def _geometry(self) -> Geometry:
        """Sizes of the convolution whose form the stage computes."""
        stage = self.stage
        if stage.kind == "linear":
            return matrix_geometry(self.count, stage.inputs[0], stage.outputs[0])
        transposed = stage.kind == "transposed"
        large, small = (stage.outputs, stage.inputs) if transposed else (stage.inputs, stage.outputs)
        size = large[0], large[1]
        return Geometry(self.count, size, large[2], stage.kernel, small[2], stage.stride, stage.padding)

    def _saved(self) -> tuple[Buffer | None, str]:
        """Value and name of the activation that made this stage's input."""
        activation = self.stages[self.index - 1].activation if self.index else "none"
        return (None if activation == "none" else self._entering("value")), activation

    @property
    def _vectors(self) -> dict[str, Buffer]:
        return vectors(self.trained, self.fixed)

    def _weight(self, offset: int = 0) -> Buffer:
        """The kernel, or the matrix that begins `offset` entries later."""
        vector = self._vectors["values" if self.stage.trained else "fixed"]
        start = self.stage.weight + offset
        return vector.part(start, (vector.size - start,))

    def _entering(self, what: str) -> Buffer:
        return entering(self.stages, self.index, self.count, what)

    def _leaving(self, what: str) -> Buffer:
        return entering(self.stages, self.index + 1, self.count, what)
