#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/bit_layout.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/evaluators/any_evaluator.hpp>
#include <weightscope/evaluators/evaluation.hpp>
#include <weightscope/evaluators/weight_patch.hpp>
#include <weightscope/io/planned_flip.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/scorers/bit_flipper.hpp>
#include <weightscope/scorers/bit_places.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE bit_place bit_place_of(const any_evaluator& evaluator, const bit_flipper& flipper, const std::string& name, std::size_t flat,
                                          const std::string& part, const std::string& who, const char* caller)
{
    const auto found = std::find_if(evaluator.weights().begin(), evaluator.weights().end(), [&](const weight_info& info) { return info.name == name; });
    const std::string owner = flipper.owner_of(name);
    require(owner.empty(), "{}: {} is in '{}', codes or scales of '{}': what a flip does to its weights is known to their decoder alone", caller, who,
            printable(name), printable(owner));
    require(found != evaluator.weights().end(), "{}: {} is in '{}', which the evaluator has not", caller, who, printable(name));
    const std::size_t tensor = storage_of(evaluator, static_cast<std::size_t>(found - evaluator.weights().begin()));
    const std::size_t size = evaluator.weights()[tensor].size();
    require(flat < size, "{}: {} is element {} of '{}', which has {}", caller, who, flat, printable(name), size);
    flipper.require_same(tensor, flat, caller);
    static_cast<void>(flipper.layout_of(tensor, part, caller));
    const std::size_t weights = flipper.weights_of(tensor, part);
    return {.tensor = tensor, .flat = flat, .part = part, .first = flat / weights * weights};
}

WEIGHTSCOPE_INLINE std::span<const bit_place> made_bit_flips::before(const bit_place& place)
{
    std::vector<bit_place>& made = by_block_[{place.tensor, flipper_.block_of(place)}];
    made.push_back(place);
    return std::span(made).first(made.size() - 1);
}

WEIGHTSCOPE_INLINE std::vector<bit_place> bit_places_of(const any_evaluator& evaluator, const bit_flipper& flipper, std::vector<planned_flip>& flips,
                                                        const std::string& list, const char* caller)
{
    std::vector<bit_place> places;
    made_bit_flips made(flipper);
    for (planned_flip& flip : flips) {
        const std::string who = fmt::format("flip {} of {}", places.size(), list);
        bit_place place = bit_place_of(evaluator, flipper, flip.name, flip.flat, flip.part, who, caller);
        place.bit = flip.bit;
        const unsigned bits = flipper.layout_of(place.tensor, flip.part, caller).bits;
        require(flip.bit < bits, "{}: {} is bit {} of a number of {}", caller, who, flip.bit, bits);
        const bit_flip effect = flipper.effect(place, made.before(place));
        const bool as_told = !flip.old_code || *flip.old_code == effect.old_code || *flip.old_code == flipper.effect(place, {}).old_code;
        require(as_told,
                "{}: {} expects the code {:#x} in '{}'[{}], found {:#x}; the plan was made for another model", caller, who, flip.old_code.value_or(0),
                printable(flip.name), flip.flat, effect.old_code);
        flip.old_code = effect.old_code;
        flip.new_code = effect.new_code;
        flip.old_value = effect.old_value;
        flip.new_value = effect.new_value;
        places.push_back(std::move(place));
    }
    return places;
}

WEIGHTSCOPE_INLINE void make_bit_flips(const bit_flipper& flipper, any_evaluator& evaluator, weight_patch& patch, std::span<const bit_place> flips)
{
    made_bit_flips made(flipper);
    for (const bit_place& flip : flips)
        flipper.apply(evaluator, patch, flip, made.before(flip));
}

}  // namespace weightscope::detail
