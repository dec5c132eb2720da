// The product of two shared tiles in strict float32: fused multiply-adds, nothing rounded before.

#define THREAD_M 8
#define THREAD_N (TILE_M * TILE_N / (THREADS * THREAD_M))
#define ACROSS (TILE_N / THREAD_N)

__device__ inline float round_operand(float v) { return v; }

// A thread's share of the result: 8 rows of neighbours, and columns in groups of four,
// the groups ACROSS * 4 apart so that a warp reads shared memory without conflicts.
struct Accumulator {
    static const int COUNT = THREAD_M * THREAD_N;
    float v[COUNT];

    __device__ void clear() {
#pragma unroll
        for (int e = 0; e < COUNT; ++e) v[e] = 0.0f;
    }

    __device__ static int row(int e) { return (threadIdx.x / ACROSS) * THREAD_M + e / THREAD_N; }

    __device__ static int column(int e) {
        int j = e % THREAD_N;
        return (j / 4) * ACROSS * 4 + (threadIdx.x % ACROSS) * 4 + j % 4;
    }

    __device__ void add_product(const float (*a)[TILE_M + PAD], const float (*b)[TILE_N + PAD]) {
        int m0 = row(0), n0 = column(0);
#pragma unroll
        for (int k = 0; k < TILE_K; ++k) {
            float x[THREAD_M], y[THREAD_N];
#pragma unroll
            for (int i = 0; i < THREAD_M; i += 4) *(float4*)(x + i) = *(const float4*)(a[k] + m0 + i);
#pragma unroll
            for (int j = 0; j < THREAD_N; j += 4) *(float4*)(y + j) = *(const float4*)(b[k] + n0 + j * ACROSS);
#pragma unroll
            for (int i = 0; i < THREAD_M; ++i)
#pragma unroll
                for (int j = 0; j < THREAD_N; ++j) v[i * THREAD_N + j] = fmaf(x[i], y[j], v[i * THREAD_N + j]);
        }
    }
};
