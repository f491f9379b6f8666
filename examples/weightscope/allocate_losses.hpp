#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include <CLI/CLI.hpp>

#include <weightscope/core/progress.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/report/allocation_result.hpp>
#include <weightscope/study/allocation_losses.hpp>

#include "evaluator_arguments.hpp"

/// What says how much a layer loses in a format, and what it takes.
struct allocate_loss_arguments
{
    std::string loss = "auto";
    std::string sensitivity, activations, hessian_diag, fisher, trace, latency_table;  // files
    evaluator_arguments run;
    std::string curvature = "trace";
    std::size_t probes = 16;
    bool evaluate = false, plan_only = false;
};

/// Adds --loss and what it may be made from.
void add_loss_arguments(CLI::App& sub, allocate_loss_arguments& arguments);

/// What counts as loss: what is said, else what the files and the evaluator are for.
/// @throws usage_error  two of them say what it is, or what it needs is lacking
[[nodiscard]] weightscope::allocation_loss loss_of(const allocate_loss_arguments& arguments);

/// How a command that finds things out tells it.
struct loss_sources_told
{
    weightscope::progress_callback progress = {};
    bool talks = true;  ///< whether the plan is printed
};

/// What the files say and the evaluator shows; nothing where only the cost was asked for, which is told.
/// @throws usage_error, weightscope::io_error, weightscope::process_error, std::invalid_argument
[[nodiscard]] std::optional<weightscope::allocation_sources> find_loss_sources(const weightscope::model& m, const allocate_loss_arguments& arguments,
                                                                               const weightscope::allocation_plan_options& options, const loss_sources_told& how);

/// The plan with what --evaluate shows of it, and of the rules of thumb.
/// @throws weightscope::process_error, std::invalid_argument
[[nodiscard]] weightscope::allocation_plan evaluate_plan(const weightscope::model& m, weightscope::allocation_plan plan, const allocate_loss_arguments& arguments,
                                                         const loss_sources_told& how);
