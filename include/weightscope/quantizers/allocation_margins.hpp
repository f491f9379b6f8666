#pragma once

#include <cstddef>
#include <limits>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/quantizers/allocation.hpp>
#include <weightscope/quantizers/allocation_problem.hpp>

namespace weightscope {

/// How firm the decision about an item is.
struct allocation_margin
{
    double margin = std::numeric_limits<double>::infinity();  ///< the whole loses this much more if the item takes any other choice
    std::size_t rival = 0;     ///< the choice that comes next; its own one where there is no other
    bool exact = true;         ///< else the margin is at least this
    bool flips = false;        ///< the decision changes if one loss of the item moves by its standard error
};

struct allocation_margins_options
{
    std::size_t solution_limit = 500;    ///< problems solved again; what is beyond has the Lagrangian's lower bound
    std::size_t state_limit = 200'000;   ///< of each of them
};

/// What it would cost to decide otherwise about each item, and which decisions hang on the errors of the losses.
///
/// The margin of an item is the least that the best allocation with another choice of it loses more. Where that is below the standard
/// error of a loss, the loss moved by it would change the decision.
///
/// @param best             what allocate_choices(problem) found
/// @param standard_errors  [items][choices] of the losses, 0 where not known; or empty
/// @return                 [items]; the margin is infinite where no other choice fits the budgets
/// @throws std::invalid_argument  `best` is no allocation of the problem, or the standard errors do not match its choices
/// @note   solves a problem again for each choice whose lower bound does not settle it, the closest first
[[nodiscard]] WEIGHTSCOPE_INLINE std::vector<allocation_margin> allocation_margins(const allocation_problem& problem, const allocation_result& best,
                                                                                   const std::vector<std::vector<double>>& standard_errors = {},
                                                                                   const allocation_margins_options& options = {});

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/quantizers/impl/allocation_margins.hpp>
#endif
