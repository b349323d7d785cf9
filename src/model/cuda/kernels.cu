// What a step needs on a GPU beside matrix products: bf16 in memory, f32 in registers.

#include <cuda_bf16.h>
#include <stdint.h>

typedef __nv_bfloat16 bf16;

static __device__ __forceinline__ float warp_sum(float v) {
    for (int o = 16; o > 0; o >>= 1) v += __shfl_xor_sync(0xffffffffu, v, o);
    return v;
}

static __device__ __forceinline__ double warp_sum_wide(double v) {
    for (int o = 16; o > 0; o >>= 1) v += __shfl_xor_sync(0xffffffffu, v, o);
    return v;
}

// The sum over all threads of a block, known to all of them; `scratch` holds 32 values.
static __device__ float block_sum(float v, float* scratch) {
    int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, warps = blockDim.x >> 5;
    v = warp_sum(v);
    __syncthreads();
    if (lane == 0) scratch[warp] = v;
    __syncthreads();
    v = warp_sum(lane < warps ? scratch[lane] : 0.0f);
    return v;
}

static __device__ double block_sum_wide(double v, double* scratch) {
    int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, warps = blockDim.x >> 5;
    v = warp_sum_wide(v);
    __syncthreads();
    if (lane == 0) scratch[warp] = v;
    __syncthreads();
    v = warp_sum_wide(lane < warps ? scratch[lane] : 0.0);
    return v;
}

// y = act(W x + b) for a single row; groups of `per_group` outputs read inputs `group_stride` apart.
extern "C" __global__ void gemv(float* y, const float* x, const bf16* w, const float* b, int inputs, int outputs,
                                int per_group, int group_stride, int silu) {
    int lane = threadIdx.x & 31;
    int o = blockIdx.x * (blockDim.x >> 5) + (threadIdx.x >> 5);
    if (o >= outputs) return;
    const float* in = x + (size_t)(o / per_group) * group_stride;
    const bf16* row = w + (size_t)o * inputs;
    float sum = 0.0f;
    for (int k = 2 * lane; k < inputs; k += 64) {
        __nv_bfloat162 pair = *(const __nv_bfloat162*)(row + k);
        sum += __low2float(pair) * in[k] + __high2float(pair) * in[k + 1];
    }
    sum = warp_sum(sum) + b[o];
    if (silu) sum = sum / (1.0f + expf(-sum));
    if (lane == 0) y[o] = sum;
}

// h = LN(row) * weight * (1 + scale) + shift, two passes over a row in shared memory.
static __device__ void norm_row(bf16* h, const float* row, const float* weight, const float* shift, const float* scale,
                                int d, float partial, float* scratch) {
    float mean = block_sum(partial, scratch) / d;
    float squares = 0.0f;
    for (int i = threadIdx.x; i < d; i += blockDim.x) {
        float c = row[i] - mean;
        squares += c * c;
    }
    float inverse = rsqrtf(block_sum(squares, scratch) / d + 1e-5f);
    for (int i = 2 * threadIdx.x; i < d; i += 2 * blockDim.x) {
        float a = (row[i] - mean) * inverse * weight[i] * (1.0f + scale[i]) + shift[i];
        float b = (row[i + 1] - mean) * inverse * weight[i + 1] * (1.0f + scale[i + 1]) + shift[i + 1];
        *(__nv_bfloat162*)(h + i) = __floats2bfloat162_rn(a, b);
    }
}

// x = table[ids]; h = norm(x).
extern "C" __global__ void embed_norm(float* x, bf16* h, const uint32_t* ids, const bf16* table, const float* weight,
                                      const float* shift, const float* scale, int d) {
    extern __shared__ float row[];
    __shared__ float scratch[32];
    size_t at = (size_t)blockIdx.x * d;
    const bf16* from = table + (size_t)ids[blockIdx.x] * d;
    float sum = 0.0f;
    for (int i = 2 * threadIdx.x; i < d; i += 2 * blockDim.x) {
        __nv_bfloat162 pair = *(const __nv_bfloat162*)(from + i);
        float2 v = make_float2(__low2float(pair), __high2float(pair));
        *(float2*)(x + at + i) = v;
        row[i] = v.x;
        row[i + 1] = v.y;
        sum += v.x + v.y;
    }
    norm_row(h + at, row, weight, shift, scale, d, sum, scratch);
}

