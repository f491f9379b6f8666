#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <weightscope/core/metric.hpp>
#include <weightscope/evaluators/any_evaluator.hpp>
#include <weightscope/evaluators/model_quality_result.hpp>
#include <weightscope/io/name_filter.hpp>
#include <weightscope/scorers/apply_masks.hpp>
#include <weightscope/scorers/estimate_importance.hpp>
#include <weightscope/scorers/group_family.hpp>
#include <weightscope/scorers/group_scores.hpp>
#include <weightscope/scorers/nm_mask.hpp>
#include <weightscope/scorers/prune_method.hpp>
#include <weightscope/scorers/selection.hpp>
#include <weightscope/scorers/transformer_groups.hpp>
#include <weightscope/scorers/validate_scores.hpp>

namespace weightscope {

/// What goes in one piece, and what is compared with what.
enum class prune_unit
{
    group,   ///< heads, channels, layers: a smaller model
    weight,  ///< weights: the lowest of each matrix
    global,  ///< the lowest of all matrices together
    row,     ///< the lowest of each row of [out, in]
    nm,      ///< the lowest of every few neighbours along a row
};

[[nodiscard]] constexpr std::string_view to_string(prune_unit unit)
{
    constexpr std::string_view names[] = {"group", "weight", "global", "row", "nm"};
    return names[static_cast<std::size_t>(unit)];
}

struct study_pruning_options
{
    std::vector<prune_method> methods = {{}};  ///< the first one chooses what goes; the others are compared with it
    prune_unit unit = prune_unit::group;
    transformer_groups_options groups = {};
    group_scores_options group_scores = {};
    selection_options selection = {};   ///< without groups only its ratio counts, of the matrices' weights, and frozen layers
    nm_options nm = {};
    name_filter_options names = {};     ///< of tensors that may lose weights
    curvature_input curvature = curvature_input::hessian;  ///< collected for the second order: Hessian diagonal or Fisher information
    std::size_t probes = 8;             ///< for the Hessian diagonal
    std::size_t validate = 0;           ///< groups or weights that are removed for real to check each method; 0: none (auto: 200)
    std::size_t drop_first_of = 0;      ///< tokens of a sequence, the first of which does not count among the activations; 0: all count
    std::size_t threads = 0;            ///< 0: one per core
    std::uint64_t seed = 0;
    std::string fingerprint = {};       ///< of the calibration data
    double resolution = 0;              ///< standard errors that a collected curvature must reach, else it counts as 0
};

/// What removes weights of one matrix, or groups of one kind.
struct prune_share
{
    std::string name = {};
    std::uint64_t parameters = 0;
    std::uint64_t removed = 0;
    std::string method = {};  ///< that scored it
};

/// How well scores foretold what happened.
struct prune_validation
{
    std::string part = {};    ///< "all", "attention", "feed-forward"
    std::string method = {};
    bool chosen = true;       ///< of the candidates of auto
    validation_result result = {};
};

/// What scores were made of, and how sure they are.
struct prune_evidence
{
    std::string comparison = {};     ///< whose scores compete: "global", "tensor", "row", "keep=2,of=4"
    std::string normalisation = {};  ///< "none", "importance / parameters", "parts / mean"
    std::string source = {};         ///< "evaluator", a file's name; empty: of nothing but the weights
    std::size_t batches = 0;         ///< of calibration data
    std::size_t samples = 0;         ///< in them; 0 where the evaluator does not count
    metric relative_standard_error = metric::missing("the scores have no standard errors");  ///< √(Σ error² / Σ score²)
};

/// One way to prune, carried out.
struct prune_trial
{
    std::string method = {};
    std::string formula = {};
    group_scores_result scores = {};    ///< of groups
    selection_result selection = {};    ///< of groups
    model_masks masks = {};             ///< what goes, as zeros
    std::uint64_t removed_parameters = 0;
    double actual_ratio = 0;            ///< of the model's parameters for groups, else of those of the matrices that may lose some
    std::size_t tied_count = 0;         ///< weights whose score is equal to the last one removed, some of which stay
    std::size_t unscored_count = 0;     ///< weights or groups without a score, which stay
    std::vector<prune_share> shares = {};
    metric overlap = {};                ///< Jaccard index of what goes with what the first method removes
    model_quality after = detail::no_quality("no evaluator");  ///< with zeros for what goes
    std::vector<prune_validation> validation = {};
    evaluation_counts counts = {};      ///< calls of the calibration evaluator for the scores, what methods share not included
    double seconds = 0;                 ///< for scores and choice
    double collecting_seconds = 0;      ///< that what it needs took to collect, which other methods may share
    metric peak_bytes = {};             ///< most memory of the process while it chose
    prune_evidence evidence = {};
};

/// Cost of a study, known before it starts.
struct prune_plan
{
    evaluation_counts counts = {};      ///< calls, one for each batch
    std::size_t observations = 0;
    double seconds = 0;
    double memory_bytes = 0;            ///< beyond the evaluator's own
    std::vector<std::string> lines = {};
};

/// What a study of pruning found.
struct prune_result
{
    std::string model_path = {}, format = {}, architecture = {};
    study_pruning_options settings = {};
    grouped_model groups = {};          ///< without families where single weights go
    std::vector<std::size_t> matrices = {};  ///< places of the tensors that may lose single weights
    std::uint64_t prunable_parameters = 0;
    model_quality before = detail::no_quality("no evaluator");
    std::vector<prune_trial> trials = {};  ///< in the order of the methods; the first one counts
    std::vector<std::string> notes = {};
    std::string fingerprint = {};       ///< of the calibration data
    metric fisher_to_curvature_ratio = {};
    double seconds = 0;

    [[nodiscard]] const prune_trial& chosen() const { return trials.front(); }
};

}  // namespace weightscope
