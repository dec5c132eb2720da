// The weight gradient of a convolution as an implicit product: rows are taps and input channels,
// columns output channels, and k runs over all output pixels of the batch, split over blocks.
// dkernel[kh, kw, c, o] = sum over n, i, j of x[n, i SH - PH + kh, j SW - PW + kw, c] dy[n, i, j, o].
// With `ones` a last row, db[o] = sum of dy[., ., ., o], follows the kernel, where the bias lies in a flat vector.
// Groups are products of one shape with operands group_x, group_y and group_kernel entries apart.

extern "C" __global__ void __launch_bounds__(THREADS) conv_weight_gradient(
    const float* x, const float* dy, float* dkernel, Progress* progress, float* partial, unsigned* tickets, int N,
    int H, int W, int C, int KH, int KW, int O, int SH, int SW, int PH, int PW, int OH, int OW, int ones,
    int vector_image, int vector_matrix, int splits, int groups, long long group_x, long long group_y,
    long long group_kernel, long long replica_stride) {
    __shared__ Shared shared;
    Place place(splits, groups);
    x = of_replica(x, replica_stride, place.replica) + place.group * group_x;
    dy = of_replica(dy, replica_stride, place.replica) + place.group * group_y;
    partial = of_replica(partial, replica_stride, place.replica);
    tickets = of_replica(tickets, replica_stride, place.replica);
    int taps = KH * KW * C, rows = taps + (ones ? 1 : 0), K = N * OH * OW;
    Share share(K, place.split, splits);

    PatchColumns a;
    a.images = x;
    a.N = N, a.H = H, a.W = W, a.C = C, a.SH = SH, a.SW = SW, a.PH = PH, a.PW = PW, a.OH = OH, a.OW = OW;
    a.vector = vector_image;
    a.begin(blockIdx.x * TILE_M, taps, ones, KW, share.first * TILE_K);

    MatrixRows b;
    b.matrix = dy;
    b.column = blockIdx.y * TILE_N + b.row();
    b.columns = O, b.K = K, b.next = share.first * TILE_K, b.vector = vector_matrix;

    Accumulator sum;
    multiply(a, b, share.count, sum, shared.operands);
    if (!sum_splits(sum, partial, tickets, place.tile, place.split, splits, shared)) return;
    Epilogue epilogue;
    epilogue.out = of_replica(dkernel, replica_stride, place.replica) + place.group * group_kernel;
    epilogue.bias = epilogue.saved = 0;
    epilogue.diverged = progress ? &of_replica(progress, replica_stride, place.replica)->gradient_diverged : (int*)0;
    epilogue.activation = epilogue.saved_activation = NONE;
    for (int i = threadIdx.x; i < TILE_M; i += THREADS) {
        int m = blockIdx.x * TILE_M + i;
        shared.row_start[i] = m < rows ? (long long)m * O : -1;
    }
    write_tile(sum, epilogue, O, shared);
}