// x += gate * (y + bias); h = norm(x). `bias` may be null.
extern "C" __global__ void residual_norm(float* x, bf16* h, const bf16* y, const float* bias, const float* gate,
                                         const float* weight, const float* shift, const float* scale, int d) {
    extern __shared__ float row[];
    __shared__ float scratch[32];
    size_t at = (size_t)blockIdx.x * d;
    float sum = 0.0f;
    for (int i = 2 * threadIdx.x; i < d; i += 2 * blockDim.x) {
        __nv_bfloat162 pair = *(const __nv_bfloat162*)(y + at + i);
        float2 v = *(float2*)(x + at + i);
        float a = __low2float(pair), b = __high2float(pair);
        if (bias) {
            a += bias[i];
            b += bias[i + 1];
        }
        v.x += gate[i] * a;
        v.y += gate[i + 1] * b;
        *(float2*)(x + at + i) = v;
        row[i] = v.x;
        row[i + 1] = v.y;
        sum += v.x + v.y;
    }
    norm_row(h + at, row, weight, shift, scale, d, sum, scratch);
}

// Rotates queries and keys, two pairs (j, j + head_dim / 2) a thread, in rows of `3 d`.
extern "C" __global__ void rope(bf16* qkv, const float* cosines, const float* sines, int heads, int head_dim) {
    int half = head_dim / 2, d = heads * head_dim, each = half / 2;
    size_t at = (size_t)blockIdx.x * 3 * d;
    const float* c = cosines + (size_t)blockIdx.x * half;
    const float* s = sines + (size_t)blockIdx.x * half;
    for (int n = threadIdx.x; n < 2 * heads * each; n += blockDim.x) {
        int j = 2 * (n % each);
        // Queries and keys lie side by side: 2 * heads heads in a row.
        bf16* low = qkv + at + (size_t)(n / each) * head_dim + j;
        __nv_bfloat162 a = *(__nv_bfloat162*)low, b = *(__nv_bfloat162*)(low + half);
        float a0 = __low2float(a), a1 = __high2float(a), b0 = __low2float(b), b1 = __high2float(b);
        *(__nv_bfloat162*)low = __floats2bfloat162_rn(a0 * c[j] - b0 * s[j], a1 * c[j + 1] - b1 * s[j + 1]);
        *(__nv_bfloat162*)(low + half) = __floats2bfloat162_rn(b0 * c[j] + a0 * s[j], b1 * c[j + 1] + a1 * s[j + 1]);
    }
}

// y = gelu(y + bias), the tanh form, eight values a thread.
extern "C" __global__ void bias_gelu(bf16* y, const float* bias, int width, long long total) {
    long long i = 8LL * ((long long)blockIdx.x * blockDim.x + threadIdx.x);
    if (i >= total) return;
    uint4 raw = *(uint4*)(y + i);
    __nv_bfloat162* pairs = (__nv_bfloat162*)&raw;
    const float* b = bias + i % width;
    for (int k = 0; k < 4; k++) {
        float v[2] = {__low2float(pairs[k]) + b[2 * k], __high2float(pairs[k]) + b[2 * k + 1]};
        for (int m = 0; m < 2; m++) {
            // v (1 + tanh u) / 2 = v / (1 + e^-2u)
            float u = 0.7978845608028654f * (v[m] + 0.044715f * v[m] * v[m] * v[m]);
            v[m] = v[m] / (1.0f + __expf(-2.0f * u));
        }
        pairs[k] = __floats2bfloat162_rn(v[0], v[1]);
    }
    *(uint4*)(y + i) = raw;
}

// Rows of `h` in the order of `rows`, eight values a thread.
extern "C" __global__ void gather(bf16* out, const bf16* h, const uint32_t* rows, int d) {
    for (int i = 8 * threadIdx.x; i < d; i += 8 * blockDim.x) {
        *(uint4*)(out + (size_t)blockIdx.x * d + i) = *(const uint4*)(h + (size_t)rows[blockIdx.x] * d + i);
    }
}

// Logits with their bias, without the padding of their rows.
extern "C" __global__ void unpad(float* out, const float* logits, const float* bias, int width, int stride) {
    for (int i = threadIdx.x; i < width; i += blockDim.x) {
        out[(size_t)blockIdx.x * width + i] = logits[(size_t)blockIdx.x * stride + i] + bias[i];
    }
}

// ---- attention -------------------------------------------------------------------------------------------------

