// The shape of a block's tile of a matrix product, and its place in shared memory.
// TILE_M, TILE_N, WARPS_M and WARPS_N are compile-time options.

#define TILE_K 16
#define THREADS (32 * WARPS_M * WARPS_N)
// Rows 8 words apart modulo 32 banks: fragments and transposed stores hit every bank once.
#define PAD 8

// The result passes through shared memory to device memory, this many rows at a time.
#define STAGE_ROWS (TILE_M * TILE_N > 8192 ? TILE_M / 2 : TILE_M)

struct __align__(16) Operands {
    float a[2][TILE_K][TILE_M + PAD];
    float b[2][TILE_K][TILE_N + PAD];
};

struct __align__(16) Shared {
    union {
        Operands operands;
        float stage[STAGE_ROWS][TILE_N + 4];
    };
    long long row_start[TILE_M];  // where each row of the result begins in device memory, -1 for none
    unsigned ticket;
};
