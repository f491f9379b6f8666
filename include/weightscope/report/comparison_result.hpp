#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <weightscope/analyzers/compare_weights.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/report/health_result.hpp>
#include <weightscope/report/layer_change.hpp>

namespace weightscope {

/// How a tensor was found again.
enum class matched_by
{
    name,             ///< the same name
    normalised_name,  ///< the same but for wrappers and dialect
    bytes,            ///< renamed: equal bytes
    values            ///< renamed and changed: correlated values
};

[[nodiscard]] constexpr std::string_view to_string(matched_by how)
{
    return how == matched_by::name              ? "name"
           : how == matched_by::normalised_name ? "normalised_name"
           : how == matched_by::bytes           ? "bytes"
                                                : "values";
}

/// What became of one tensor.
enum class layer_relation
{
    unknown,          ///< only figures are there, or an error
    identical,        ///< equal values in one format
    cast,             ///< the same values in another format, as far as it holds them
    quantized,        ///< rounded to a grid
    pruned,           ///< some weights became zero, the others are what they were
    low_rank_update,  ///< a product of two thin matrices was added
    updated,          ///< changed in many directions
    unrelated,        ///< no more alike than two random tensors
    resized           ///< another number of elements
};

[[nodiscard]] constexpr std::string_view to_string(layer_relation relation)
{
    constexpr std::string_view names[] = {"unknown", "identical", "cast",      "quantized", "pruned",
                                          "low_rank_update", "updated", "unrelated", "resized"};
    return names[static_cast<std::size_t>(relation)];
}

/// What the second model is to the first one.
enum class model_relation
{
    undecided,  ///< only figures are there, and they differ
    same_figures,  ///< only figures are there, and they are equal
    identical,
    dtype_cast,
    quantized_copy,
    pruned_copy,
    adapter,
    fine_tune,
    unrelated,  ///< the same architecture, other weights
    different   ///< other architectures
};

/// "dtype cast", "adapter-like", "unrelated, same architecture"...
[[nodiscard]] constexpr std::string_view to_string(model_relation relation)
{
    constexpr std::string_view names[] = {"undecided",    "same figures", "identical",    "dtype cast", "quantized copy",
                                          "pruned copy", "adapter-like", "fine-tune", "unrelated, same architecture", "different models"};
    return names[static_cast<std::size_t>(relation)];
}

/// Limits of the verdict.
struct comparison_thresholds
{
    double matched_fraction = 0.5;   ///< of the parameters of both models that must be matched, or they are different models
    double related_cosine = 0.3;     ///< of matrices, weighted by parameters; below it they are unrelated. Independent tensors have |cosine| of some 1/√N
    double quantized_cosine = 0.9;   ///< of a layer and its quantized copy, at least; 7 dB of noise
    double grid_kurtosis = 2.2;      ///< of the difference within runs, at most: 1.8 on a grid, 2.8 for Gaussian changes
    double grid_levels = 0.8;        ///< values in a run after / before, at most, for rounding to a grid by its evenness
    double few_levels = 0.3;         ///< the same where nothing else speaks for a grid
    double low_rank_fraction = 0.25; ///< rank that carries 99 % of the difference or stands above rounding / full rank, at most
};

/// A figure of both scans.
struct figure_pair
{
    std::string name = {};  ///< "spectral.condition_number"
    metric a = {}, b = {};
};

/// Two scans of one layer, in the terms that comparisons of scans are made in.
struct scan_difference
{
    metric mean_diff = {};               ///< b - a
    metric std_diff = {};                ///< b - a
    metric l2_norm_ratio = {};           ///< b / a
    metric max_abs_change = {};          ///< of the least and the largest weight
    metric condition_number_ratio = {};  ///< b / a
    metric stable_rank_diff = {};        ///< b - a
    metric stable_rank_ratio = {};       ///< b / a
    metric change_score = {};            ///< 10 |mean_diff| + 10 |std_diff| + |l2_norm_ratio - 1|
    std::vector<figure_pair> figures = {};
};

struct compared_layer
{
    std::string name = {};    ///< in the first model
    std::string name_b = {};  ///< in the second one
    matched_by how = matched_by::name;
    layer_relation relation = layer_relation::unknown;
    std::string evidence = {};  ///< one clause: why that relation
    std::vector<std::size_t> shape = {}, shape_b = {};
    std::string dtype = {}, dtype_b = {};
    std::size_t parameters = 0;
    bool reshaped = false;    ///< the same elements in another shape, compared in the order of memory
    bool transposed = false;  ///< compared with the second one turned
    std::string counted_with = {};    ///< earlier layer of the first model with the same weights; not counted again
    std::string error = {};
    std::optional<compare_weights_result> weights = {};
    std::optional<scan_difference> scans = {};
};

/// A tensor that the other model lacks.
struct unmatched_tensor
{
    std::string name = {};
    std::vector<std::size_t> shape = {};
    std::string dtype = {};
    std::size_t parameters = 0;
    std::string equal_to = {};  ///< tensor of its own model with the same weights, which is matched; its loss is none
};

struct compared_model
{
    std::string path = {};
    std::string format = {};
    bool weights = false;  ///< else a saved scan
    std::size_t tensors = 0, parameters = 0, files = 0;
    std::uint64_t bytes = 0;
};

/// What `compare_models` returns.
struct comparison_result
{
    compared_model a = {}, b = {};
    comparison_thresholds thresholds = {};
    std::vector<compared_layer> layers = {};  ///< in the order of the first model
    std::vector<unmatched_tensor> only_in_a = {}, only_in_b = {};
    model_relation relation = model_relation::undecided;
    std::vector<std::string> evidence = {};   ///< sentences
    metric cosine_similarity = {};            ///< of matched matrices, weighted by parameters
    metric relative_l2_distance = {};         ///< of all matched weights: √(Σ‖d‖² / Σ‖a‖²)
    std::vector<change_rule> rules = {};      ///< that the findings come from
    std::vector<finding> findings = {};       ///< see judge_changes
    double seconds = 0;
};

}  // namespace weightscope