#ifndef EMULATED
static __device__ __forceinline__ void mma(float* c, const uint32_t* a, uint32_t b0, uint32_t b1) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};\n"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

static __device__ __forceinline__ void load4(uint32_t* r, const bf16* p) {
    uint32_t at = (uint32_t)__cvta_generic_to_shared(p);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];\n"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(at)
                 : "memory");
}

static __device__ __forceinline__ void load4_transposed(uint32_t* r, const bf16* p) {
    uint32_t at = (uint32_t)__cvta_generic_to_shared(p);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];\n"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(at)
                 : "memory");
}

// Sixteen bytes to shared memory in the background; zeros where `there` is false.
static __device__ __forceinline__ void fetch(bf16* to, const bf16* from, bool there) {
    uint32_t at = (uint32_t)__cvta_generic_to_shared(to);
    int bytes = there ? 16 : 0;
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;\n" ::"r"(at), "l"(from), "r"(bytes) : "memory");
}

static __device__ __forceinline__ void fetch_commit() { asm volatile("cp.async.commit_group;\n" ::: "memory"); }
template <int N> static __device__ __forceinline__ void fetch_wait() {
    asm volatile("cp.async.wait_group %0;\n" ::"n"(N) : "memory");
}
static __device__ __forceinline__ float power2(float x) {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}
#endif

static __device__ __forceinline__ uint32_t pack(float a, float b) {
    __nv_bfloat162 pair = __floats2bfloat162_rn(a, b);
    return *(uint32_t*)&pair;
}

