#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <weightscope/evaluators/any_evaluator.hpp>
#include <weightscope/evaluators/evaluation_plan.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/report/bit_selection_json.hpp>
#include <weightscope/scorers/bit_candidates.hpp>

#include "arguments.hpp"
#include "command.hpp"
#include "evaluator_arguments.hpp"
#include "page_arguments.hpp"
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
    std::string shard;
    std::vector<std::string> merge;
    page_arguments page;
};

/// Adds MODEL, what runs it, what chooses weights, the budget, and how work is split over processes.
void add_bits_arguments(CLI::App& sub, bits_arguments& arguments);

/// Batches, threads, seed and the file to go on with. The progress is the caller's.
[[nodiscard]] weightscope::evaluation_options evaluation_of(const bits_arguments& arguments, const weightscope::detail::any_evaluator* evaluator);

/// Options of select_bits() as the arguments have them, without an evaluation.
[[nodiscard]] weightscope::select_bits_options selection_of(const bits_arguments& arguments);

/// "2/8" as the third of eight; nothing where --shard is not given.
[[nodiscard]] std::optional<std::pair<std::size_t, std::size_t>> shard_of(const bits_arguments& arguments);

/// @throws usage_error  there is neither a MODEL nor what --merge puts together
void require_model_or_merge(const bits_arguments& arguments);

/// Reads what --merge names. `read` gives the saved result of a file, with its context; all of one model.
/// @throws usage_error  they are of several models
template <class Read>
[[nodiscard]] auto read_shards(const bits_arguments& arguments, const Read& read)
{
    std::vector<decltype(read(std::string()))> shards;
    for (const std::string& file : arguments.merge) {
        shards.push_back(read(file));
        const std::string &first = shards.front().context.model, &here = shards.back().context.model;
        if (here != first)
            throw usage_error(fmt::format("{} is of {}, and {} of {}; shards are of one model", arguments.merge.front(), first, file, here));
    }
    return shards;
}

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
