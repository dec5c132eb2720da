// The chain of square linear layers, forwards or backwards, in one launch: a block carries 16 rows through all of it.
// states (layers + 1, rows, n): forwards slot 0 is read and slots 1 to l written, x_i = x_{i-1} W_i;
// backwards slot l is read and slots l-1 to 0 written, d_{i-1} = d_i W_i', the last times a slope.
// Matrices are matrix_stride entries apart; 0 is one matrix shared by all layers.

struct ChainPut {
    float* out;
    Slab* next;
    const float* saved;
    int first, rows, n, saved_activation;

    __device__ void operator()(int row, int column, float v) const {
        if (column >= n) return;
        (*next)[row][column] = slab_round(v);
        if (first + row >= rows) return;
        long long at = (long long)(first + row) * n + column;
        out[at] = saved ? v * slope(saved[at], saved_activation) : v;
    }
};

extern "C" __global__ void __launch_bounds__(SLAB_THREADS) chain(
    float* states, const float* matrices, const float* saved, int rows, int n, int layers, long long matrix_stride,
    int backward, int saved_activation, long long replica_stride) {
    __shared__ Slab slabs[2];
    int replica = blockIdx.z;
    states = of_replica(states, replica_stride, replica);
    matrices = of_replica(matrices, replica_stride, replica);
    saved = of_replica(saved, replica_stride, replica);
    long long slot = (long long)rows * n;
    int first = blockIdx.x * SLAB_ROWS;
    const float* start = states + (backward ? layers * slot : 0);
    // Zeros beyond the matrix: tensor cores multiply whole groups of eight.
    for (int i = threadIdx.x; i < SLAB_ROWS * SLAB_PITCH; i += SLAB_THREADS) {
        int row = i / SLAB_PITCH, column = i % SLAB_PITCH;
        bool inside = first + row < rows && column < n;
        slabs[0][row][column] = inside ? slab_round(start[(long long)(first + row) * n + column]) : 0.0f;
        slabs[1][row][column] = 0.0f;
    }
    __syncthreads();
    for (int i = 0; i < layers; ++i) {
        int layer = backward ? layers - 1 - i : i;
        ChainPut put;
        put.out = states + (backward ? layer : layer + 1) * slot;
        put.next = &slabs[(i + 1) % 2];
        put.saved = backward && layer == 0 ? saved : (const float*)0;
        put.first = first, put.rows = rows, put.n = n, put.saved_activation = saved_activation;
        slab_product(slabs[i % 2], matrices + layer * matrix_stride, n, backward != 0, put);
        __syncthreads();
    }
}
