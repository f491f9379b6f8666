#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <weightscope/core/bit_layout.hpp>
#include <weightscope/core/ggml_bits.hpp>
#include <weightscope/core/ggml_type.hpp>
#include <weightscope/io/gguf_decoder.hpp>
#include <weightscope/io/weight_location.hpp>

namespace weightscope::detail {

using block_bytes = std::array<std::uint8_t, 512>;  // the longest block has 292

// A type of ggml, made ready to take its blocks apart. A weight is scale · sub_scale · step -+ min · sub_min with the whole step that its
// code stands for; what a type does not have is 1, and a minimum 0.
class block_anatomy
{
public:
    static constexpr std::size_t most_weights = 256, most_parts = 16;

    explicit block_anatomy(const ggml_type& type) : type_(type), decode_(find_ggml_block_decoder(type.name)), fields_(ggml_bit_fields(type.name))
    {
        for (const ggml_bit_field& field : fields_) {
            parts_ = std::max<std::size_t>(parts_, field.count);
            auto& places = places_.emplace_back();
            for (unsigned i = 0; field.name != "code" && i < field.count; ++i)
                places.push_back(ggml_field_places(type.name, field.name, i));
        }
        keep_.fill(0xff);
        for (std::size_t f = 1; f < fields_.size(); ++f) {
            const bool least = fields_[f].name.ends_with("min");
            for (const auto& places : places_[f]) {
                put(keep_, places, 0);
                put(one_, places, least ? 0 : code_of_one(fields_[f].layout));
            }
        }
        // with the codes' bits turned that locate_weight() names
        for (unsigned bit = 0; bit < fields_[0].layout.bits; ++bit) {
            block_bytes& turned = code_bits_.emplace_back();
            turned.fill(0);
            for (std::size_t e = 0; e < type.block_weights; ++e) {
                const ggml_element at = locate_in_block(type.name, e);
                unsigned i = bit;
                for (std::size_t p = 0; p < at.code_parts; ++p) {
                    if (i < at.code[p].bit_count) {
                        turned[at.code[p].byte + (at.code[p].first_bit + i) / 8] ^= static_cast<std::uint8_t>(1u << (at.code[p].first_bit + i) % 8);
                        break;
                    }
                    i -= at.code[p].bit_count;
                }
            }
        }
    }

    const ggml_type& type() const { return type_; }
    const std::vector<ggml_bit_field>& fields() const { return fields_; }
    std::size_t parts() const { return parts_; }
    std::size_t part_weights() const { return type_.block_weights / parts_; }

    void decode(const std::uint8_t* block, std::span<float> out) const { decode_(block, 1, out.data()); }

    // The steps of a block's weights; `bit`: with this bit of each code flipped.
    void steps_of(const std::uint8_t* block, std::optional<unsigned> bit, std::span<float> out) const
    {
        block_bytes plain;
        for (std::size_t i = 0; i < type_.block_bytes; ++i) {
            const unsigned byte = bit ? block[i] ^ code_bits_[*bit][i] : block[i];
            plain[i] = static_cast<std::uint8_t>((byte & keep_[i]) | one_[i]);
        }
        decode(plain.data(), out);
    }

    // Number `i` of a field that is no code.
    std::uint64_t code_of(const std::uint8_t* block, std::size_t field, std::size_t i) const
    {
        std::uint64_t code = 0;
        unsigned bit = 0;
        for (const ggml_bit_place& place : places_[field][i])
            for (unsigned k = 0; k < place.bit_count; ++k) {
                const unsigned at = place.first_bit + k;
                code |= static_cast<std::uint64_t>(block[place.byte + at / 8] >> at % 8 & 1) << bit++;
            }
        return code;
    }

private:
    static void put(block_bytes& bytes, const std::vector<ggml_bit_place>& places, std::uint64_t code)
    {
        unsigned bit = 0;
        for (const ggml_bit_place& place : places)
            for (unsigned k = 0; k < place.bit_count; ++k, ++bit) {
                const unsigned at = place.first_bit + k, mask = 1u << at % 8;
                std::uint8_t& byte = bytes[place.byte + at / 8];
                byte = static_cast<std::uint8_t>((byte & ~mask) | ((code >> bit & 1) != 0 ? mask : 0));
            }
    }

    static std::uint64_t code_of_one(const bit_layout& layout)
    {
        if (layout.bits == 32)
            return std::bit_cast<std::uint32_t>(1.0f);
        std::uint64_t code = 0;
        while (value_of_code(layout, code) != 1)
            ++code;
        return code;
    }

    const ggml_type& type_;
    ggml_block_decoder decode_;
    std::vector<ggml_bit_field> fields_;
    std::vector<std::vector<std::vector<ggml_bit_place>>> places_;  // [field][instance]
    std::size_t parts_ = 1;
    block_bytes keep_{}, one_{};  // with the scales 1 and the minima 0: (block & keep) | one
    std::vector<block_bytes> code_bits_;
};

}  // namespace weightscope::detail
