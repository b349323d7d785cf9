// Attention with tensor cores, head widths 32 and 64.

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
