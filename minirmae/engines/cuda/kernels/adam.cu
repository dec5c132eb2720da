// Adam and AdamW over the flat vector of parameters, by the device's own step counter, which it then advances.
// Each product and sum is rounded by itself, in the order of the NumPy optimiser. A diverged step changes nothing.

#define ADAM_THREADS 256

extern "C" __global__ void __launch_bounds__(ADAM_THREADS) adam(
    float* values, const float* grads, float* first_moment, float* second_moment, long long count,
    const double* rates, int capacity, double beta1, double beta2, double epsilon, double weight_decay,
    Progress* progress, unsigned* ticket, long long replica_stride) {
    __shared__ float factors[3];
    __shared__ unsigned shared_ticket;
    int replica = blockIdx.y;
    values = of_replica(values, replica_stride, replica);
    grads = of_replica(grads, replica_stride, replica);
    first_moment = of_replica(first_moment, replica_stride, replica);
    second_moment = of_replica(second_moment, replica_stride, replica);
    rates = of_replica(rates, replica_stride, replica);
    progress = of_replica(progress, replica_stride, replica);
    ticket = of_replica(ticket, replica_stride, replica);
    // A launch later nothing has changed these, so all blocks decide alike.
    if (progress->loss_diverged || progress->gradient_diverged) return;
    if (threadIdx.x == 0) {
        double rate = rates[progress->step % capacity], t = (double)(progress->step + 1);
        factors[0] = (float)(rate / (1.0 - pow(beta1, t)));
        factors[1] = (float)(1.0 / (1.0 - pow(beta2, t)));
        factors[2] = (float)(1.0 - rate * weight_decay);
    }
    __syncthreads();
    float b1 = (float)beta1, c1 = (float)(1.0 - beta1), b2 = (float)beta2, c2 = (float)(1.0 - beta2);
    for (long long i = (long long)blockIdx.x * ADAM_THREADS + threadIdx.x; i < count;
         i += (long long)gridDim.x * ADAM_THREADS) {
        float g = grads[i];
        float m = __fadd_rn(__fmul_rn(first_moment[i], b1), __fmul_rn(c1, g));
        float v = __fadd_rn(__fmul_rn(second_moment[i], b2), __fmul_rn(c2, __fmul_rn(g, g)));
        float denominator = __fadd_rn(__fsqrt_rn(__fmul_rn(v, factors[1])), (float)epsilon);
        float w = values[i];
        if (weight_decay != 0.0) w = __fmul_rn(w, factors[2]);
        values[i] = __fadd_rn(w, -__fdiv_rn(__fmul_rn(m, factors[0]), denominator));
        first_moment[i] = m;
        second_moment[i] = v;
    }
    if (finishes_last(ticket, gridDim.x, &shared_ticket) && threadIdx.x == 0) progress->step += 1;
}
