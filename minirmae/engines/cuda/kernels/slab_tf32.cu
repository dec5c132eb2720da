// slab' = slab M for a square matrix M (n, n) or its transpose, on tensor cores.
// Every warp takes every eighth group of eight columns; `put(row, column, value)` receives the result.

__device__ inline float slab_round(float v) { return round_to_tf32(v); }

template <class Put>
__device__ inline void slab_product(const Slab& slab, const float* matrix, int n, bool transposed, Put put) {
    int warp = threadIdx.x / 32, lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
    for (int n0 = 8 * warp; n0 < n; n0 += 8 * (SLAB_THREADS / 32)) {
        float c[4] = {0.0f, 0.0f, 0.0f, 0.0f};
        int column = n0 + g;
#pragma unroll 4
        for (int k0 = 0; k0 < n; k0 += 8) {
            float a[4], b[2];
            a[0] = slab[g][k0 + t];
            a[1] = slab[g + 8][k0 + t];
            a[2] = slab[g][k0 + t + 4];
            a[3] = slab[g + 8][k0 + t + 4];
#pragma unroll
            for (int i = 0; i < 2; ++i) {
                int k = k0 + t + 4 * i;
                bool inside = k < n && column < n;
                b[i] = inside ? round_to_tf32(transposed ? matrix[column * n + k] : matrix[k * n + column]) : 0.0f;
            }
            mma_16x8x8(c, a, b);
        }
#pragma unroll
        for (int e = 0; e < 4; ++e) put(g + 8 * (e / 2), n0 + 2 * t + e % 2, c[e]);
    }
}
