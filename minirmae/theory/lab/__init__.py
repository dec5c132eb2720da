"""The instruments: what the results compute with and measure with. No file here imports a result.

Networks and their training

- `networks`: deep linear networks made of the library's layers, and losses as its objectives
- `losses`: ln cosh, a loss of the product that is not the squared error
- `initial`: starts that are aligned, balanced or lambda-balanced
- `modes`: data whose two moments share a basis, and the strength of each mode
- `dynamics`: gradient flow and training of any model and objective
- `simulation`: the two for a network that starts aligned, mode by mode
- `integrator`: the adaptive Runge-Kutta method behind the flows
- `placement`: the device on which simulations run

Solvers with a certificate

- `max_margin`: the hard-margin separator (T10, T11)
- `nuclear_norm`: the completion of smallest nuclear norm (T7)
- `entropic`: the point of largest entropy that fits measurements (T8)
- `completion`: the problem of matrix completion (T6, T7, T9)

Closed forms and checks of one result, too long for its file

- `incomplete_beta`: the integral that is a deep mode's clock (T2)
- `descent_modes`: gradient descent on aligned modes, step by step (T4)
- `drift`: what training does to the imbalance of the layers (T5)
- `spectral_margin`: optimality of linear convolutional classifiers (T10)
- `shrinkage`: one mode under weight decay (T12)
- `autoencoder_landscape`: stationary points and Hessians of the linear autoencoder (T13)
- `autoencoder_training`: the linear autoencoder from a random start (T13)
- `sharpness`: the Hessian at a minimum, predicted and measured (T13, T15)
- `learning_order`: when each mode is learned, under any optimiser (T15)

Results

- `result`: a comparison and its verdict
- `table`: results as a text table
- `figures`: prediction as lines, measurement as points
"""
