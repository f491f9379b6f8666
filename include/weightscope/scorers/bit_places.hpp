#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/evaluators/any_evaluator.hpp>
#include <weightscope/evaluators/weight_patch.hpp>
#include <weightscope/io/planned_flip.hpp>
#include <weightscope/scorers/bit_flipper.hpp>

namespace weightscope::detail {

// A number of the evaluator's weights, without a bit. `who` says in messages what names it.
WEIGHTSCOPE_INLINE bit_place bit_place_of(const any_evaluator& evaluator, const bit_flipper& flipper, const std::string& name, std::size_t flat,
                                          const std::string& part, const std::string& who, const char* caller);

// Flips that are made one after the other, found by the block that they lie in.
class made_bit_flips
{
public:
    explicit made_bit_flips(const bit_flipper& flipper) : flipper_(flipper) {}

    // Those that the effect of one more depends on. It is one of them from then on.
    std::span<const bit_place> before(const bit_place& place);

private:
    const bit_flipper& flipper_;
    std::map<std::pair<std::size_t, std::size_t>, std::vector<bit_place>> by_block_ = {};
};

// The places of flips that are made one after the other. What the plan does not tell of them is filled in, and what it tells must hold:
// its old code is that of the model, or that after the flips before it. `list` is what messages call them.
WEIGHTSCOPE_INLINE std::vector<bit_place> bit_places_of(const any_evaluator& evaluator, const bit_flipper& flipper, std::vector<planned_flip>& flips,
                                                        const std::string& list, const char* caller);

// Makes flips one after the other in `evaluator`, one of the same tensors as the flipper's.
WEIGHTSCOPE_INLINE void make_bit_flips(const bit_flipper& flipper, any_evaluator& evaluator, weight_patch& patch, std::span<const bit_place> flips);

}  // namespace weightscope::detail

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/scorers/impl/bit_places.hpp>
#endif
