// Convolution as an implicit product: rows are output pixels, columns output channels, k taps and input channels.
// y[n, i, j, o] = act(sum over kh, kw, c of x[n, i SH - PH + kh, j SW - PW + kw, c] kernel[kh, kw, c, o] + bias[o]).

extern "C" __global__ void __launch_bounds__(THREADS) conv_forward(
    const float* x, const float* kernel, const float* bias, const float* saved, float* y, float* partial,
    unsigned* tickets, int N, int H, int W, int C, int KH, int KW, int O, int SH, int SW, int PH, int PW, int OH,
    int OW, int activation, int saved_activation, int vector_image, int vector_matrix, int splits,
    long long replica_stride) {
    __shared__ Shared shared;
    Place place(splits, 1);
    x = of_replica(x, replica_stride, place.replica);
    kernel = of_replica(kernel, replica_stride, place.replica);
    partial = of_replica(partial, replica_stride, place.replica);
    tickets = of_replica(tickets, replica_stride, place.replica);
    int rows = N * OH * OW, K = KH * KW * C;
    Share share(K, place.split, splits);

    PatchRows a;
    int row = blockIdx.x * TILE_M + a.row();
    int n = row / (OH * OW), i = row / OW % OH, j = row % OW;
    a.image = row < rows ? x + (long long)n * H * W * C : (const float*)0;
    a.h0 = i * SH - PH;
    a.w0 = j * SW - PW;
    a.H = H, a.W = W, a.C = C, a.TH = KH, a.TW = KW, a.direction = 1, a.vector = vector_image;
    a.begin(share.first * TILE_K);

    MatrixRows b;
    b.matrix = kernel;
    b.column = blockIdx.y * TILE_N + b.row();
    b.columns = O, b.K = K, b.next = share.first * TILE_K, b.vector = vector_matrix;

    Accumulator sum;
    multiply(a, b, share.count, sum, shared.operands);
    if (!sum_splits(sum, partial, tickets, place.tile, place.split, splits, shared)) return;
    Epilogue epilogue;
    epilogue.out = of_replica(y, replica_stride, place.replica);
    epilogue.bias = of_replica(bias, replica_stride, place.replica);
    epilogue.saved = of_replica(saved, replica_stride, place.replica);
    epilogue.diverged = 0;
    epilogue.activation = activation, epilogue.saved_activation = saved_activation;
    for (int i = threadIdx.x; i < TILE_M; i += THREADS) {
        int m = blockIdx.x * TILE_M + i;
        shared.row_start[i] = m < rows ? (long long)m * O : -1;
    }
    write_tile(sum, epilogue, O, shared);
}
