#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <weightscope/evaluators/any_evaluator.hpp>
#include <weightscope/evaluators/evaluation_plan.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/report/bit_selection_json.hpp>
#include <weightscope/scorers/bit_candidates.hpp>

#include "arguments.hpp"
#include "evaluator_arguments.hpp"
#include "progress_line.hpp"

/// What `bits select` and `bits rank` have in common: which weights, what they are run on, and what it may cost.
struct bits_arguments
{
    model_arguments model;
    evaluator_arguments evaluator;
    weightscope::select_bits_options select;
    std::string method = "auto", gradients, hessian_diag, resume, progress = "auto";
    std::size_t num_val_batches = 2, threads = 1;
    weightscope::evaluation_budget budget;
    std::uint64_t seed = 0;
    bool plan_only = false;
};

/// Adds MODEL, what runs it, what chooses weights, and the budget.
void add_bits_arguments(CLI::App& sub, bits_arguments& arguments);

/// Batches, threads, seed and the file to go on with. The progress is the caller's.
[[nodiscard]] weightscope::evaluation_options evaluation_of(const bits_arguments& arguments, const weightscope::detail::any_evaluator* evaluator);

/// Options of select_bits() as the arguments have them, without an evaluation.
[[nodiscard]] weightscope::select_bits_options selection_of(const bits_arguments& arguments);

/// What goes into the files besides results.
[[nodiscard]] weightscope::bit_report_context context_of(const bits_arguments& arguments, const weightscope::model& m,
                                                         const weightscope::detail::any_evaluator* evaluator, const std::vector<std::string>& notes);

/// A choice of weights, and the options that it was made with.
struct selected_bits
{
    weightscope::bit_selection selection;
    weightscope::select_bits_options options;
};

/// Plans, tells the plan, and chooses weights; nothing where only the plan was wanted.
/// @param evaluator  may be null
/// @param talks      whether stdout is free for people
/// @throws usage_error  the budget is too small
[[nodiscard]] std::optional<selected_bits> select_weights(const bits_arguments& arguments, const weightscope::model& m,
                                                          weightscope::detail::any_evaluator* evaluator, bool talks);
