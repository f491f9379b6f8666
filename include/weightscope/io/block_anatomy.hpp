#pragma once
// The blocks of ggml taken apart: the numbers they consist of, and what becomes of their weights when bits of these are turned.

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <weightscope/core/bit_layout.hpp>
#include <weightscope/core/ggml_bits.hpp>
#include <weightscope/core/ggml_type.hpp>
#include <weightscope/io/gguf_decoder.hpp>

namespace weightscope::detail {

using block_bytes = std::array<std::uint8_t, 512>;  // the longest block has 292

// A type of ggml, made ready to take its blocks apart. A weight is scale · sub_scale · step -+ min · sub_min with the whole step that its
// code stands for; what a type does not have is 1, and a minimum 0.
class block_anatomy
{
public:
    static constexpr std::size_t most_weights = 256, most_parts = 16;

    explicit block_anatomy(const ggml_type& type);

    const ggml_type& type() const { return type_; }
    const std::vector<ggml_bit_field>& fields() const { return fields_; }
    std::size_t parts() const { return parts_; }
    std::size_t part_weights() const { return part_weights_; }

    void decode(const std::uint8_t* block, std::span<float> out) const { decode_(block, 1, out.data()); }
    void decode_all(const std::uint8_t* blocks, std::size_t count, std::span<float> out) const { decode_(blocks, count, out.data()); }

    // The weights with a bit turned of every number of a field. Numbers of one field do not meddle with each other: one decoding shows the
    // flips of all.
    void decode_flipped(const std::uint8_t* block, std::size_t field, unsigned bit, std::span<float> out) const;

    // The steps of the weights of up to 16 blocks.
    static constexpr std::size_t most_blocks = 16;
    void steps_of(const std::uint8_t* blocks, std::size_t count, std::span<float> out) const;

    // The code of weight `e`, for types whose codes are bits of one byte.
    std::uint32_t weight_code(const std::uint8_t* block, std::size_t e) const;

    // Number `i` of a field that is no code.
    std::uint64_t code_of(const std::uint8_t* block, std::size_t field, std::size_t i) const;

private:
    // Where a number lies: a byte or some whole ones, or bits of two bytes.
    struct number_places
    {
        struct byte_bits
        {
            unsigned byte = 0, first_bit = 0, mask = 0;
        };
        std::array<ggml_bit_place, 2> places = {};
        unsigned count = 0;
        byte_bits low = {}, high = {};  // the same of most numbers, without a branch
        unsigned high_bits = 0;
        bool in_two_bytes = false;

        explicit number_places(const std::vector<ggml_bit_place>& list) : count(static_cast<unsigned>(list.size()))
        {
            std::copy(list.begin(), list.end(), places.begin());
            std::vector<byte_bits> bytes;
            for (const ggml_bit_place& place : list)
                for (unsigned done = 0; done < place.bit_count; done += 8)
                    bytes.push_back({place.byte + done / 8, place.first_bit, (1u << std::min(place.bit_count - done, 8u)) - 1});
            in_two_bytes = bytes.size() <= 2;
            low = bytes.front();
            high_bits = static_cast<unsigned>(std::popcount(low.mask));
            high = in_two_bytes && bytes.size() == 2 ? bytes[1] : byte_bits{low.byte, 0, 0};
        }
        std::span<const ggml_bit_place> list() const { return std::span(places).first(count); }
    };

    // Calls f(byte, mask) for each bit of some places, the least significant first.
    template <class F>
    static void for_each_place(std::span<const ggml_bit_place> places, F&& f)
    {
        for (const ggml_bit_place& place : places)
            for (unsigned k = 0; k < place.bit_count; ++k)
                f(place.byte + (place.first_bit + k) / 8, static_cast<std::uint8_t>(1u << (place.first_bit + k) % 8));
    }
    static void put(block_bytes& bytes, std::span<const ggml_bit_place> places, std::uint64_t code);
    static void turn_bits(std::vector<block_bytes>& turned, std::span<const ggml_bit_place> places);

    static std::uint64_t code_of_one(const bit_layout& layout);

    const ggml_type& type_;
    ggml_block_decoder decode_;
    std::vector<ggml_bit_field> fields_;
    std::vector<std::vector<number_places>> places_;  // [field][number]
    std::vector<ggml_bit_place> first_places_;  // of the codes
    std::size_t parts_ = 1, part_weights_ = 1;
    block_bytes keep_{}, one_{};  // with the scales 1 and the minima 0: (block & keep) | one
    std::vector<std::uint8_t> keep_all_ = {}, one_all_ = {};  // of as many blocks as are taken apart at once
    std::vector<std::vector<block_bytes>> turned_;  // [field][bit]: that bit of all its numbers
};

}  // namespace weightscope::detail

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/io/impl/block_anatomy.hpp>
#endif
