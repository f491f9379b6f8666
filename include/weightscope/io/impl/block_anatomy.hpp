#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <tuple>
#include <vector>

#include <weightscope/core/bit_layout.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/ggml_bits.hpp>
#include <weightscope/core/ggml_type.hpp>
#include <weightscope/io/block_anatomy.hpp>
#include <weightscope/io/gguf_decoder.hpp>
#include <weightscope/io/weight_location.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE block_anatomy::block_anatomy(const ggml_type& type) : type_(type), decode_(find_ggml_block_decoder(type.name)), fields_(ggml_bit_fields(type.name))
{
    for (const ggml_bit_field& field : fields_) {
        parts_ = std::max<std::size_t>(parts_, field.count);
        auto& places = places_.emplace_back();
        for (unsigned i = 0; field.name != "code" && i < field.count; ++i)
            places.emplace_back(ggml_field_places(type.name, field.name, i));
    }
    part_weights_ = type.block_weights / parts_;
    keep_.fill(0xff);
    for (std::size_t f = 1; f < fields_.size(); ++f) {
        const bool least = fields_[f].name.ends_with("min");
        for (const auto& places : places_[f]) {
            put(keep_, places.list(), 0);
            put(one_, places.list(), least ? 0 : code_of_one(fields_[f].layout));
        }
    }
    for (std::size_t b = 0; b < most_blocks; ++b) {
        keep_all_.insert(keep_all_.end(), keep_.begin(), keep_.begin() + static_cast<std::ptrdiff_t>(type.block_bytes));
        one_all_.insert(one_all_.end(), one_.begin(), one_.begin() + static_cast<std::ptrdiff_t>(type.block_bytes));
    }
    for (std::size_t f = 0; f < fields_.size(); ++f)
        turned_.emplace_back(fields_[f].layout.bits, block_bytes{});
    for (std::size_t e = 0; e < type.block_weights; ++e) {
        const ggml_element at = locate_in_block(type.name, e);
        std::vector<ggml_bit_place> places;
        first_places_.push_back({static_cast<unsigned>(at.code[0].byte), at.code[0].first_bit, at.code[0].bit_count});
        for (std::size_t p = 0; p < at.code_parts; ++p)
            places.push_back({static_cast<unsigned>(at.code[p].byte), at.code[p].first_bit, at.code[p].bit_count});
        turn_bits(turned_.front(), places);
    }
    for (std::size_t f = 1; f < fields_.size(); ++f)
        for (const auto& places : places_[f])
            turn_bits(turned_[f], places.list());
}

WEIGHTSCOPE_INLINE void block_anatomy::decode_flipped(const std::uint8_t* block, std::size_t field, unsigned bit, std::span<float> out) const
{
    const block_bytes& turned = turned_[field][bit];
    block_bytes flipped;
    for (std::size_t i = 0; i < type_.block_bytes; ++i)
        flipped[i] = static_cast<std::uint8_t>(block[i] ^ turned[i]);
    decode(flipped.data(), out);
}

WEIGHTSCOPE_INLINE void block_anatomy::steps_of(const std::uint8_t* blocks, std::size_t count, std::span<float> out) const
{
    std::array<std::uint8_t, most_blocks * std::tuple_size_v<block_bytes>> plain;
    const std::uint8_t *keep = keep_all_.data(), *one = one_all_.data();
    const std::size_t bytes = count * type_.block_bytes;
    for (std::size_t i = 0; i < bytes; ++i)
        plain[i] = static_cast<std::uint8_t>((blocks[i] & keep[i]) | one[i]);
    decode_all(plain.data(), count, out);
}

WEIGHTSCOPE_INLINE std::uint32_t block_anatomy::weight_code(const std::uint8_t* block, std::size_t e) const
{
    const ggml_bit_place& place = first_places_[e];
    return block[place.byte] >> place.first_bit & ((1u << place.bit_count) - 1);
}

WEIGHTSCOPE_INLINE std::uint64_t block_anatomy::code_of(const std::uint8_t* block, std::size_t field, std::size_t i) const
{
    const number_places& number = places_[field][i];
    if (number.in_two_bytes)
        return (block[number.low.byte] >> number.low.first_bit & number.low.mask) | (block[number.high.byte] >> number.high.first_bit & number.high.mask) << number.high_bits;
    std::uint64_t code = 0;
    unsigned shift = 0;
    for (unsigned p = 0; p < number.count; ++p) {
        const ggml_bit_place& place = number.places[p];
        for (unsigned done = 0; done < place.bit_count; done += 8) {  // those of more than a byte begin one
            const unsigned bits = place.bit_count - done < 8 ? place.bit_count - done : 8;
            code |= (std::uint64_t{block[place.byte + done / 8]} >> place.first_bit & bit_mask(bits)) << shift;
            shift += bits;
        }
    }
    return code;
}

WEIGHTSCOPE_INLINE void block_anatomy::put(block_bytes& bytes, std::span<const ggml_bit_place> places, std::uint64_t code)
{
    unsigned bit = 0;
    for_each_place(places, [&](std::size_t byte, std::uint8_t mask) {
        bytes[byte] = static_cast<std::uint8_t>((bytes[byte] & ~mask) | ((code >> bit++ & 1) != 0 ? mask : 0));
    });
}

WEIGHTSCOPE_INLINE void block_anatomy::turn_bits(std::vector<block_bytes>& turned, std::span<const ggml_bit_place> places)
{
    std::size_t bit = 0;
    for_each_place(places, [&](std::size_t byte, std::uint8_t mask) { turned[bit++][byte] ^= mask; });
}

WEIGHTSCOPE_INLINE std::uint64_t block_anatomy::code_of_one(const bit_layout& layout)
{
    if (layout.bits == 32)
        return std::bit_cast<std::uint32_t>(1.0f);
    std::uint64_t code = 0;
    while (value_of_code(layout, code) != 1)
        ++code;
    return code;
}

}  // namespace weightscope::detail
