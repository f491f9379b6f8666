#pragma once
// Kernels of scores.cuh: the formulas of the host's score_kernel.hpp and wanda.hpp.

#include <weightscope/cuda/error.cuh>

#include <cstddef>
#include <math.h>

#include <weightscope/core/scalar_format.hpp>
#include <weightscope/cuda/bins.cuh>
#include <weightscope/cuda/launch.cuh>
#include <weightscope/cuda/visit.cuh>
#include <weightscope/scorers/score_kernel.hpp>

namespace weightscope::detail {

struct device_score_sums
{
    double first, second;
    device_count unscored;
};

// The score as it is kept: NaN where it is not finite.
__device__ inline double kept_score(double score, bool& usable)
{
    usable = score - score == 0;
    return usable ? score : bits_as<double>(0x7ff8000000000000ull);
}

template <score_form Form, class T>
__global__ void __launch_bounds__(256) score_numbers(strided_numbers<T> w, const float* gradients, const float* curvatures, double* scores,
                                                     device_score_sums* partials)
{
    constexpr bool has_gradient = Form != score_form::magnitude && Form != score_form::square;
    constexpr bool has_curvature = Form == score_form::bound || Form == score_form::difference;
    device_score_sums sums{0, 0, 0};
    visit_numbers(w, [&](T number, std::size_t place) {
        const auto x = static_cast<double>(static_cast<float>(number));
        double first = 0, second = 0, score = 0;
        if constexpr (has_gradient)
            first = __dmul_rn(x, static_cast<double>(gradients[place]));
        if constexpr (has_curvature)
            second = __dmul_rn(__dmul_rn(0.5, __dmul_rn(x, x)), static_cast<double>(curvatures[place]));
        if constexpr (Form == score_form::magnitude)
            score = fabs(x);
        else if constexpr (Form == score_form::square)
            score = __dmul_rn(x, x);
        else if constexpr (Form == score_form::taylor)
            score = fabs(first);
        else if constexpr (Form == score_form::first)
            score = -first;
        else if constexpr (Form == score_form::bound)
            score = __dadd_rn(fabs(first), fabs(second));
        else
            score = __dsub_rn(second, first);
        bool usable = false;
        scores[place] = kept_score(score, usable);
        sums.unscored += !usable;
        sums.first += usable ? fabs(first) : 0;
        sums.second += usable ? fabs(second) : 0;
    });
    __shared__ double memory[32];
    __shared__ device_count counts[32];
    const double first = fold_block<sum_fold>(sums.first, 0.0, memory);
    const double second = fold_block<sum_fold>(sums.second, 0.0, memory);
    const device_count unscored = fold_block<sum_fold>(sums.unscored, device_count{0}, counts);
    if (threadIdx.x == 0)
        partials[blockIdx.x] = {first, second, unscored};
}

// |w[r, c]| times the factor of the column, or of the row; blocks take rows in turn.
template <class T>
__global__ void __launch_bounds__(256) scale_by_factors(strided_numbers<T> w, const double* factors, bool by_row, double* scores, device_score_sums* partials)
{
    device_count unscored = 0;
    for (std::size_t row = blockIdx.x; row < w.rows; row += gridDim.x)
        for (std::size_t col = threadIdx.x; col < w.cols; col += blockDim.x) {
            const auto x = static_cast<double>(static_cast<float>(w.data[row * w.row_stride + col]));
            bool usable = false;
            scores[row * w.cols + col] = kept_score(__dmul_rn(fabs(x), factors[by_row ? row : col]), usable);
            unscored += !usable;
        }
    __shared__ device_count counts[32];
    unscored = fold_block<sum_fold>(unscored, device_count{0}, counts);
    if (threadIdx.x == 0)
        partials[blockIdx.x] = {0, 0, unscored};
}

}  // namespace weightscope::detail
