#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/evaluators/any_evaluator.hpp>

namespace weightscope {

/// Evenly spaced weights of a tensor: first, first + stride...
struct weight_slice
{
    std::size_t tensor = 0;
    std::size_t first = 0;
    std::size_t count = 0;
    std::size_t stride = 1;  ///< 1: neighbours, such as rows; the number of columns: a column
};

/// Weights that would be removed together, such as an attention head or a channel of an MLP.
struct weight_group
{
    std::string name = {};
    std::vector<weight_slice> slices = {};
};

namespace detail {

WEIGHTSCOPE_INLINE void require_group(const any_evaluator& evaluator, const weight_group& group, const char* caller);

// Bytes that a change of one group reads and writes, at most.
WEIGHTSCOPE_INLINE double largest_group_bytes(const any_evaluator& evaluator, std::span<const weight_group> groups, const char* caller);

}  // namespace detail

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/evaluators/impl/weight_group.hpp>
#endif
