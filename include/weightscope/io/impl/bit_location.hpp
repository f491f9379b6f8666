#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <weightscope/core/bit_layout.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/ggml_bits.hpp>
#include <weightscope/core/ggml_type.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/io/bit_location.hpp>
#include <weightscope/io/dtype.hpp>
#include <weightscope/io/gguf_decoder.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/patch_plan.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/io/weight_location.hpp>

namespace weightscope {

namespace detail {

// Codes of a tensor that lie side by side without anything between them.
inline std::optional<bit_layout> plain_bit_layout(const named_tensor& tensor)
{
    const auto fits = [&](const bit_layout& layout) { return tensor.bytes.size() == (tensor.size() * layout.bits + 7) / 8; };
    std::optional<bit_layout> found;
    if (tensor.decoder) {  // ONNX has codes that no C++ type is as small as
        const std::string_view name = tensor.encoding;
        found = name == "INT4"         ? signed_bits(4)
                : name == "UINT4"      ? unsigned_bits(4)
                : name == "INT2"       ? signed_bits(2)
                : name == "UINT2"      ? unsigned_bits(2)
                : name == "FLOAT4E2M1" ? std::optional(small_float_bits(2, 1, 1))
                                       : std::nullopt;
    } else if (tensor.storage() != to_string(tensor.dtype)) {
        return std::nullopt;
    } else if (tensor.dtype == dtype::float4_e2m1) {
        found = small_float_bits(2, 1, 1);
    } else if (tensor.dtype == dtype::float6_e2m3) {
        found = small_float_bits(2, 3, 1);
    } else if (tensor.dtype == dtype::float6_e3m2) {
        found = small_float_bits(3, 2, 3);
    } else if (is_numeric(tensor.dtype)) {
        found = with_scalar(tensor.dtype, []<class T>(std::type_identity<T>) { return bit_layout_of<T>(); });
    }
    return found && fits(*found) ? found : std::nullopt;
}

WEIGHTSCOPE_INLINE const ggml_type* ggml_bit_type(const named_tensor& tensor)
{
    const ggml_type* type = tensor.encoding.empty() || !tensor.decoder ? nullptr : find_ggml_type(tensor.encoding);
    return type != nullptr && type->block_weights > 1
                   && tensor.bytes.size() == tensor.size() / type->block_weights * type->block_bytes
               ? type
               : nullptr;
}

// The weight `element` as it is decoded from its block after `change(block)`.
template <class Change>
double ggml_weight_after(const named_tensor& tensor, const ggml_type& type, std::size_t element, Change&& change)
{
    const std::uint8_t* from = reinterpret_cast<const std::uint8_t*>(tensor.bytes.data()) + element / type.block_weights * type.block_bytes;
    std::vector<std::uint8_t> block(from, from + type.block_bytes);
    std::vector<float> values(type.block_weights);
    change(block);
    find_ggml_block_decoder(type.name)(block.data(), 1, values.data());
    return static_cast<double>(values[element % type.block_weights]);
}

}  // namespace detail

WEIGHTSCOPE_INLINE std::vector<bit_part> bit_parts(const named_tensor& tensor)
{
    if (const auto layout = detail::plain_bit_layout(tensor))
        return {{.name = "code", .layout = *layout}};
    std::vector<bit_part> parts;
    if (const ggml_type* type = detail::ggml_bit_type(tensor))
        for (const detail::ggml_bit_field& field : detail::ggml_bit_fields(type->name))
            parts.push_back({std::string(field.name), field.layout, field.name == "code" ? 1 : type->block_weights / field.count});
    return parts;
}

WEIGHTSCOPE_INLINE bit_part find_bit_part(const named_tensor& tensor, std::string_view name)
{
    std::string names;
    for (const bit_part& part : bit_parts(tensor)) {
        if (part.name == name)
            return part;
        names += (names.empty() ? "" : ", ") + part.name;
    }
    require(!names.empty(), "find_bit_part(tensor '{}'): elements stored as {} have no bits of their own that are known here",
            printable(tensor.name), tensor.storage());
    require(false, "find_bit_part(tensor '{}', name): elements stored as {} have no part '{}', expected one of {}", printable(tensor.name),
            tensor.storage(), printable(name), names);
    return {};
}

WEIGHTSCOPE_INLINE std::vector<bit_range> locate_bits(const named_tensor& tensor, std::size_t element, std::string_view part)
{
    require(element < tensor.size(), "locate_bits(tensor '{}', element): found {}, expected less than {}", printable(tensor.name), element,
            tensor.size());
    const bit_part found = find_bit_part(tensor, part);
    const ggml_type* type = detail::ggml_bit_type(tensor);
    if (type == nullptr) {
        const std::size_t bits = found.layout.bits;
        return {{tensor.offset + element * bits / 8, static_cast<unsigned>(element * bits % 8), static_cast<unsigned>(bits)}};
    }
    if (part == "code")
        return locate_weight(tensor, element).code;
    const std::uint64_t block = tensor.offset + element / type->block_weights * type->block_bytes;
    const auto instance = static_cast<unsigned>(element % type->block_weights / found.weights);
    std::vector<bit_range> ranges;
    for (const detail::ggml_bit_place& place : detail::ggml_field_places(type->name, part, instance))
        ranges.push_back({block + place.byte, place.first_bit, place.bit_count});
    return ranges;
}

WEIGHTSCOPE_INLINE double value_with_bits_flipped(const named_tensor& tensor, std::size_t element, std::uint64_t flipped, std::string_view part)
{
    const std::vector<bit_range> ranges = locate_bits(tensor, element, part);
    const bit_layout layout = find_bit_part(tensor, part).layout;
    require((flipped & ~detail::bit_mask(layout.bits)) == 0, "value_with_bits_flipped(tensor '{}', element, flipped): {:#x} has more than {} bits",
            printable(tensor.name), flipped, layout.bits);
    const ggml_type* type = detail::ggml_bit_type(tensor);
    if (type == nullptr)
        return value_of_code(layout, read_code(tensor, {.code = ranges}) ^ flipped);
    const std::uint64_t block_begin = tensor.offset + element / type->block_weights * type->block_bytes;
    return detail::ggml_weight_after(tensor, *type, element, [&](std::vector<std::uint8_t>& block) {
        unsigned bit = 0;
        for (const bit_range& range : ranges)
            detail::for_each_bit(range, [&](std::uint64_t offset, unsigned place) {
                block[offset - block_begin] ^= static_cast<std::uint8_t>((flipped >> bit++ & 1) << place);
            });
    });
}

WEIGHTSCOPE_INLINE bit_flip flip_change(const named_tensor& tensor, std::size_t element, unsigned bit, std::string_view part)
{
    const bit_part found = find_bit_part(tensor, part);
    const std::uint64_t code = read_code(tensor, {.code = locate_bits(tensor, element, part)});
    require(bit < found.layout.bits, "flip_change(tensor '{}', element, bit): bit is {}, expected 0 to {}", printable(tensor.name), bit,
            found.layout.bits - 1);
    if (detail::ggml_bit_type(tensor) == nullptr)
        return flip_change(found.layout, code, bit);
    bit_flip flip{.old_code = code, .new_code = code ^ std::uint64_t{1} << bit};
    flip.old_value = value_with_bits_flipped(tensor, element, 0, part);
    flip.new_value = value_with_bits_flipped(tensor, element, std::uint64_t{1} << bit, part);
    flip.outcome = detail::bit_outcome(flip.old_value, flip.new_value);
    flip.change = flip.new_value - flip.old_value;
    if (!std::isfinite(flip.change))
        flip.change = std::numeric_limits<double>::quiet_NaN();
    return flip;
}

}  // namespace weightscope
