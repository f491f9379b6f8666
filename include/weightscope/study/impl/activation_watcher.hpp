#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/evaluators/evaluator.hpp>
#include <weightscope/evaluators/sinks.hpp>
#include <weightscope/quantizers/activation_observer.hpp>
#include <weightscope/quantizers/activation_range.hpp>
#include <weightscope/report/quantization_activations_result.hpp>
#include <weightscope/study/activation_watcher.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE activation_watcher::activation_watcher(const std::vector<weight_info>& weights, const activation_study_options& options) : options_(options)
{
    for (const weight_info& info : weights)
        seen_.push_back({.name = info.name});
}

WEIGHTSCOPE_INLINE activation_tap activation_watcher::tap()
{
    return activation_tap([this](std::size_t tensor) { return tensor < seen_.size(); },
                          [this](std::size_t tensor, const activation_view& inputs) { take(seen_[tensor], inputs); });
}

WEIGHTSCOPE_INLINE bool activation_watcher::satisfied() const
{
    bool any = false;
    for (const watched& one : seen_) {
        any = any || one.observer;
        if (one.observer && (options_.samples == 0 || one.rows < options_.samples))
            return false;
    }
    return any;
}

WEIGHTSCOPE_INLINE activation_study_result activation_watcher::result() const
{
    activation_study_result study{.settings = options_};
    for (const watched& one : seen_)
        if (one.observer)
            study.layers.push_back(layer_of(one));
    for (std::size_t o = 0; o < options_.observers.size(); ++o)
        study.trials.push_back(trial_of(study, o));
    return study;
}

WEIGHTSCOPE_INLINE void activation_watcher::take(watched& one, const activation_view& inputs)
{
    if (!one.observer) {
        one.observer = std::make_shared<activation_observer>(activation_observer_options{.bits = options_.bits,
                                                                                         .symmetric = options_.symmetric,
                                                                                         .per_token = options_.per_token,
                                                                                         .percentile = options_.percentile,
                                                                                         .samples = options_.samples});
        one.channels.resize(inputs.cols);
    }
    one.observer->observe(std::span(inputs.data, inputs.rows * inputs.cols), inputs.cols, inputs.row_mask);
    for (std::size_t row = 0; row < inputs.rows; ++row) {
        if ((!inputs.row_mask.empty() && inputs.row_mask[row] == 0) || (options_.samples > 0 && one.rows == options_.samples))
            continue;
        ++one.rows;
        for (std::size_t c = 0; c < inputs.cols; ++c) {
            const float magnitude = std::fabs(inputs.data[row * inputs.cols + c]);
            if (std::isfinite(magnitude) && magnitude > one.channels[c])
                one.channels[c] = magnitude;
        }
    }
}

WEIGHTSCOPE_INLINE activation_layer activation_watcher::layer_of(const watched& one) const
{
    activation_layer layer{.name = one.name, .inputs = one.channels.size()};
    for (const observer_method method : options_.observers)
        layer.codes.push_back(one.observer->code(method));
    const activation_code& any = layer.codes.front();
    layer.min = any.min, layer.max = any.max;
    layer.samples = any.samples, layer.non_finite_count = any.non_finite_count;
    if (one.channels.empty()) {
        layer.largest_channel_ratio = metric::missing("no channels");
        return layer;
    }
    const auto largest = std::max_element(one.channels.begin(), one.channels.end());
    layer.largest_channel = static_cast<std::size_t>(largest - one.channels.begin());
    std::vector<float> sorted = one.channels;
    const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2);
    std::nth_element(sorted.begin(), middle, sorted.end());
    const auto median = static_cast<double>(*middle);
    layer.largest_channel_ratio = median > 0 ? metric(static_cast<double>(*largest) / median) : metric::missing("the median channel is 0");
    layer.outlier_channels = static_cast<std::size_t>(std::count_if(one.channels.begin(), one.channels.end(), [&](float m) {
        return static_cast<double>(m) > options_.outlier_ratio * median && m > 0;
    }));
    return layer;
}

WEIGHTSCOPE_INLINE activation_trial activation_watcher::trial_of(const activation_study_result& study, std::size_t o) const
{
    activation_trial trial{.observer = options_.per_token ? "per_token" : std::string(to_string(options_.observers[o]))};
    trial.worst_sqnr_db = trial.median_sqnr_db = metric::missing("no layer has an SQNR");
    std::vector<double> all;
    for (std::size_t l = 0; l < study.layers.size(); ++l) {
        const metric& sqnr = study.layers[l].codes[o].sqnr_db;
        if (!sqnr.exists())
            continue;
        if (all.empty() || sqnr.value < trial.worst_sqnr_db.value) {
            trial.worst_sqnr_db = sqnr;
            trial.worst_layer = l;
        }
        all.push_back(sqnr.value);
    }
    if (!all.empty()) {
        std::sort(all.begin(), all.end());
        trial.median_sqnr_db = (all[(all.size() - 1) / 2] + all[all.size() / 2]) / 2;
    }
    return trial;
}

}  // namespace weightscope::detail
