// One block's tile of a matrix product: the loop over k, the ordered sum over splits of k, and the epilogue.

// While a tile is multiplied, the next one is on its way into registers; two shared buffers need one barrier a tile.
template <class A, class B>
__device__ inline void multiply(A& a, B& b, int tiles, Accumulator& sum, Operands& shared) {
    sum.clear();
#pragma unroll 1
    for (int next = 0; next <= tiles; ++next) {
        if (next < tiles) {
            a.fetch();
            b.fetch();
        }
        if (next > 0) sum.add_product(shared.a[(next - 1) % 2], shared.b[(next - 1) % 2]);
        if (next < tiles) {
            a.store(shared.a[next % 2]);
            b.store(shared.b[next % 2]);
        }
        __syncthreads();
    }
}

// Sum the partial products of all splits, 0 first, in the block that comes last; false in the others.
__device__ inline bool sum_splits(
    Accumulator& sum, float* partial, unsigned* tickets, long long tile, int split, int splits, Shared& shared) {
    if (splits == 1) return true;
    float* mine = partial + (tile * splits + split) * (TILE_M * TILE_N) + threadIdx.x;
#pragma unroll
    for (int e = 0; e < Accumulator::COUNT; ++e) mine[e * THREADS] = sum.v[e];
    if (!finishes_last(tickets + tile, splits, &shared.ticket)) return false;
    sum.clear();
#pragma unroll 1
    for (int s = 0; s < splits; ++s) {
        const float* other = partial + (tile * splits + s) * (TILE_M * TILE_N) + threadIdx.x;
#pragma unroll
        for (int e = 0; e < Accumulator::COUNT; ++e) sum.v[e] += __ldcg(other + e * THREADS);
    }
    return true;
}

struct Epilogue {
    float* out;
    const float* bias;   // one number a column, or null
    const float* saved;  // an activation's value, laid out like out: the result is multiplied by its slope; or null
    int* diverged;       // set if a result is not finite; or null
    int activation, saved_activation;

    __device__ void put(long long at, int column, float v) const {
        if (bias) v += bias[column];
        v = activate(v, activation);
        if (saved) v *= slope(saved[at], saved_activation);
        if (diverged && !is_finite(v)) *diverged = 1;
        out[at] = v;
    }
};

// Write a tile whose rows start where shared.row_start says; neighbours write to neighbouring addresses.
__device__ inline void write_tile(const Accumulator& sum, const Epilogue& epilogue, int columns, Shared& shared) {
    for (int first = 0; first < TILE_M; first += STAGE_ROWS) {
        __syncthreads();
#pragma unroll
        for (int e = 0; e < Accumulator::COUNT; ++e) {
            int row = sum.row(e) - first;
            if (row >= 0 && row < STAGE_ROWS) shared.stage[row][sum.column(e)] = sum.v[e];
        }
        __syncthreads();
#pragma unroll 1
        for (int i = threadIdx.x; i < STAGE_ROWS * TILE_N; i += THREADS) {
            int row = i / TILE_N, column = blockIdx.y * TILE_N + i % TILE_N;
            long long start = shared.row_start[first + row];
            if (start >= 0 && column < columns) epilogue.put(start + column, column, shared.stage[row][i % TILE_N]);
        }
    }
}

// The tiles of k that fall to one split.
struct Share {
    int first, count;

    __device__ Share(int K, int split, int splits) {
        int tiles = (K + TILE_K - 1) / TILE_K, each = (tiles + splits - 1) / splits;
        first = split * each;
        count = min(each, tiles - first);
    }
};

// grid z counts splits fastest, then groups, then replicas.
struct Place {
    int split, group, replica;
    long long tile;  // of this replica

    __device__ Place(int splits, int groups) {
        split = blockIdx.z % splits;
        int rest = blockIdx.z / splits;
        group = rest % groups;
        replica = rest / groups;
        tile = ((long long)group * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
    }
};
