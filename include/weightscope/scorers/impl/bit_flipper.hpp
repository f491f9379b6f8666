#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <weightscope/core/bit_layout.hpp>
#include <weightscope/core/bit_set.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/evaluators/evaluation.hpp>
#include <weightscope/evaluators/weight_patch.hpp>
#include <weightscope/io/bit_location.hpp>
#include <weightscope/io/dtype.hpp>
#include <weightscope/io/gguf_decoder.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/patch_plan.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/io/value_reading.hpp>
#include <weightscope/scorers/bit_flipper.hpp>
#include <weightscope/scorers/bit_source.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE bit_flipper::bit_flipper(const any_evaluator& evaluator, const model* stored) : evaluator_(evaluator)
{
    if (stored == nullptr)
        return;
    for (const named_tensor& tensor : stored->tensors)
        by_name_.emplace(tensor.name, &tensor);
}

WEIGHTSCOPE_INLINE bit_layout bit_flipper::layout_of(std::size_t tensor, std::string_view part, const char* caller) const
{
    const weight_info& info = evaluator_.weights()[tensor];
    if (const named_tensor* coded = coded_of(tensor))
        return find_bit_part(*coded, part).layout;
    require(is_numeric(info.dtype), "{}: tensor '{}' is {}, whose bits are not known here", caller, printable(info.name), to_string(info.dtype));
    require(part == "code", "{}: tensor '{}' is {} and has no part '{}'", caller, printable(info.name), to_string(info.dtype), printable(part));
    return bit_layout_of_dtype(info.dtype);
}

WEIGHTSCOPE_INLINE std::size_t bit_flipper::weights_of(std::size_t tensor, std::string_view part) const
{
    const named_tensor* coded = coded_of(tensor);
    return coded != nullptr ? find_bit_part(*coded, part).weights : 1;
}

WEIGHTSCOPE_INLINE std::string bit_flipper::owner_of(std::string_view name) const
{
    const auto found = by_name_.find(name);
    return found != by_name_.end() ? found->second->part_of : std::string();
}

WEIGHTSCOPE_INLINE void bit_flipper::require_same(std::size_t tensor, std::size_t flat, const char* caller) const
{
    const weight_info& info = evaluator_.weights()[tensor];
    const auto found = by_name_.find(info.name);
    if (found == by_name_.end())
        return;
    const double held = value_at_place(evaluator_, tensor, flat);
    const double stored = value_at(*found->second, flat);
    require(found->second->dtype == info.dtype && (held == stored || (std::isnan(held) && std::isnan(stored))),
            "{}: the evaluator has {} as {} in '{}'[{}], and the model {} as {}; expected the same", caller, held, to_string(info.dtype),
            printable(info.name), flat, stored, to_string(found->second->dtype));
}

WEIGHTSCOPE_INLINE bit_flip bit_flipper::effect(const bit_place& place, std::span<const bit_place> before) const
{
    if (const named_tensor* coded = coded_of(place.tensor))
        return effect_of_code(*coded, place, before);
    const weight_info& info = evaluator_.weights()[place.tensor];
    std::uint64_t code = code_at_place(evaluator_, place.tensor, place.flat);
    for (const bit_place& flipped : before)
        if (flipped.number() == place.number())
            code ^= std::uint64_t{1} << flipped.bit;
    return flip_change(bit_layout_of_dtype(info.dtype), code, place.bit);
}

WEIGHTSCOPE_INLINE std::size_t bit_flipper::block_of(const bit_place& place) const
{
    const named_tensor* coded = coded_of(place.tensor);
    const ggml_type* type = coded != nullptr ? ggml_bit_type(*coded) : nullptr;
    return type != nullptr ? place.flat / type->block_weights : place.first;
}

WEIGHTSCOPE_INLINE void bit_flipper::apply(any_evaluator& e, weight_patch& patch, const bit_place& place, std::span<const bit_place> before) const
{
    const weight_info& info = e.weights()[place.tensor];
    const std::size_t bytes = bits_of(info.dtype) / 8;
    if (const named_tensor* coded = coded_of(place.tensor)) {
        const std::pair<std::size_t, std::vector<double>> reached = values_after(*coded, place, before, true);
        const std::vector<double>& values = reached.second;
        std::vector<std::byte> stored(values.size() * bytes);
        with_scalar(info.dtype, [&]<class T>(std::type_identity<T>) {
            for (std::size_t i = 0; i < values.size(); ++i) {
                const T value = static_cast<T>(values[i]);
                std::memcpy(stored.data() + i * sizeof(T), &value, sizeof(T));
            }
        });
        patch.write(place.tensor, reached.first * bytes, stored);
        return;
    }
    std::array<std::byte, 8> stored{};
    const auto weight = std::span(stored).first(bytes);
    e.read(place.tensor, place.flat * bytes, weight);
    weight[place.bit / 8] ^= static_cast<std::byte>(1u << place.bit % 8);
    patch.write(place.tensor, place.flat * bytes, weight);
}

