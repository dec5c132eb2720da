// How a block's threads fetch operand tiles from device memory and lay them into shared memory, k by row.
// A loader fetches four neighbours at a time, either along k or across it, whichever is contiguous in memory.

// A number with digits (a, b, c) of radices (any, RB, RC): a kernel's tap and channel, or an image's pixel.
struct Odometer {
    int a, b, c;

    __device__ void set(int value, int RB, int RC) {
        int carry = value / RC;
        c = value - carry * RC;
        a = carry / RB;
        b = carry - a * RB;
    }

    // Add a number that is given by its digits: no division in the loop over k.
    __device__ void add(const Odometer& d, int RB, int RC) {
        c += d.c;
        int carry = c >= RC;
        c -= carry ? RC : 0;
        b += d.b + carry;
        carry = b >= RB;
        b -= carry ? RB : 0;
        a += d.a + carry;
    }

    __device__ void increment(int RB, int RC) {
        Odometer one = {0, 0, 1};
        add(one, RB, RC);
    }
};

// Four neighbours along k in one row of the tile; lanes take neighbouring rows.
template <int EXTENT>
struct AlongK {
    static const int STEP = THREADS / EXTENT, COUNT = TILE_K / 4 / STEP;
    float v[COUNT][4];

    __device__ static int row() { return threadIdx.x % EXTENT; }
    __device__ static int k(int i) { return 4 * (threadIdx.x / EXTENT + i * STEP); }

    __device__ void store(float (*tile)[EXTENT + PAD]) const {
#pragma unroll
        for (int i = 0; i < COUNT; ++i)
#pragma unroll
            for (int j = 0; j < 4; ++j) tile[k(i) + j][row()] = round_operand(v[i][j]);
    }
};

// Four neighbouring rows of the tile at one k.
template <int EXTENT>
struct AcrossK {
    static const int STEP = THREADS / (EXTENT / 4), COUNT = TILE_K / STEP;
    float v[COUNT][4];

    __device__ static int row() { return 4 * (threadIdx.x % (EXTENT / 4)); }
    __device__ static int k(int i) { return threadIdx.x / (EXTENT / 4) + i * STEP; }

    __device__ void store(float (*tile)[EXTENT + PAD]) const {
#pragma unroll
        for (int i = 0; i < COUNT; ++i) {
            float4 r;
            r.x = round_operand(v[i][0]);
            r.y = round_operand(v[i][1]);
            r.z = round_operand(v[i][2]);
            r.w = round_operand(v[i][3]);
            *(float4*)(tile[k(i)] + row()) = r;
        }
    }
};

__device__ inline void load_four(float v[4], const float* p) {
    float4 r = *(const float4*)p;
    v[0] = r.x;
    v[1] = r.y;
    v[2] = r.z;
    v[3] = r.w;
}

// Fetch for a loader whose k runs over taps (., TW) and C channels, and move it on to its next tile of k;
// loader.at(tap) says where a tap's number lies, null for a zero.
template <class Loader>
__device__ inline void fetch_taps(Loader& loader, int TW, int C) {
#pragma unroll
    for (int i = 0; i < Loader::COUNT; ++i) {
        float* v = loader.v[i];
        v[0] = v[1] = v[2] = v[3] = 0.0f;
        if (loader.vector) {
            const float* p = loader.at(loader.tap[i]);
            if (p) load_four(v, p);
        } else {
            Odometer t = loader.tap[i];
#pragma unroll
            for (int j = 0; j < 4; ++j, t.increment(TW, C)) {
                const float* p = loader.at(t);
                if (p) v[j] = *p;
            }
        }
        loader.tap[i].add(loader.step, TW, C);
    }
}

// Images (., H, W, C) as rows: a row is a place (h0, w0) in one image and k runs over taps (., TW) and channels,
// forwards in the image for a convolution and backwards for its input gradient. Outside the image are zeros.
struct PatchRows : AlongK<TILE_M> {
    const float* image;  // null past the last row
    int h0, w0, H, W, C, TH, TW, direction, vector;
    Odometer tap[COUNT], step;

    __device__ void begin(int first) {
        for (int i = 0; i < COUNT; ++i) tap[i].set(first + k(i), TW, C);
        step.set(TILE_K, TW, C);
    }

