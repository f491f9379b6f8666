#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <weightscope/core/bit_layout.hpp>
#include <weightscope/core/ggml_type.hpp>
#include <weightscope/io/block_anatomy.hpp>
#include <weightscope/io/dtype.hpp>

namespace weightscope::detail {

// The values of stored weights, as they are and with one bit flipped of each number of a part of what they are stored in, as bit_parts()
// has them: part 0 are the weights' own codes. No two numbers of a part have a weight in common.
class bit_view
{
public:
    bit_view() = default;
    bit_view(const bit_view&) = delete;
    bit_view& operator=(const bit_view&) = delete;
    virtual ~bit_view() = default;

    // The weights from number `first` on.
    virtual void values(std::size_t first, std::span<double> out) const = 0;
    virtual void flipped(std::size_t first, std::size_t part, unsigned bit, std::span<double> out) const = 0;
};

// An array of a dtype.
class plain_bit_view final : public bit_view
{
public:
    plain_bit_view(dtype type, std::vector<std::byte> bytes) : type_(type), own_(std::move(bytes)), data_(own_.data()) {}
    plain_bit_view(dtype type, std::span<const std::byte> bytes) : type_(type), data_(bytes.data()) {}

    void values(std::size_t first, std::span<double> out) const override { read(first, 0, out); }
    void flipped(std::size_t first, std::size_t, unsigned bit, std::span<double> out) const override { read(first, std::uint64_t{1} << bit, out); }

private:
    void read(std::size_t first, std::uint64_t mask, std::span<double> out) const;

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
    void flipped(std::size_t first, std::size_t, unsigned bit, std::span<double> out) const override { read(first, std::uint64_t{1} << bit, out); }

private:
    std::uint64_t code(std::size_t element) const;
    void read(std::size_t first, std::uint64_t mask, std::span<double> out) const;

    bit_layout layout_;
    std::span<const std::byte> bytes_;
};

// Blocks of ggml; their parts are the fields of block_anatomy.
class block_bit_view final : public bit_view
{
public:
    block_bit_view(const ggml_type& type, std::span<const std::byte> bytes);

    void values(std::size_t first, std::span<double> out) const override;
    void flipped(std::size_t first, std::size_t part, unsigned bit, std::span<double> out) const override;

private:
    template <class Decode>
    void read(std::size_t first, std::span<double> out, Decode&& decode) const
    {
        const ggml_type& type = anatomy_.type();
        std::array<float, block_anatomy::most_weights> floats;
        for (std::size_t done = 0; done < out.size();) {
            const std::size_t element = first + done, skipped = element % type.block_weights;
            const std::size_t count = std::min<std::size_t>(out.size() - done, type.block_weights - skipped);
            decode(bytes_ + element / type.block_weights * type.block_bytes, std::span<float>(floats));
            std::copy_n(floats.data() + skipped, count, out.data() + done);
            done += count;
        }
    }

    block_anatomy anatomy_;
    const std::uint8_t* bytes_;
};

}  // namespace weightscope::detail

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/scorers/impl/bit_view.hpp>
#endif