// Softmax attention without a matrix of scores: a block of 4 warps takes 64 queries of one head, a warp 16 of them,
// over keys and values that come by 64 and twice buffered. `scale` includes log2 e.
template <int HD>
static __device__ __forceinline__ void attend(bf16* out, const bf16* qkv, int tokens, int heads, float scale,
                                              bf16* shared) {
    constexpr int KEYS = 64, STRIDE = HD + 8, TILE = KEYS * STRIDE;
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, d = heads * HD, head = blockIdx.y;
    const int first = blockIdx.x * 64;
    const size_t pitch = 3 * (size_t)d;
    const bf16* q = qkv + (size_t)head * HD;
    const bf16* k = q + d;
    const bf16* v = k + d;
    bf16* keys = shared;
    bf16* values = shared + 2 * TILE;

    auto bring = [&](bf16* to, const bf16* from, int row) {
        for (int i = threadIdx.x; i < KEYS * HD / 8; i += blockDim.x) {
            int r = i / (HD / 8), c = 8 * (i % (HD / 8));
            bool there = row + r < tokens;
            fetch(to + r * STRIDE + c, from + (size_t)(there ? row + r : 0) * pitch + c, there);
        }
    };

    // Queries pass through the second buffer of keys into registers.
    bring(keys + TILE, q, first);
    bring(keys, k, 0);
    bring(values, v, 0);
    fetch_commit();
    fetch_wait<0>();
    __syncthreads();
    uint32_t query[HD / 16][4];
    for (int c = 0; c < HD / 16; c++) {
        load4(query[c], keys + TILE + (warp * 16 + (lane & 15)) * STRIDE + c * 16 + (lane >> 4) * 8);
    }
    __syncthreads();

    float o[HD / 8][4];
    for (int n = 0; n < HD / 8; n++) o[n][0] = o[n][1] = o[n][2] = o[n][3] = 0.0f;
    float most[2] = {-1e30f, -1e30f}, sum[2] = {0.0f, 0.0f};
    const int tiles = (tokens + KEYS - 1) / KEYS;
    for (int tile = 0; tile < tiles; tile++) {
        const bf16* kt = keys + (tile & 1) * TILE;
        const bf16* vt = values + (tile & 1) * TILE;
        if (tile + 1 < tiles) {
            bring(keys + ((tile + 1) & 1) * TILE, k, (tile + 1) * KEYS);
            bring(values + ((tile + 1) & 1) * TILE, v, (tile + 1) * KEYS);
        }
        fetch_commit();

        float s[KEYS / 8][4];
        for (int n = 0; n < KEYS / 8; n++) s[n][0] = s[n][1] = s[n][2] = s[n][3] = 0.0f;
#pragma unroll
        for (int c = 0; c < HD / 16; c++) {
#pragma unroll
            for (int n = 0; n < KEYS / 16; n++) {
                // Matrices: keys 0-7 and 8-15 of the sixteen, columns 0-7 and 8-15 of the chunk.
                uint32_t b[4];
                load4(b, kt + (n * 16 + (lane & 7) + (lane >> 4) * 8) * STRIDE + c * 16 + ((lane >> 3) & 1) * 8);
                mma(s[2 * n], query[c], b[0], b[1]);
                mma(s[2 * n + 1], query[c], b[2], b[3]);
            }
        }
        const int left = tokens - tile * KEYS;
        if (left < KEYS) {
            for (int n = 0; n < KEYS / 8; n++) {
                for (int e = 0; e < 4; e++) {
                    if (n * 8 + 2 * (lane & 3) + (e & 1) >= left) s[n][e] = -1e30f;
                }
            }
        }
#pragma unroll
        for (int r = 0; r < 2; r++) {
            float now = most[r];
            for (int n = 0; n < KEYS / 8; n++) now = fmaxf(now, fmaxf(s[n][2 * r], s[n][2 * r + 1]));
            now = fmaxf(now, __shfl_xor_sync(0xffffffffu, now, 1));
            now = fmaxf(now, __shfl_xor_sync(0xffffffffu, now, 2));
            float shrink = power2((most[r] - now) * scale), offset = now * scale, part = 0.0f;
            most[r] = now;
            for (int n = 0; n < KEYS / 8; n++) {
                s[n][2 * r] = power2(s[n][2 * r] * scale - offset);
                s[n][2 * r + 1] = power2(s[n][2 * r + 1] * scale - offset);
                part += s[n][2 * r] + s[n][2 * r + 1];
            }
            sum[r] = sum[r] * shrink + part;
            for (int n = 0; n < HD / 8; n++) {
                o[n][2 * r] *= shrink;
                o[n][2 * r + 1] *= shrink;
            }
        }
#pragma unroll
        for (int c = 0; c < KEYS / 16; c++) {
            // The layout of two results is that of one left factor.
            uint32_t p[4] = {pack(s[2 * c][0], s[2 * c][1]), pack(s[2 * c][2], s[2 * c][3]),
                             pack(s[2 * c + 1][0], s[2 * c + 1][1]), pack(s[2 * c + 1][2], s[2 * c + 1][3])};
#pragma unroll
            for (int n = 0; n < HD / 16; n++) {
                uint32_t b[4];
                load4_transposed(b, vt + (c * 16 + (lane & 15)) * STRIDE + n * 16 + (lane >> 4) * 8);
                mma(o[2 * n], p, b[0], b[1]);
                mma(o[2 * n + 1], p, b[2], b[3]);
            }
        }
        fetch_wait<0>();
        __syncthreads();
    }
    for (int r = 0; r < 2; r++) {
        float all = sum[r];
        all += __shfl_xor_sync(0xffffffffu, all, 1);
        all += __shfl_xor_sync(0xffffffffu, all, 2);
        float inverse = 1.0f / all;
        int row = first + warp * 16 + (lane >> 2) + 8 * r;
        if (row < tokens) {
            for (int n = 0; n < HD / 8; n++) {
                bf16* to = out + (size_t)row * d + (size_t)head * HD + n * 8 + 2 * (lane & 3);
                *(__nv_bfloat162*)to = __floats2bfloat162_rn(o[n][2 * r] * inverse, o[n][2 * r + 1] * inverse);
            }
        }
    }
}

extern "C" __global__ void __launch_bounds__(128) attend32(bf16* out, const bf16* qkv, int tokens, int heads,
                                                           float scale) {
    extern __shared__ float4 memory[];
    attend<32>(out, qkv, tokens, heads, scale, (bf16*)memory);
}

extern "C" __global__ void __launch_bounds__(128) attend64(bf16* out, const bf16* qkv, int tokens, int heads,
                                                           float scale) {
    extern __shared__ float4 memory[];
    attend<64>(out, qkv, tokens, heads, scale, (bf16*)memory);
}

// ---- draws -----------------------------------------------------------------------------------------------------

#define TOP 5
#define NOTHING 0xffffffffu

// What all rows share.
struct Shared {
    double scalar;       // the cumulative scalar
    double floor;        // the plain Euler rule's least probability
    float sharpness;     // 1 / temperature
    uint32_t banned;     // an id without mass, or NOTHING
    uint32_t last;       // every row that may move is drawn afresh
    uint32_t euler;      // the plain Euler rule
    uint32_t width;
    uint32_t stride;
};

