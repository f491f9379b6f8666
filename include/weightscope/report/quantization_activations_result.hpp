#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <weightscope/core/metric.hpp>
#include <weightscope/evaluators/model_quality.hpp>
#include <weightscope/quantizers/activation_observer.hpp>
#include <weightscope/quantizers/activation_range.hpp>

namespace weightscope {

[[nodiscard]] constexpr std::string_view to_string(observer_method method)
{
    constexpr std::string_view names[] = {"min_max", "percentile", "mse", "entropy"};
    return names[static_cast<std::size_t>(method)];
}

struct activation_study_options
{
    int bits = 8;             ///< 2 to 8 or 16
    bool symmetric = true;
    bool per_token = false;   ///< each row has a scale of its own, found when it comes: there is one way to do that, observers have no say
    std::vector<observer_method> observers = {observer_method::min_max, observer_method::percentile, observer_method::mse, observer_method::entropy};
    std::size_t samples = 0;  ///< tokens to calibrate with, the first ones; 0: all
    double percentile = 99.99;  ///< of observer percentile
    double outlier_ratio = 10;  ///< a channel is an outlier if its largest magnitude is so many times that of the median channel
};

/// The inputs of one linear layer.
struct activation_layer
{
    std::string name = {};           ///< of its weight
    std::size_t inputs = 0;          ///< channels
    double min = 0, max = 0;         ///< that were seen
    std::size_t samples = 0;         ///< tokens that were looked at
    std::size_t non_finite_count = 0;
    std::size_t outlier_channels = 0;
    std::size_t largest_channel = 0; ///< with the largest magnitude
    metric largest_channel_ratio = {};  ///< that magnitude over the median channel's; missing where that is 0
    std::vector<activation_code> codes = {};  ///< [observers]
};

/// Activations under one observer.
struct activation_trial
{
    std::string observer = {};            ///< "mse"; "per_token" where each token has its own scale
    metric worst_sqnr_db = {};            ///< of a layer
    std::size_t worst_layer = 0;
    metric median_sqnr_db = {};           ///< over layers
    std::optional<model_quality> quality = {};  ///< weights as stored, activations quantized; where the evaluator lets them be replaced
};

/// What `study_activations` returns.
struct activation_study_result
{
    activation_study_options settings = {};
    std::vector<activation_layer> layers = {};   ///< in the evaluator's order
    std::vector<activation_trial> trials = {};   ///< [observers]
    std::size_t best = 0;                        ///< the trial of the least loss, or where losses were not measured of the best median SQNR
    std::string together_with = {};              ///< variant of weights that `together` is measured with
    std::optional<model_quality> together = {};  ///< its weights and the activations of the best trial
    double seconds = 0;
};

}  // namespace weightscope
