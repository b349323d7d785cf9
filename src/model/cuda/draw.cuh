// The sampler on the GPU: what a position's posterior says, whether it jumps, and where to.

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
