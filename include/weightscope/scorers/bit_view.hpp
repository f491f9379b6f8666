#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <weightscope/core/bit_layout.hpp>
#include <weightscope/core/ggml_type.hpp>
#include <weightscope/io/dtype.hpp>
#include <weightscope/io/gguf_decoder.hpp>
#include <weightscope/io/weight_location.hpp>

namespace weightscope::detail {

// The values of stored weights, as they are and with one bit of each weight's own code flipped.
class bit_view
{
public:
    bit_view() = default;
    bit_view(const bit_view&) = delete;
    bit_view& operator=(const bit_view&) = delete;
    virtual ~bit_view() = default;

    // The weights from number `first` on.
    virtual void values(std::size_t first, std::span<double> out) const = 0;
    virtual void flipped(std::size_t first, unsigned bit, std::span<double> out) const = 0;
    // The code of one weight.
    virtual std::uint64_t code(std::size_t element) const = 0;
};

// An array of a dtype.
class plain_bit_view final : public bit_view
{
public:
    plain_bit_view(dtype type, std::vector<std::byte> bytes) : type_(type), own_(std::move(bytes)), data_(own_.data()) {}
    plain_bit_view(dtype type, std::span<const std::byte> bytes) : type_(type), data_(bytes.data()) {}

    void values(std::size_t first, std::span<double> out) const override { read(first, 0, out); }
    void flipped(std::size_t first, unsigned bit, std::span<double> out) const override { read(first, std::uint64_t{1} << bit, out); }
    std::uint64_t code(std::size_t element) const override
    {
        const std::size_t bytes = bits_of(type_) / 8;
        std::uint64_t result = 0;
        std::memcpy(&result, data_ + element * bytes, bytes);
        return result;
    }

private:
    void read(std::size_t first, std::uint64_t mask, std::span<double> out) const
    {
        with_scalar(type_, [&]<class T>(std::type_identity<T>) {
            using bits = std::conditional_t<sizeof(T) == 8, std::uint64_t,
                                            std::conditional_t<sizeof(T) == 4, std::uint32_t, std::conditional_t<sizeof(T) == 2, std::uint16_t, std::uint8_t>>>;
            const std::byte* from = data_ + first * sizeof(T);
            for (std::size_t i = 0; i < out.size(); ++i) {
                bits code;
                std::memcpy(&code, from + i * sizeof(T), sizeof code);
                code = static_cast<bits>(code ^ static_cast<bits>(mask));
                T value;
                std::memcpy(&value, &code, sizeof value);
                out[i] = static_cast<double>(value);
            }
        });
    }

    dtype type_;
    std::vector<std::byte> own_ = {};
    const std::byte* data_;
};

// Codes of some bits, one behind the other, the lowest bits of a byte first.
class packed_bit_view final : public bit_view
{
public:
    packed_bit_view(const bit_layout& layout, std::span<const std::byte> bytes) : layout_(layout), bytes_(bytes) {}

    void values(std::size_t first, std::span<double> out) const override { read(first, 0, out); }
    void flipped(std::size_t first, unsigned bit, std::span<double> out) const override { read(first, std::uint64_t{1} << bit, out); }
    std::uint64_t code(std::size_t element) const override
    {
        std::uint64_t result = 0;
        for (std::size_t i = 0, at = element * layout_.bits; i < layout_.bits; ++i, ++at)
            result |= static_cast<std::uint64_t>(static_cast<std::uint8_t>(bytes_[at / 8]) >> at % 8 & 1) << i;
        return result;
    }

private:
    void read(std::size_t first, std::uint64_t mask, std::span<double> out) const
    {
        for (std::size_t i = 0; i < out.size(); ++i)
            out[i] = value_of_code(layout_, code(first + i) ^ mask);
    }

    bit_layout layout_;
    std::span<const std::byte> bytes_;
};

// Flips a bit of the code of element `e` of a block of ggml.
inline void flip_block_bit(std::string_view type, std::size_t e, unsigned bit, std::uint8_t* block)
{
    const ggml_element at = locate_in_block(type, e);
    for (std::size_t part = 0; part < at.code_parts; ++part) {
        if (bit < at.code[part].bit_count) {
            block[at.code[part].byte] ^= static_cast<std::uint8_t>(1u << (at.code[part].first_bit + bit));
            return;
        }
        bit -= at.code[part].bit_count;
    }
}

// Blocks of ggml whose elements have bits of their own.
class block_bit_view final : public bit_view
{
public:
    block_bit_view(const ggml_type& type, ggml_block_decoder decode, std::span<const std::byte> bytes)
        : type_(type), decode_(decode), bytes_(reinterpret_cast<const std::uint8_t*>(bytes.data()))
    {
    }

    void values(std::size_t first, std::span<double> out) const override { read(first, 64, out); }
    void flipped(std::size_t first, unsigned bit, std::span<double> out) const override { read(first, bit, out); }
    std::uint64_t code(std::size_t element) const override
    {
        const ggml_element at = locate_in_block(type_.name, element % type_.block_weights);
        const std::uint8_t* block = bytes_ + element / type_.block_weights * type_.block_bytes;
        std::uint64_t result = 0;
        unsigned shift = 0;
        for (std::size_t part = 0; part < at.code_parts; ++part) {
            result |= (block[at.code[part].byte] >> at.code[part].first_bit & bit_mask(at.code[part].bit_count)) << shift;
            shift += at.code[part].bit_count;
        }
        return result;
    }

private:
    // elements of a block do not meddle with each other: one decoding shows the flips of all
    void read(std::size_t first, unsigned bit, std::span<double> out) const
    {
        std::vector<std::uint8_t> block(type_.block_bytes);
        std::vector<float> floats(type_.block_weights);
        for (std::size_t done = 0; done < out.size();) {
            const std::size_t element = first + done, skipped = element % type_.block_weights;
            const std::size_t count = std::min<std::size_t>(out.size() - done, type_.block_weights - skipped);
            std::memcpy(block.data(), bytes_ + element / type_.block_weights * type_.block_bytes, block.size());
            if (bit < 64)
                for (std::size_t e = skipped; e < skipped + count; ++e)
                    flip_block_bit(type_.name, e, bit, block.data());
            decode_(block.data(), 1, floats.data());
            std::copy_n(floats.data() + skipped, count, out.data() + done);
            done += count;
        }
    }

    const ggml_type& type_;  // in ggml_types
    ggml_block_decoder decode_;
    const std::uint8_t* bytes_;
};

}  // namespace weightscope::detail
