#pragma once
// The host's scale_search.hpp and exact_search.hpp for one group, which a block of threads works on: the same candidates, judged by sums in
// double.

#include <weightscope/cuda/error.cuh>

#include <cstddef>
#include <math.h>

#include <weightscope/core/scalar_format.hpp>
#include <weightscope/cuda/block_folds.cuh>
#include <weightscope/cuda/plain_codec.cuh>
#include <weightscope/cuda/range_plan.cuh>
#include <weightscope/quantizers/exact_search.hpp>
#include <weightscope/quantizers/scheme.hpp>
#include <weightscope/quantizers/search_kernel.hpp>

namespace weightscope::detail {

// A place of the range and a scale at which a weight reaches its next level, with Σ|x|k and Σk² of the levels k that are then reached.
struct exact_trial
{
    double lowest, scale, dot, squares;

    // The host goes through zero points and falling scales, and keeps what is best so far: the later one has to be better by as much.
    __device__ void take_better(const exact_trial& other)
    {
        const bool earlier = other.lowest > lowest || (other.lowest == lowest && other.scale > scale);
        if (squares == 0 || (other.squares != 0 && (earlier ? !beats(*this, other) : beats(other, *this))))
            *this = other;
    }

private:
    static __device__ bool beats(const exact_trial& later, const exact_trial& sooner)
    {
        const double most = __ddiv_rn(__dmul_rn(sooner.dot, sooner.dot), sooner.squares);
        return __dmul_rn(later.dot, later.dot) > __dmul_rn(most, later.squares);
    }
};

// Plain codes of one group.
template <class Codec, class Weights>
class plain_search
{
public:
    using real = typename Codec::real;
    using step = typename Codec::step;

    __device__ plain_search(const Codec& codec, const Weights& group, double low, double high, const range_plan& plan, block_exchange& block)
        : codec_(codec), group_(group), plan_(plan), block_(block), plain_(codec.step_for(static_cast<real>(low), static_cast<real>(high))),
          low_(codec.symmetric ? -high : low < 0 ? low : 0), high_(high > 0 ? high : 0), norm_(plan.search == range_search::mse ? 0 : plan.norm),
          best_{static_cast<double>(plain_.scale), static_cast<double>(plain_.lowest), static_cast<double>(plain_.highest)},
          least_(static_cast<double>(bits_as<float>(0x7f800000u)))
    {
    }

    __device__ step best()
    {
        const double count = static_cast<double>(group_.count()), levels = codec_.last - codec_.first;
        const double steps = codec_.symmetric ? count * floor((levels + 1) / 2) : count * levels * (levels + 1);
        if (norm_ == 0 && steps <= static_cast<double>(most_exact_steps)) {
            find_exactly();
        } else {
            for (const double power : plan_.scale_powers)
                try_scale(__dmul_rn(__dmul_rn(static_cast<double>(plain_.scale), 1.25), power));
            double before = least_ + 1;
            for (int round = 0; norm_ == 0 && round < 10 && least_ < before; ++round) {
                before = least_;
                consider(best_);
            }
        }
        for (int round = 0; norm_ != 0 && round < range_plan::rounds; ++round) {
            const trial_code center = best_;
            for (const double factor : plan_.around[round])
                consider({__dmul_rn(center.scale, factor), center.lowest, center.highest});
        }
        const step found = codec_.step_of(codec_.stored(best_.scale), codec_.first - best_.lowest);
        const double of_found = objective_of_group(codec_, group_, found, plan_, block_);
        return of_found < objective_of_group(codec_, group_, plain_, plan_, block_) ? found : plain_;
    }

private:
    __device__ void try_scale(double scale)
    {
        const double span = codec_.last - codec_.first;
        if (codec_.symmetric)
            return consider({scale, codec_.first, codec_.last});
        double known = 1;  // none
        for (int place = 0; place < range_plan::place_count; ++place) {
            const double slack = __dsub_rn(__dsub_rn(high_, low_), __dmul_rn(span, scale));
            const double start = rint(__ddiv_rn(__dadd_rn(low_, __ddiv_rn(__dmul_rn(slack, place), range_plan::place_count - 1)), scale));
            const double lowest = start < -span ? -span : start > 0 ? 0 : start;
            if (lowest != known)
                consider({scale, lowest, lowest + span});
            known = lowest;
        }
    }

