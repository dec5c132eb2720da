// slab' = slab M for a square matrix M (n, n) or its transpose, in strict float32.
// A thread takes four rows and every 64th column; `put(row, column, value)` receives the result.

__device__ inline float slab_round(float v) { return v; }

template <class Put>
__device__ inline void slab_product(const Slab& slab, const float* matrix, int n, bool transposed, Put put) {
    int row = 4 * (threadIdx.x / 64);
    for (int column = threadIdx.x % 64; column < n; column += 64) {
        float sum[4] = {0.0f, 0.0f, 0.0f, 0.0f};
#pragma unroll 4
        for (int k = 0; k < n; ++k) {
            float w = transposed ? matrix[column * n + k] : matrix[k * n + column];
#pragma unroll
            for (int i = 0; i < 4; ++i) sum[i] = fmaf(slab[row + i][k], w, sum[i]);
        }
#pragma unroll
        for (int i = 0; i < 4; ++i) put(row + i, column, sum[i]);
    }
}
