#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/scorers/bit_candidates.hpp>
#include <weightscope/scorers/bit_tensors.hpp>

namespace weightscope::detail {

// Numbers in a name tell layers apart, not kinds of tensors.
WEIGHTSCOPE_INLINE std::string kind_of_tensor(std::string_view name);

// The flips of one bit of the codes, or of one kind of scale, of tensors of one kind.
struct bit_population
{
    std::string kind = {};
    std::string part = {};
    unsigned bit = 0;
    std::vector<bit_tensor> tensors = {};
    std::size_t size = 0;
};

WEIGHTSCOPE_INLINE std::vector<bit_population> bit_populations(const std::vector<bit_tensor>& tensors);

// Different numbers of a population, by Floyd's method, rising.
WEIGHTSCOPE_INLINE std::vector<bit_candidate> draw_bits(const bit_population& population, std::size_t count, std::uint64_t seed);

}  // namespace weightscope::detail

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/scorers/impl/bit_population.hpp>
#endif