    __device__ const float* at(const Odometer& t) const {
        int h = h0 + direction * t.a, w = w0 + direction * t.b;
        bool inside = image && t.a < TH && (unsigned)h < (unsigned)H && (unsigned)w < (unsigned)W;
        return inside ? image + ((long long)h * W + w) * C + t.c : (const float*)0;
    }

    __device__ void fetch() { fetch_taps(*this, TW, C); }
};

// Images as columns: a row of the tile is a tap and a channel, and k runs over the output's pixels (N, OH, OW).
// Row number `taps` is all ones if `ones` is set: against it a product sums its other operand, as a bias needs.
struct PatchColumns : AcrossK<TILE_M> {
    const float* images;
    int N, H, W, C, SH, SW, PH, PW, OH, OW, vector, valid[4], one;
    Odometer tap[4], pixel[COUNT], step;

    __device__ void begin(int first_row, int taps, int ones, int KW, int first) {
        one = -1;
        for (int j = 0; j < 4; ++j) {
            int m = first_row + row() + j;
            tap[j].set(m, KW, C);
            valid[j] = m < taps;
            if (ones && m == taps) one = j;
        }
        for (int i = 0; i < COUNT; ++i) pixel[i].set(first + k(i), OH, OW);
        step.set(TILE_K, OH, OW);
    }

    __device__ const float* at(const Odometer& p, const Odometer& t) const {
        int h = p.b * SH - PH + t.a, w = p.c * SW - PW + t.b;
        bool inside = (unsigned)h < (unsigned)H && (unsigned)w < (unsigned)W;
        return inside ? images + (((long long)p.a * H + h) * W + w) * C + t.c : (const float*)0;
    }

    __device__ void fetch() {
#pragma unroll
        for (int i = 0; i < COUNT; ++i) {
            v[i][0] = v[i][1] = v[i][2] = v[i][3] = 0.0f;
            if (pixel[i].a < N) {
                if (vector) {
                    const float* p = valid[0] ? at(pixel[i], tap[0]) : (const float*)0;
                    if (p) load_four(v[i], p);
                } else {
#pragma unroll
                    for (int j = 0; j < 4; ++j) {
                        const float* p = valid[j] ? at(pixel[i], tap[j]) : (const float*)0;
                        if (p) v[i][j] = *p;
                    }
                }
#pragma unroll
                for (int j = 0; j < 4; ++j)
                    if (one == j) v[i][j] = 1.0f;
            }
            pixel[i].add(step, OH, OW);
        }
    }
};

// A kernel (KH, KW, C, O) with its last axis summed over: a row of the tile is a channel c,
// and k runs over every SH-th and SW-th tap from (kh0, kw0) on and over o.
struct KernelRows : AlongK<TILE_N> {
    const float* kernel;
    int c, C, O, KW, TH, TW, kh0, kw0, SH, SW, vector;
    Odometer tap[COUNT], step;

    __device__ void begin(int first) {
        for (int i = 0; i < COUNT; ++i) tap[i].set(first + k(i), TW, O);
        step.set(TILE_K, TW, O);
    }

    __device__ const float* at(const Odometer& t) const {
        if (c >= C || t.a >= TH) return (const float*)0;
        return kernel + (((long long)(kh0 + SH * t.a) * KW + kw0 + SW * t.b) * C + c) * O + t.c;
    }

    __device__ void fetch() { fetch_taps(*this, TW, O); }
};

// A plain matrix (K, columns), k by row as it lies in memory.
struct MatrixRows : AcrossK<TILE_N> {
    const float* matrix;
    int column, columns, K, next, vector;

    __device__ void fetch() {
#pragma unroll
        for (int i = 0; i < COUNT; ++i) {
            v[i][0] = v[i][1] = v[i][2] = v[i][3] = 0.0f;
            int at = next + k(i);
            if (at < K) {
                const float* p = matrix + (long long)at * columns + column;
                if (vector) {
                    if (column < columns) load_four(v[i], p);
                } else {
#pragma unroll
                    for (int j = 0; j < 4; ++j)
                        if (column + j < columns) v[i][j] = p[j];
                }
            }
        }
        next += TILE_K;
    }
};