struct Ask {
    double jump;
    double destination;
    uint32_t now;
    uint32_t may_move;
};

struct Answer {
    double total;
    double weighted_log;
    double others;
    double floored;
    float weight_before;
    float weight_now;
    float top_weight[TOP];
    uint32_t top[TOP];
    uint32_t destination;
    uint32_t rank;
    uint32_t finite;
};

struct Candidate {
    float value;
    uint32_t id;
};

static __device__ __forceinline__ bool beats(float a, uint32_t i, float b, uint32_t j) {
    return a > b || (a == b && i < j);
}

static __device__ float logit_at(const float* logits, const float* bias, const Shared& all, uint32_t id) {
    return id == all.banned ? -1e30f : logits[id] + bias[id];
}

// e^x for x <= 0 and x itself, kept finite.
static __device__ __forceinline__ float weigh(float x, float* log) {
    *log = fmaxf(x, -87.0f);
    return x < -87.0f ? 0.0f : __expf(x);
}

static __device__ uint32_t rank_of(const float* logits, const float* bias, const Shared& all, uint32_t id,
                                   const Candidate* top, float* scratch) {
    for (uint32_t i = 0; i < TOP; i++) {
        if (top[i].id == id) return i;
    }
    float own = logit_at(logits, bias, all, id);
    uint32_t above = 0;
    for (uint32_t i = threadIdx.x; i < all.width; i += blockDim.x) {
        above += beats(logit_at(logits, bias, all, i), i, own, id);
    }
    // Exact up to 2^24 ids.
    uint32_t rank = (uint32_t)block_sum((float)above, scratch);
    return rank > TOP ? rank : TOP;
}

