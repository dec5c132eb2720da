// A batch from a data set that lives on the device: chosen by the epoch's order and the step counter, made float.
// Replicas share the data set, or each has its own, `images_stride` entries after the one before.
// Bytes are divided by 255 with correct rounding, the bits that NumPy gives.

__device__ inline float as_unit(unsigned char v) { return __fdiv_rn((float)v, 255.0f); }
__device__ inline float as_unit(float v) { return v; }

// Image i of the batch is images[order[first + i]], first the place of this step in its epoch.
template <class T>
__device__ inline void gather(
    const T* images, const int* order, const Progress* progress, float* batch, int count, int values,
    int steps_per_epoch, int batch_size, long long images_stride, long long replica_stride) {
    images += blockIdx.y * images_stride;
    order = of_replica(order, replica_stride, blockIdx.y);
    progress = of_replica(progress, replica_stride, blockIdx.y);
    batch = of_replica(batch, replica_stride, blockIdx.y);
    long long first = progress->step % steps_per_epoch * batch_size;
    long long at = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= (long long)count * values) return;
    int i = at / values, j = at % values;
    batch[at] = as_unit(images[(long long)order[first + i] * values + j]);
}

extern "C" __global__ void gather_uint8(
    const unsigned char* images, const int* order, const Progress* progress, float* batch, int count, int values,
    int steps_per_epoch, int batch_size, long long images_stride, long long replica_stride) {
    gather(images, order, progress, batch, count, values, steps_per_epoch, batch_size, images_stride, replica_stride);
}

extern "C" __global__ void gather_float32(
    const float* images, const int* order, const Progress* progress, float* batch, int count, int values,
    int steps_per_epoch, int batch_size, long long images_stride, long long replica_stride) {
    gather(images, order, progress, batch, count, values, steps_per_epoch, batch_size, images_stride, replica_stride);
}