    __device__ void consider(const trial_code& code)
    {
        const auto scale = static_cast<real>(code.scale), lowest = static_cast<real>(code.lowest), highest = static_cast<real>(code.highest);
        if (scale == 0)
            return;
        double dot = 0, squares = 0, powers = 0;
        group_.visit([&](const auto& weight) {
            const real t = divided(weight.value, scale), r = to_integer(t);
            const real above = r < lowest ? lowest : r, level = above > highest ? highest : above;
            const auto k = static_cast<double>(level);
            dot += static_cast<double>(weight.value) * k;
            squares += k * k;
            if (norm_ != 0)
                powers += static_cast<double>(quick_power(static_cast<float>(fabs(t - level)), static_cast<float>(norm_)));
        });
        double loss = 0;
        if (norm_ == 0) {
            dot = block_.sum(dot);
            squares = block_.sum(squares);
            if (squares == 0)
                return;
            loss = -dot / squares * dot;
        } else {
            loss = log2(block_.sum(powers)) + norm_ * log2(code.scale);
        }
        if (loss >= least_)
            return;
        least_ = loss;
        best_ = code;
        if (norm_ == 0)
            best_.scale = dot / squares;
    }

    // How many of a weight's levels, which are up to `most`, are reached where the scale has fallen to `scale`.
    static __device__ double levels_reached(double magnitude, double scale, double most)
    {
        double k = floor(magnitude / scale + 0.5);
        k = k < most ? k : most;
        while (k < most && __ddiv_rn(magnitude, k + 0.5) >= scale)
            ++k;
        while (k > 0 && __ddiv_rn(magnitude, k - 0.5) < scale)
            --k;
        return k;
    }

    // As the scale falls, weights reach one level after the other; each such scale leaves Σx² - (Σxk)² / Σk². The threads share them.
    __device__ void find_exactly()
    {
        const double first = codec_.first, last = codec_.last;
        const auto levels = static_cast<std::size_t>(codec_.symmetric ? -first : last - first), zeros = codec_.symmetric ? 1 : levels + 1;
        const std::size_t per_zero = group_.count() * levels;
        exact_trial best{0, 0, 0, 0};
        for (std::size_t candidate = threadIdx.x; candidate < per_zero * zeros; candidate += blockDim.x) {
            const std::size_t zero = candidate / per_zero, rest = candidate - zero * per_zero;
            const double from = codec_.symmetric ? first : -static_cast<double>(zero), to = from + (last - first);
            const auto x = static_cast<double>(group_[rest / levels].value), level = static_cast<double>(rest % levels + 1);
            if (x == 0 || level > (x < 0 ? -from : to))
                continue;
            exact_trial trial{from, __ddiv_rn(fabs(x), level - 0.5), 0, 0};
            for (std::size_t i = 0; i < group_.count(); ++i) {
                const auto w = static_cast<double>(group_[i].value);
                const double k = levels_reached(fabs(w), trial.scale, w < 0 ? -from : to);
                trial.dot += k * fabs(w);
                trial.squares += k * k;
            }
            best.take_better(trial);
        }
        __shared__ exact_trial of_threads[256];
        __syncthreads();  // who looked at those of the group before is done
        of_threads[threadIdx.x] = best;
        __syncthreads();
        for (unsigned other = 0; other < blockDim.x; ++other)
            best.take_better(of_threads[other]);
        best_ = {best.dot / best.squares, best.lowest, best.lowest + (last - first)};
    }

    const Codec& codec_;
    const Weights& group_;
    const range_plan& plan_;
    block_exchange& block_;
    step plain_;
    double low_, high_, norm_;
    trial_code best_;
    double least_;
};

}  // namespace weightscope::detail
