// Sums of a matrix's columns, the bias gradient of a transposed convolution: rows are split over blocks,
// and the block that comes last adds up the blocks' sums in order.

#define SUM_THREADS 256

extern "C" __global__ void __launch_bounds__(SUM_THREADS) column_sum(
    const float* matrix, float* sums, Progress* progress, float* partial, unsigned* tickets, int rows, int columns,
    int rows_per_block, long long replica_stride) {
    __shared__ float shared[SUM_THREADS];
    __shared__ unsigned shared_ticket;
    int replica = blockIdx.z;
    matrix = of_replica(matrix, replica_stride, replica);
    sums = of_replica(sums, replica_stride, replica);
    progress = of_replica(progress, replica_stride, replica);
    partial = of_replica(partial, replica_stride, replica) + (long long)blockIdx.y * gridDim.x * SUM_THREADS;
    tickets = of_replica(tickets, replica_stride, replica) + blockIdx.y;
    // Grid y takes up to 256 columns each; threads beyond a whole number of rows rest.
    int first = blockIdx.y * SUM_THREADS, width = min(columns - first, SUM_THREADS), height = SUM_THREADS / width;
    int column = threadIdx.x % width, line = threadIdx.x / width;
    int end = min(rows, (int)(blockIdx.x + 1) * rows_per_block);
    float sum = 0.0f;
    if (line < height)
        for (int row = blockIdx.x * rows_per_block + line; row < end; row += height)
            sum += matrix[(long long)row * columns + first + column];
    shared[threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.x < width) {
        for (int l = 1; l < height; ++l) sum += shared[l * width + threadIdx.x];
        partial[blockIdx.x * SUM_THREADS + threadIdx.x] = sum;
    }
    if (!finishes_last(tickets, gridDim.x, &shared_ticket)) return;
    if (threadIdx.x < width) {
        sum = 0.0f;
        for (int block = 0; block < gridDim.x; ++block) sum += __ldcg(partial + block * SUM_THREADS + threadIdx.x);
        sums[first + threadIdx.x] = sum;
        if (progress && !is_finite(sum)) progress->gradient_diverged = 1;
    }
}