// A block a row: its posterior in numbers, whether it jumps, and where to.
extern "C" __global__ void __launch_bounds__(512) draw(Answer* answers, const float* logits, const float* bias,
                                                       const Ask* asks, Shared all) {
    __shared__ float scratch[32];
    __shared__ double wide[32];
    __shared__ double segment[32];
    __shared__ double segment_floored[32];
    __shared__ Candidate winners[32];
    __shared__ Candidate top[TOP];
    __shared__ uint32_t drawn;

    const uint32_t thread = threadIdx.x, lane = thread & 31, warp = thread >> 5, warps = blockDim.x >> 5;
    const Ask ask = asks[blockIdx.x];
    Answer* answer = answers + blockIdx.x;
    logits += (size_t)blockIdx.x * all.stride;

    // The largest logits, and whether all are numbers.
    Candidate best[TOP];
    for (int i = 0; i < TOP; i++) best[i] = {-INFINITY, NOTHING};
    float probe = 0.0f;
    for (uint32_t i = thread; i < all.width; i += blockDim.x) {
        probe += (logits[i] + bias[i]) * 0.0f;
        float v = logit_at(logits, bias, all, i);
        if (v > best[TOP - 1].value) {
            best[TOP - 1] = {v, i};
#pragma unroll
            for (int j = TOP - 1; j > 0; j--) {
                if (best[j].value > best[j - 1].value) {
                    Candidate swap = best[j];
                    best[j] = best[j - 1];
                    best[j - 1] = swap;
                }
            }
        }
    }
    if (!(block_sum(probe, scratch) == 0.0f)) {
        if (thread == 0) answer->finite = 0;
        return;
    }
    for (int place = 0; place < TOP; place++) {
        Candidate mine = best[0];
        for (int o = 16; o > 0; o >>= 1) {
            float v = __shfl_xor_sync(0xffffffffu, mine.value, o);
            uint32_t id = __shfl_xor_sync(0xffffffffu, mine.id, o);
            if (beats(v, id, mine.value, mine.id)) mine = {v, id};
        }
        if (lane == 0) winners[warp] = mine;
        __syncthreads();
        if (thread == 0) {
            Candidate most = winners[0];
            for (uint32_t w = 1; w < warps; w++) {
                if (beats(winners[w].value, winners[w].id, most.value, most.id)) most = winners[w];
            }
            top[place] = most;
        }
        __syncthreads();
        if (best[0].id == top[place].id) {
            for (int j = 0; j + 1 < TOP; j++) best[j] = best[j + 1];
            best[TOP - 1] = {-INFINITY, NOTHING};
        }
    }

    const float most = top[0].value;
    float rest = 0.0f, products = 0.0f, log;
    for (uint32_t i = thread; i < all.width; i += blockDim.x) {
        float w = weigh((logit_at(logits, bias, all, i) - most) * all.sharpness, &log);
        rest += i == ask.now ? 0.0f : w;
        products += w * log;
    }
    const float before = weigh((logit_at(logits, bias, all, ask.now) - most) * all.sharpness, &log);
    const double others = block_sum_wide(rest, wide);
    const double weighted_log = block_sum_wide(products, wide);
    const double total = others + before;
    const float floor = (float)(all.floor * total);

    // Each warp sums what can be drawn in its own stretch of the row.
    const bool any = all.last != 0;
    const float least = all.euler && !any ? floor : 0.0f;
    const uint32_t span = ((all.width + warps - 1) / warps + 31) / 32 * 32;
    const uint32_t begin = warp * span, end = min(begin + span, all.width);
    float drawable = 0.0f, floored = 0.0f;
    for (uint32_t i = begin + lane; i < end; i += 32) {
        float w = weigh((logit_at(logits, bias, all, i) - most) * all.sharpness, &log);
        float other = i == ask.now && !any ? 0.0f : w;
        drawable += fmaxf(other, least);
        floored += fmaxf(i == ask.now ? 0.0f : w, floor);
    }
    double drawable_here = warp_sum_wide(drawable), floored_here = warp_sum_wide(floored);
    if (lane == 0) {
        segment[warp] = drawable_here;
        segment_floored[warp] = floored_here;
    }
    if (thread == 0) drawn = NOTHING;
    __syncthreads();
    double floored_total = 0.0, drawable_total = 0.0;
    for (uint32_t w = 0; w < warps; w++) {
        drawable_total += segment[w];
        floored_total += segment_floored[w];
    }

    double mean = all.euler ? fmin(floored_total / total, 50.0) : all.scalar * fmin(others / total, 1.0);
    const bool jumps = ask.may_move && (any || ask.jump < -expm1(-mean)) && drawable_total > 0.0;
    if (jumps) {
        // The last stretch with any weight takes what rounding leaves.
        const double target = ask.destination * drawable_total;
        double sum = 0.0, reached = 0.0;
        uint32_t chosen = 0;
        for (uint32_t w = 0; w < warps; w++) {
            if (segment[w] > 0.0) {
                chosen = w;
                reached = sum;
                if (sum + segment[w] > target) break;
                sum += segment[w];
            }
        }
        if (warp == chosen) {
            uint32_t found = NOTHING;
            double running = reached;
            for (uint32_t strip = begin; strip < end; strip += 32) {
                uint32_t i = strip + lane;
                float w = 0.0f;
                if (i < end) {
                    w = weigh((logit_at(logits, bias, all, i) - most) * all.sharpness, &log);
                    w = fmaxf(i == ask.now && !any ? 0.0f : w, least);
                }
                float prefix = w;
                for (int o = 1; o < 32; o <<= 1) {
                    float below = __shfl_up_sync(0xffffffffu, prefix, o);
                    if ((int)lane >= o) prefix += below;
                }
                uint32_t weighty = __ballot_sync(0xffffffffu, w > 0.0f);
                uint32_t past = __ballot_sync(0xffffffffu, w > 0.0f && running + prefix > target);
                if (past) {
                    found = strip + __ffs(past) - 1;
                    break;
                }
                if (weighty) found = strip + 31 - __clz(weighty);
                running += __shfl_sync(0xffffffffu, prefix, 31);
            }
            if (lane == 0) drawn = found;
        }
    }
    __syncthreads();
    const uint32_t destination = drawn;
    const uint32_t now = destination == NOTHING ? ask.now : destination;
    const uint32_t rank = rank_of(logits, bias, all, now, top, scratch);
    if (thread == 0) {
        answer->total = total;
        answer->weighted_log = weighted_log;
        answer->others = others;
        answer->floored = floored_total;
        answer->weight_before = before;
        answer->weight_now = weigh((logit_at(logits, bias, all, now) - most) * all.sharpness, &log);
        for (int i = 0; i < TOP; i++) {
            bool there = top[i].id != NOTHING;
            answer->top_weight[i] = there ? weigh((top[i].value - most) * all.sharpness, &log) : 0.0f;
            answer->top[i] = there ? top[i].id : 0;
        }
        answer->destination = destination;
        answer->rank = rank;
        answer->finite = 1;
    }
}