WEIGHTSCOPE_INLINE const named_tensor* bit_flipper::coded_of(std::size_t tensor) const
{
    const auto found = by_name_.find(evaluator_.weights()[tensor].name);
    return found != by_name_.end() && found->second->decoder && !found->second->encoding.empty() ? found->second : nullptr;
}

WEIGHTSCOPE_INLINE std::uint64_t bit_flipper::code_at_place(const any_evaluator& e, std::size_t tensor, std::size_t flat)
{
    const std::size_t bytes = bits_of(e.weights()[tensor].dtype) / 8;
    std::uint64_t code = 0;
    e.read(tensor, flat * bytes, std::as_writable_bytes(std::span(&code, 1)).first(bytes));
    return code;
}

WEIGHTSCOPE_INLINE double bit_flipper::value_at_place(const any_evaluator& e, std::size_t tensor, std::size_t flat)
{
    return value_of_code(bit_layout_of_dtype(e.weights()[tensor].dtype), code_at_place(e, tensor, flat));
}

WEIGHTSCOPE_INLINE std::pair<std::size_t, std::vector<double>> bit_flipper::values_after(const named_tensor& coded, const bit_place& place,
                                                                                         std::span<const bit_place> before, bool with_it)
{
    const ggml_type* type = ggml_bit_type(coded);
    if (type == nullptr) {
        std::uint64_t mask = with_it ? std::uint64_t{1} << place.bit : 0;
        for (const bit_place& flipped : before)
            if (flipped.number() == place.number())
                mask ^= std::uint64_t{1} << flipped.bit;
        return {place.flat, {value_with_bits_flipped(coded, place.flat, mask, place.part)}};
    }
    const std::size_t block = place.flat / type->block_weights;
    const std::uint64_t begin = coded.offset + block * type->block_bytes;
    const std::uint8_t* from = reinterpret_cast<const std::uint8_t*>(coded.bytes.data()) + block * type->block_bytes;
    std::vector<std::uint8_t> bytes(from, from + type->block_bytes);
    const auto flip = [&](const bit_place& flipped) {
        unsigned number = 0;
        for (const bit_range& range : locate_bits(coded, flipped.flat, flipped.part))
            for_each_bit(range, [&](std::uint64_t offset, unsigned bit) {
                if (number++ == flipped.bit)
                    bytes[offset - begin] ^= static_cast<std::uint8_t>(1u << bit);
            });
    };
    for (const bit_place& flipped : before)
        if (flipped.tensor == place.tensor && flipped.flat / type->block_weights == block)
            flip(flipped);
    if (with_it)
        flip(place);
    std::vector<float> values(type->block_weights);
    find_ggml_block_decoder(type->name)(bytes.data(), 1, values.data());
    return {block * type->block_weights, std::vector<double>(values.begin(), values.end())};
}

WEIGHTSCOPE_INLINE bit_flip bit_flipper::effect_of_code(const named_tensor& coded, const bit_place& place, std::span<const bit_place> before) const
{
    bit_flip flip{.old_code = read_code(coded, {.code = locate_bits(coded, place.flat, place.part)})};
    for (const bit_place& flipped : before)
        if (flipped.number() == place.number())
            flip.old_code ^= std::uint64_t{1} << flipped.bit;
    flip.new_code = flip.old_code ^ std::uint64_t{1} << place.bit;
    const auto [first, old_values] = values_after(coded, place, before, false);
    const std::vector<double> new_values = values_after(coded, place, before, true).second;
    flip.old_value = old_values[place.flat - first];
    flip.new_value = new_values[place.flat - first];
    flip.change = flip.new_value - flip.old_value;
    flip.outcome = flip_outcome::unchanged;
    for (std::size_t i = 0; i < new_values.size(); ++i) {  // the worst that happens to a weight of the block
        const flip_outcome outcome = bit_outcome(old_values[i], new_values[i]);
        if (outcome != flip_outcome::unchanged && (flip.outcome == flip_outcome::unchanged || outcome > flip.outcome))
            flip.outcome = outcome;
    }
    if (!std::isfinite(flip.change))
        flip.change = std::numeric_limits<double>::quiet_NaN();
    return flip;
}

}  // namespace weightscope::detail
