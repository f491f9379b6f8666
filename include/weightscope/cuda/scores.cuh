#pragma once

#include <weightscope/cuda/error.cuh>

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <weightscope/core/metric.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/cuda/launch.cuh>
#include <weightscope/cuda/memory.cuh>
#include <weightscope/cuda/score_kernels.cuh>
#include <weightscope/cuda/view.cuh>
#include <weightscope/cuda/visit.cuh>
#include <weightscope/cuda/workspace.cuh>
#include <weightscope/scorers/importance.hpp>
#include <weightscope/scorers/magnitude.hpp>
#include <weightscope/scorers/score_kernel.hpp>
#include <weightscope/scorers/wanda.hpp>

namespace weightscope {

/// What is known of a tensor's weights, in the memory of the device: [rows, cols] without gaps, null where it is not known.
struct device_importance_info
{
    const float* gradients = nullptr;          ///< dL/dw
    const float* squared_gradients = nullptr;  ///< diagonal of the empirical Fisher information
    const float* hessian_diag = nullptr;       ///< d²L/dw²; may be negative
};

/// importance_result with its scores in the memory of the device.
struct device_importance
{
    device_memory<double> scores = {};     ///< [rows, cols]; NaN where a weight or what is known of it is not finite
    std::size_t rows = 0, cols = 0;
    cudaStream_t stream = nullptr;
    std::string method = {};
    std::string formula = {};
    comparison_group group = comparison_group::global;  ///< the widest within which scores compare
    bool predicts_change = false;          ///< scores are changes of the mean loss, with their sign
    std::size_t unscored_count = 0;        ///< NaN among the scores
    std::size_t dead_input_count = 0;      ///< inputs whose activations were all 0
    metric second_to_first_ratio = metric::missing("the score has no two orders");  ///< Σ w² |h| / 2 over Σ |w g|
};

namespace detail {

inline constexpr unsigned score_threads = 128;

// Adds up what the blocks found. Waits.
inline device_score_sums score_sums_of(const device_score_sums* partials, std::size_t blocks, cudaStream_t stream)
{
    std::vector<device_score_sums> found(blocks);
    copy_to_host(partials, std::span(found), stream);
    check_cuda(cudaStreamSynchronize(stream), "cudaStreamSynchronize");
    device_score_sums total{};
    for (const device_score_sums& part : found) {
        total.first += part.first;
        total.second += part.second;
        total.unscored += part.unscored;
    }
    return total;
}

template <class T>
device_importance begin_scores(const device_view<T>& view, const char* caller, cuda_workspace& workspace)
{
    require_view(view, caller);
    require(view.stream == workspace.stream(), "{}: the workspace is of another stream than the weights", caller);
    workspace.start_call();
    return {.scores = device_memory<double>(view.size(), view.stream), .rows = view.rows, .cols = view.cols, .stream = view.stream};
}

template <score_form Form, class T>
device_score_sums score_on_device(const device_view<T>& view, const float* gradients, const float* curvatures, device_importance& result,
                                  cuda_workspace& workspace)
{
    if (view.size() == 0)
        return {};
    const auto numbers = numbers_of<T>(view);
    const unsigned blocks = blocks_for(tile_count(numbers, score_threads), workspace.multiprocessors() * (2048 / score_threads));
    auto* const partials = workspace.take<device_score_sums>(blocks);
    launch(score_numbers<Form, T>, "score_numbers", {.grid = blocks, .threads = score_threads, .stream = view.stream}, numbers, gradients, curvatures,
           result.scores.data(), partials);
    const device_score_sums sums = score_sums_of(partials, blocks, view.stream);
    result.unscored_count = sums.unscored;
    return sums;
}

template <score_form Form, class T>
device_importance score_second_order(const device_view<T>& view, const device_importance_info& info, std::string_view name, cuda_workspace& workspace)
{
    const std::string caller = "score_" + std::string(name) + "(weights, info)";
    device_importance result = begin_scores(view, caller.c_str(), workspace);
    require(info.gradients != nullptr || view.size() == 0, "{}: info has no gradients, expected one for each of the {} weights", caller, view.size());
    const float* const curvatures = info.hessian_diag ? info.hessian_diag : info.squared_gradients;
    require(curvatures != nullptr || view.size() == 0,
            "{}: info has neither hessian_diag nor squared_gradients, expected one of them: without it this is score_taylor()", caller);
    result.method = name;
    result.formula = std::string(Form == score_form::bound ? "|w g| + w² |h| / 2" : "-w g + w² h / 2") + ", h = "
                   + (info.hessian_diag ? "Hessian diagonal" : "empirical Fisher information");
    result.predicts_change = Form == score_form::difference;
    const device_score_sums sums = score_on_device<Form>(view, info.gradients, curvatures, result, workspace);
    result.second_to_first_ratio = sums.first > 0 ? metric(sums.second / sums.first) : metric::missing("the first-order terms are all 0");
    return result;
}

}  // namespace detail

/// score_magnitude for weights in the memory of a device: |w| or w².
template <class T>
[[nodiscard]] device_importance score_magnitude(const device_view<T>& weights, const magnitude_options& options, cuda_workspace& workspace)
{
    device_importance result = detail::begin_scores(weights, "score_magnitude(weights)", workspace);
    result.method = "magnitude";
    result.formula = options.norm == magnitude_norm::l1 ? "|w|" : "w²";
    if (options.norm == magnitude_norm::l1)
        static_cast<void>(detail::score_on_device<detail::score_form::magnitude>(weights, nullptr, nullptr, result, workspace));
    else
        static_cast<void>(detail::score_on_device<detail::score_form::square>(weights, nullptr, nullptr, result, workspace));
    return result;
}

/// score_taylor for weights and gradients in the memory of a device: |w g|, g = dL/dw.
///
/// @throws std::invalid_argument  info has no gradients
template <class T>
[[nodiscard]] device_importance score_taylor(const device_view<T>& weights, const device_importance_info& info, cuda_workspace& workspace)
{
    device_importance result = detail::begin_scores(weights, "score_taylor(weights, info)", workspace);
    require(info.gradients != nullptr || weights.size() == 0, "score_taylor(weights, info): info has no gradients, expected one for each of the {} weights",
            weights.size());
    result.method = "taylor";
    result.formula = "|w g|";
    static_cast<void>(detail::score_on_device<detail::score_form::taylor>(weights, info.gradients, nullptr, result, workspace));
    return result;
}

/// score_taylor_2nd for weights in the memory of a device: |w g| + w² |h| / 2, h the Hessian diagonal, or the Fisher information where that
/// is not known.
///
/// @throws std::invalid_argument  info lacks an input
template <class T>
[[nodiscard]] device_importance score_taylor_2nd(const device_view<T>& weights, const device_importance_info& info, cuda_workspace& workspace)
{
    return detail::score_second_order<detail::score_form::bound>(weights, info, "taylor_2nd", workspace);
}

/// score_taylor_2nd_signed for weights in the memory of a device: -w g + w² h / 2.
///
/// @throws std::invalid_argument  info lacks an input
template <class T>
[[nodiscard]] device_importance score_taylor_2nd_signed(const device_view<T>& weights, const device_importance_info& info, cuda_workspace& workspace)
{
    return detail::score_second_order<detail::score_form::difference>(weights, info, "taylor_2nd_signed", workspace);
}

/// score_wanda for weights in the memory of a device: |w_ij| times a figure of the layer's input j.
///
/// @param weights  [in, out] where options.orientation is in_out, else [out, in]
/// @param info     with activations: one number for each input, which the host has
/// @throws std::invalid_argument  as the host's function; inputs of a convolution must be those of its kernel's places
template <class T>
[[nodiscard]] device_importance score_wanda(const device_view<T>& weights, const importance_info& info, const wanda_options& options, cuda_workspace& workspace)
{
    constexpr const char* caller = "score_wanda(weights, info)";
    device_importance result = detail::begin_scores(weights, caller, workspace);
    require(weights.is_matrix, "{}: weights have rank 0 or 1, expected 2 or more", caller);
    require(info.activations.has_value(), "{}: info has no activations, expected the statistics of the layer's inputs", caller);
    const bool by_row = options.orientation == matrix_orientation::in_out;
    const std::vector<double> factors = detail::activation_figures(*info.activations, options.figure, info.sequences, caller);
    const std::size_t inputs = by_row ? weights.rows : weights.cols;
    require(factors.size() == inputs, "{}: the statistics are of {} inputs, but the weights have {}", caller, factors.size(), inputs);
    result.method = "wanda";
    result.formula = "|w| " + std::string(detail::name_of(options.figure));
    result.group = comparison_group::row;
    result.dead_input_count = static_cast<std::size_t>(std::count(factors.begin(), factors.end(), 0.0));
    if (weights.size() == 0)
        return result;
    auto* const on_device = workspace.take<double>(factors.size());
    copy_to_device(std::span<const double>(factors), on_device, weights.stream);
    const unsigned blocks = detail::blocks_for(weights.rows, workspace.multiprocessors() * (2048 / detail::score_threads));
    auto* const partials = workspace.take<detail::device_score_sums>(blocks);
    detail::launch(detail::scale_by_factors<T>, "scale_by_factors", {.grid = blocks, .threads = detail::score_threads, .stream = weights.stream},
                   detail::strided_numbers<T>{weights.data, weights.rows, weights.cols, weights.row_stride}, on_device, by_row, result.scores.data(), partials);
    result.unscored_count = detail::score_sums_of(partials, blocks, weights.stream).unscored;
    return result;
}

}  // namespace weightscope
