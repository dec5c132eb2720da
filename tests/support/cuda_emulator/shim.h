// CUDA's words on a CPU: enough of the language to run a kernel, one block after the other,
// its threads as fibers that change over at barriers. Slow, strict and deterministic.

#include <csetjmp>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <type_traits>
#include <ucontext.h>
#include <utility>
#include <vector>

#define __device__
#define __global__
#define __launch_bounds__(threads)
#define __align__(bytes) alignas(bytes)
// All shared memory lies in one section, so that it can be filled with NaN before each block.
#define __shared__ static __attribute__((section("cuda_shared")))

struct alignas(16) float4 { float x, y, z, w; };
struct Index { unsigned x, y, z; };
static Index threadIdx, blockIdx, blockDim, gridDim;

namespace emulator {

enum State { READY, AT_WARP, AT_BLOCK, DONE };

struct Fiber {
    ucontext_t context;
    jmp_buf place;
    bool started = false;
    State state = DONE;
    std::vector<char> stack;
};

static std::vector<Fiber*> fibers;
static jmp_buf scheduler;
static ucontext_t entry;
static int current;
static std::function<void()> body;

static void run_fiber() {
    for (;;) {
        body();
        fibers[current]->state = DONE;
        if (!_setjmp(fibers[current]->place)) _longjmp(scheduler, 1);
    }
}

// Give way until everybody of the warp or block has come here.
static void wait(State where) {
    Fiber* fiber = fibers[current];
    fiber->state = where;
    if (!_setjmp(fiber->place)) _longjmp(scheduler, 1);
}

static void resume(int thread) {
    Fiber* fiber = fibers[thread];
    current = thread;
    threadIdx = {(unsigned)thread, 0, 0};
    if (_setjmp(scheduler)) return;
    if (fiber->started) _longjmp(fiber->place, 1);
    fiber->started = true;
    getcontext(&fiber->context);
    fiber->stack.resize(1 << 17);
    fiber->context.uc_stack.ss_sp = fiber->stack.data();
    fiber->context.uc_stack.ss_size = fiber->stack.size();
    fiber->context.uc_link = &entry;
    makecontext(&fiber->context, run_fiber, 0);
    setcontext(&fiber->context);
}

static const char* failure;

// Run one warp until all its threads are at a block's barrier or done.
static void run_warp(int first, int last, bool reversed) {
    for (;;) {
        for (int i = first; i < last; ++i) {
            int thread = reversed ? first + last - 1 - i : i;
            if (fibers[thread]->state == READY) resume(thread);
        }
        int waiting = 0;
        for (int i = first; i < last; ++i) waiting += fibers[i]->state == AT_WARP;
        if (waiting == 0) return;
        if (waiting != 32) {
            failure = "a warp's threads disagree about a tensor-core instruction";
            return;
        }
        for (int i = first; i < last; ++i) fibers[i]->state = READY;
    }
}

static void run_block(int threads, bool reversed) {
    for (int i = 0; i < threads; ++i) fibers[i]->state = READY;
    while (!failure) {
        int warps = (threads + 31) / 32;
        for (int i = 0; i < warps; ++i) {
            int warp = reversed ? warps - 1 - i : i;
            run_warp(32 * warp, std::min(32 * warp + 32, threads), reversed);
        }
        int waiting = 0;
        for (int i = 0; i < threads; ++i) waiting += fibers[i]->state == AT_BLOCK;
        if (waiting == 0) return;
        if (waiting != threads) failure = "a block's threads disagree about a barrier";
        for (int i = 0; i < threads; ++i) fibers[i]->state = READY;
    }
}

// Call f with arguments of its own types, read from where the pointers point.
template <class... A, size_t... I>
void call(void (*f)(A...), void** arguments, std::index_sequence<I...>) { f(*(A*)arguments[I]...); }
template <class... A>
void call(void (*f)(A...), void** arguments) { call(f, arguments, std::index_sequence_for<A...>()); }

template <class T>
constexpr char letter() {
    return std::is_pointer<T>::value             ? 'P'
           : std::is_same<T, int>::value         ? 'i'
           : std::is_same<T, long long>::value   ? 'q'
           : std::is_same<T, float>::value       ? 'f'
           : std::is_same<T, double>::value      ? 'd'
                                                 : '?';
}
template <class... A>
const char* signature(void (*)(A...)) {
    static const char letters[] = {letter<A>()..., 0};
    return letters;
}

struct Kernel {
    const char* name;
    const char* signature;
    void (*call)(void**);
};

}  // namespace emulator

extern char __start_cuda_shared[], __stop_cuda_shared[];

static inline void __syncthreads() { emulator::wait(emulator::AT_BLOCK); }
static inline void __threadfence() {}
static inline unsigned atomicAdd(unsigned* at, unsigned v) { unsigned before = *at; *at += v; return before; }
template <class T> static inline T __ldcg(const T* at) { return *at; }
static inline unsigned __float_as_uint(float v) { unsigned bits; memcpy(&bits, &v, 4); return bits; }
static inline float __uint_as_float(unsigned bits) { float v; memcpy(&v, &bits, 4); return v; }
static inline float __fadd_rn(float a, float b) { return a + b; }
static inline float __fmul_rn(float a, float b) { return a * b; }
static inline float __fdiv_rn(float a, float b) { return a / b; }
static inline float __fsqrt_rn(float a) { return sqrtf(a); }
using std::min;
using std::max;

// To nearest, ties away from zero: half a unit of the tenth bit is added to the magnitude, the rest cut off.
static inline float round_to_tf32(float v) {
    unsigned bits = __float_as_uint(v);
    if ((bits & 0x7f800000u) == 0x7f800000u) return v;
    return __uint_as_float((bits + 0x1000u) & 0xffffe000u);
}

// The whole warp meets, everybody shows its fragments, and each computes its own part of the product.
// Two sets of places alternate: nobody can be two products ahead of another.
static void mma_16x8x8(float c[4], const float a[4], const float b[2]) {
    static float A[32][2][16][8], B[32][2][8][8];
    static int turn[1024];
    int warp = threadIdx.x / 32, lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
    int set = turn[threadIdx.x]++ % 2;
    A[warp][set][g][t] = a[0], A[warp][set][g + 8][t] = a[1];
    A[warp][set][g][t + 4] = a[2], A[warp][set][g + 8][t + 4] = a[3];
    B[warp][set][t][g] = b[0], B[warp][set][t + 4][g] = b[1];
    for (int e = 0; e < 4; ++e)
        if (round_to_tf32(a[e]) != a[e] && a[e] == a[e]) emulator::failure = "an operand is not rounded to TF32";
    for (int e = 0; e < 2; ++e)
        if (round_to_tf32(b[e]) != b[e] && b[e] == b[e]) emulator::failure = "an operand is not rounded to TF32";
    emulator::wait(emulator::AT_WARP);
    for (int e = 0; e < 4; ++e) {
        int row = g + 8 * (e / 2), column = 2 * t + e % 2;
        double sum = c[e];
        for (int k = 0; k < 8; ++k) sum += (double)A[warp][set][row][k] * B[warp][set][k][column];
        c[e] = (float)sum;
    }
}
