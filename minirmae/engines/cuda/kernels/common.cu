// What every kernel uses: activations with their slopes, replicas, and the flags that stop a training.

enum Activation { NONE = 0, RELU = 1, TANH = 2, SIGMOID = 3 };

// Branches are written so that NaN passes through: a diverged training must be seen, not hidden.
__device__ inline float activate(float v, int kind) {
    if (kind == RELU) return v <= 0.0f ? 0.0f : v;
    if (kind == TANH) return tanhf(v);
    if (kind == SIGMOID) {
        float decay = expf(-fabsf(v));
        return (v < 0.0f ? decay : 1.0f) / (1.0f + decay);
    }
    return v;
}

// Derivative of an activation, from its value y.
__device__ inline float slope(float y, int kind) {
    if (kind == RELU) return y > 0.0f ? 1.0f : 0.0f;
    if (kind == TANH) return (1.0f - y) * (1.0f + y);
    if (kind == SIGMOID) return y * (1.0f - y);
    return 1.0f;
}

__device__ inline bool is_finite(float v) { return (__float_as_uint(v) & 0x7f800000u) != 0x7f800000u; }

// Replicas of a model have arenas of one layout, `stride` bytes apart; null stays null.
template <class T>
__device__ inline T* of_replica(T* pointer, long long stride, int replica) {
    return pointer ? (T*)((char*)pointer + stride * replica) : pointer;
}

// Counters of a step, at the start of each arena.
struct Progress {
    long long step;      // steps taken
    int loss_diverged;   // set when a loss is not finite
    int gradient_diverged;
};

// True in all threads of the block that finishes last of `blocks`; it sees what the others wrote before.
// Which block that is varies from run to run, so it must sum in an order that does not depend on it.
__device__ inline bool finishes_last(unsigned* ticket, unsigned blocks, unsigned* shared) {
    __threadfence();
    __syncthreads();
    if (threadIdx.x == 0) *shared = atomicAdd(ticket, 1u);
    __syncthreads();
    bool last = *shared == blocks - 1;
    if (last) {
        __threadfence();
        if (threadIdx.x == 0) *ticket = 0;  // ready for the next launch
    }
    return last;
}
