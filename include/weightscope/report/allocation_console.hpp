#pragma once

#include <cstddef>
#include <string>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/allocation_result.hpp>
#include <weightscope/report/console_style.hpp>
#include <weightscope/report/text_layout.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE std::string plan_verdict_text(const allocation_plan& plan, const console_style& style, std::size_t width);

// What rules of thumb do to the loss of the model, and plans of as many bytes; empty where nothing was run.
WEIGHTSCOPE_INLINE text_table plan_measured_table(const allocation_plan& plan);

WEIGHTSCOPE_INLINE text_table plan_rules_table(const allocation_plan& plan);

WEIGHTSCOPE_INLINE text_table plan_layers_table(const allocation_plan& plan);

WEIGHTSCOPE_INLINE text_table plan_formats_table(const allocation_plan& plan);

WEIGHTSCOPE_INLINE text_table plan_front_table(const allocation_plan& plan);

// What two factors would keep: ranks for the usual shares of energy, and what the largest ones that save anything would lose.
WEIGHTSCOPE_INLINE text_table plan_low_rank_table(const allocation_plan& plan);

}  // namespace detail

struct plan_console_options
{
    std::size_t width = 100;  ///< columns, 60 to 200
    bool color = false;
    bool front = false;       ///< also the front of size and loss
    std::size_t most_layers = 60;  ///< of models with more items only the formats are told
};

/// A plan for a terminal: the verdict, what rules of thumb lose, how many layers take which format, and each layer with its next steps.
///
/// @throws std::invalid_argument  options.width is not in 60 to 200
[[nodiscard]] WEIGHTSCOPE_INLINE std::string to_console(const allocation_plan& plan, const plan_console_options& options = {});

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/allocation_console.hpp>
#endif
