// The input gradient of a convolution, which is also transposed convolution, as an implicit product.
// Input pixels whose (h + PH) % SH and (w + PW) % SW agree are touched by the same taps, so each such
// phase is a convolution with stride 1 of its own, and no product with a zero is computed. Phases are groups.
// dx[n, h, w, c] = sum over kh, kw, o of dy[n, (h + PH - kh) / SH, (w + PW - kw) / SW, o] kernel[kh, kw, c, o].

extern "C" __global__ void __launch_bounds__(THREADS) conv_input_gradient(
    const float* dy, const float* kernel, const float* bias, const float* saved, float* dx, float* partial,
    unsigned* tickets, int N, int H, int W, int C, int KH, int KW, int O, int SH, int SW, int PH, int PW, int OH,
    int OW, int activation, int saved_activation, int vector_image, int vector_matrix, int splits,
    long long replica_stride) {
    __shared__ Shared shared;
    Place place(splits, SH * SW);
    dy = of_replica(dy, replica_stride, place.replica);
    kernel = of_replica(kernel, replica_stride, place.replica);
    partial = of_replica(partial, replica_stride, place.replica);
    tickets = of_replica(tickets, replica_stride, place.replica);
    int kh0 = place.group / SW, kw0 = place.group % SW;                        // first tap of the phase
    int first_h = ((kh0 - PH) % SH + SH) % SH, first_w = ((kw0 - PW) % SW + SW) % SW;  // its first input pixel
    int PHS = first_h < H ? (H - first_h + SH - 1) / SH : 0, PWS = first_w < W ? (W - first_w + SW - 1) / SW : 0;
    int TH = kh0 < KH ? (KH - kh0 + SH - 1) / SH : 0, TW = kw0 < KW ? (KW - kw0 + SW - 1) / SW : 0;
    int rows = N * PHS * PWS, K = TH * TW * O;
    if (blockIdx.x * TILE_M >= rows) return;
    Share share(K, place.split, splits);

    Accumulator sum;
    if (K > 0) {
        PatchRows a;
        int row = blockIdx.x * TILE_M + a.row();
        int n = row / (PHS * PWS), h = first_h + SH * (row / PWS % PHS), w = first_w + SW * (row % PWS);
        a.image = row < rows ? dy + (long long)n * OH * OW * O : (const float*)0;
        a.h0 = (h + PH - kh0) / SH;
        a.w0 = (w + PW - kw0) / SW;
        a.H = OH, a.W = OW, a.C = O, a.TH = TH, a.TW = TW, a.direction = -1, a.vector = vector_image;
        a.begin(share.first * TILE_K);

        KernelRows b;
        b.kernel = kernel;
        b.c = blockIdx.y * TILE_N + b.row();
        b.C = C, b.O = O, b.KW = KW, b.TH = TH, b.TW = TW, b.kh0 = kh0, b.kw0 = kw0, b.SH = SH, b.SW = SW;
        b.vector = vector_matrix;
        b.begin(share.first * TILE_K);
        multiply(a, b, share.count, sum, shared.operands);
    } else {
        sum.clear();
    }
    if (!sum_splits(sum, partial, tickets, place.tile, place.split, splits, shared)) return;
    Epilogue epilogue;
    epilogue.out = of_replica(dx, replica_stride, place.replica);
    epilogue.bias = of_replica(bias, replica_stride, place.replica);
    epilogue.saved = of_replica(saved, replica_stride, place.replica);
    epilogue.diverged = 0;
    epilogue.activation = activation, epilogue.saved_activation = saved_activation;
    for (int i = threadIdx.x; i < TILE_M; i += THREADS) {
        int m = blockIdx.x * TILE_M + i;
        int n = m / (PHS * PWS), h = first_h + SH * (m / PWS % PHS), w = first_w + SW * (m % PWS);
        shared.row_start[i] = m < rows ? (((long long)n * H + h) * W + w) * C : -1;
    }
    write_tile(sum, epilogue, C, shared);
}
