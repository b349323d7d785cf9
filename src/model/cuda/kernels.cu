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

#include "attention.cuh"
#include "draw.cuh"
