// The product of two shared tiles on tensor cores: operands rounded to TF32, sums in float32.

#define WARP_M (TILE_M / WARPS_M)
#define WARP_N (TILE_N / WARPS_N)

__device__ inline float round_operand(float v) { return round_to_tf32(v); }

// A thread's share of the result: for every 16 x 8 piece of its warp's part, two pairs of neighbours.
struct Accumulator {
    static const int PIECES_M = WARP_M / 16, PIECES_N = WARP_N / 8, COUNT = 4 * PIECES_M * PIECES_N;
    float v[COUNT];

    __device__ void clear() {
#pragma unroll
        for (int e = 0; e < COUNT; ++e) v[e] = 0.0f;
    }

    __device__ static int row(int e) {
        int warp = threadIdx.x / 32, lane = threadIdx.x % 32, piece = e / 4;
        return (warp / WARPS_N) * WARP_M + (piece / PIECES_N) * 16 + (e / 2 % 2) * 8 + lane / 4;
    }

    __device__ static int column(int e) {
        int warp = threadIdx.x / 32, lane = threadIdx.x % 32, piece = e / 4;
        return (warp % WARPS_N) * WARP_N + (piece % PIECES_N) * 8 + 2 * (lane % 4) + e % 2;
    }

    __device__ void add_product(const float (*a)[TILE_M + PAD], const float (*b)[TILE_N + PAD]) {
        int warp = threadIdx.x / 32, lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
        int m0 = (warp / WARPS_N) * WARP_M, n0 = (warp % WARPS_N) * WARP_N;
#pragma unroll
        for (int k = 0; k < TILE_K; k += 8) {
            float x[PIECES_M][4], y[PIECES_N][2];
#pragma unroll
            for (int i = 0; i < PIECES_M; ++i) {
                int m = m0 + 16 * i + g;
                x[i][0] = a[k + t][m];
                x[i][1] = a[k + t][m + 8];
                x[i][2] = a[k + t + 4][m];
                x[i][3] = a[k + t + 4][m + 8];
            }
#pragma unroll
            for (int j = 0; j < PIECES_N; ++j) {
                y[j][0] = b[k + t][n0 + 8 * j + g];
                y[j][1] = b[k + t + 4][n0 + 8 * j + g];
            }
#pragma unroll
            for (int i = 0; i < PIECES_M; ++i)
#pragma unroll
                for (int j = 0; j < PIECES_N; ++j) mma_16x8x8(v + 4 * (i * PIECES_N + j), x[i], y[j]);
        }
    }
};
