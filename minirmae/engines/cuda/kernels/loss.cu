// A loss and its gradient in one pass: sums a block first, then over blocks in order by the block that comes last.
// The loss of step t goes to losses[t % capacity]; one that is not finite stops the training.

#define LOSS_THREADS 256

// Sum of one number a thread, in every run in the same order; valid in thread 0.
__device__ inline double block_sum(double v, double* shared) {
    shared[threadIdx.x] = v;
    __syncthreads();
    for (int half = LOSS_THREADS / 2; half > 0; half /= 2) {
        if (threadIdx.x < half) shared[threadIdx.x] += shared[threadIdx.x + half];
        __syncthreads();
    }
    return shared[0];
}

struct SquaredError {
    // The error itself is rounded before it is scaled, as in the NumPy op.
    __device__ static float term(float y, float t, float scale, float* gradient) {
        float error = y - t;
        *gradient = __fmul_rn(error, scale);
        return __fmul_rn(error, error);
    }
};

struct BinaryCrossEntropy {
    // max(z, 0) - t z + log(1 + exp(-|z|)) and s(z) - t: no overflow, no logarithm of zero.
    __device__ static float term(float z, float t, float scale, float* gradient) {
        float decay = expf(-fabsf(z));
        float probability = (z < 0.0f ? decay : 1.0f) / (1.0f + decay);
        *gradient = __fmul_rn(probability - t, scale);
        return (z < 0.0f ? 0.0f : z) - t * z + log1pf(decay);
    }
};

template <class Term>
__device__ inline void loss_and_gradient(
    const float* y, const float* target, float* dy, long long entries, float scale, int activation, double* partial,
    unsigned* ticket, float* losses, int capacity, Progress* progress, long long replica_stride, double* shared,
    unsigned* shared_ticket) {
    int replica = blockIdx.y;
    y = of_replica(y, replica_stride, replica);
    target = of_replica(target, replica_stride, replica);
    dy = of_replica(dy, replica_stride, replica);
    partial = of_replica(partial, replica_stride, replica);
    ticket = of_replica(ticket, replica_stride, replica);
    losses = of_replica(losses, replica_stride, replica);
    progress = of_replica(progress, replica_stride, replica);
    double sum = 0.0;
    for (long long i = (long long)blockIdx.x * LOSS_THREADS + threadIdx.x; i < entries;
         i += (long long)gridDim.x * LOSS_THREADS) {
        float value = y[i], gradient;
        sum += (double)Term::term(value, target[i], scale, &gradient);
        dy[i] = gradient * slope(value, activation);
    }
    sum = block_sum(sum, shared);
    if (threadIdx.x == 0) partial[blockIdx.x] = sum;
    if (!finishes_last(ticket, gridDim.x, shared_ticket)) return;
    sum = 0.0;
    for (int i = threadIdx.x; i < gridDim.x; i += LOSS_THREADS) sum += __ldcg(partial + i);
    sum = block_sum(sum, shared);
    if (threadIdx.x == 0) {
        float loss = (float)(sum / (double)entries);
        losses[progress->step % capacity] = loss;
        if (!is_finite(loss)) progress->loss_diverged = 1;
    }
}

extern "C" __global__ void __launch_bounds__(LOSS_THREADS) mean_squared_error(
    const float* y, const float* target, float* dy, long long entries, float scale, int activation, double* partial,
    unsigned* ticket, float* losses, int capacity, Progress* progress, long long replica_stride) {
    __shared__ double shared[LOSS_THREADS];
    __shared__ unsigned shared_ticket;
    loss_and_gradient<SquaredError>(y, target, dy, entries, scale, activation, partial, ticket, losses, capacity,
                                    progress, replica_stride, shared, &shared_ticket);
}

extern "C" __global__ void __launch_bounds__(LOSS_THREADS) binary_cross_entropy(
    const float* y, const float* target, float* dy, long long entries, float scale, int activation, double* partial,
    unsigned* ticket, float* losses, int capacity, Progress* progress, long long replica_stride) {
    __shared__ double shared[LOSS_THREADS];
    __shared__ unsigned shared_ticket;
    loss_and_gradient<BinaryCrossEntropy>(y, target, dy, entries, scale, activation, partial, ticket, losses, capacity,
                                          progress, replica_stride, shared, &shared_ticket);
}
