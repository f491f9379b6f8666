#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/io/damaged_file.hpp>
#include <weightscope/io/dtype.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/io/value_decoder.hpp>
#include <weightscope/io/value_reading.hpp>

namespace weightscope::detail {

// Calls `decode_row(row, first column, end, floats)` for the part of each row of `columns` elements that [first, first + count) covers.
template <class F>
void for_each_row_part(std::size_t first, std::size_t count, std::size_t columns, std::byte* out, F&& decode_row)
{
    for (std::size_t done = 0; done < count;) {
        const std::size_t row = (first + done) / columns, begin = (first + done) % columns;
        const std::size_t end = std::min(columns, begin + count - done);
        decode_row(row, begin, end, out + done * sizeof(float));
        done += end - begin;
    }
}

inline void put_float(std::byte* out, std::size_t i, float value)
{
    std::memcpy(out + i * sizeof value, &value, sizeof value);
}

// How codes of fewer than 32 bits lie in words of 32.
enum class word_order
{
    gptq,    // [in, out] packed along in, without gaps, so that a code of 3 bits may lie in two words; zero points along out
    awq,     // [in, out] packed along out, eight codes of 4 bits in the order 0 2 4 6 1 3 5 7; zero points alike
    by_rows  // [out, in] packed along in, as many as fit into a word; zero points [out, groups] packed along out
};

struct packed_weight
{
    word_order order = word_order::gptq;
    std::size_t bits = 4, out = 0, in = 0, groups = 1, group_size = 0;
    int zero_offset = 0;  // added to a stored zero point
    named_tensor codes = {}, scales = {};
    std::optional<named_tensor> zeros = {};        // without: 2^(bits-1)
    std::optional<named_tensor> group_index = {};  // of each input; without: input / group_size
};

// (code - zero point) * scale in float, with one scale and one zero point per group of inputs and output.
class packed_weight_decoder : public value_decoder
{
public:
    explicit packed_weight_decoder(packed_weight weight) : w_(std::move(weight)), mask_((1u << w_.bits) - 1) {}

    void decode(std::size_t first, std::span<std::byte> out) const override
    {
        for_each_row_part(first, out.size() / sizeof(float), w_.in, out.data(),
                     [&](std::size_t row, std::size_t begin, std::size_t end, std::byte* to) {
                         std::size_t group = w_.groups;
                         float scale = 0;
                         int zero = 0;
                         for (std::size_t i = begin; i < end; ++i) {
                             if (const std::size_t g = group_of(i); g != group) {
                                 group = g;
                                 scale = static_cast<float>(value_at(w_.scales, w_.order == word_order::by_rows ? row * w_.groups + g
                                                                                                                : g * w_.out + row));
                                 zero = zero_point(row, g);
                             }
                             put_float(to, i - begin, static_cast<float>(static_cast<int>(code(row, i)) - zero) * scale);
                         }
                     });
    }

private:
    static constexpr std::array<unsigned, 8> awq_places = {0, 4, 1, 5, 2, 6, 3, 7};  // AutoAWQ, awq/utils/packing_utils.py

    static std::uint32_t word(const named_tensor& words, std::size_t i)
    {
        std::uint32_t value = 0;
        std::memcpy(&value, words.bytes.data() + i * sizeof value, sizeof value);
        return value;
    }

    // Code number i of a run that begins at word `begin` and goes on every `step` words.
    std::uint32_t packed(const named_tensor& words, std::size_t begin, std::size_t step, std::size_t i) const
    {
        const std::size_t bit = i * w_.bits, shift = bit % 32;
        std::uint64_t both = word(words, begin + bit / 32 * step);
        if (shift + w_.bits > 32)
            both |= static_cast<std::uint64_t>(word(words, begin + (bit / 32 + 1) * step)) << 32;
        return static_cast<std::uint32_t>(both >> shift) & mask_;
    }

    std::uint32_t code(std::size_t row, std::size_t i) const
    {
        const std::size_t per_word = 32 / w_.bits;
        switch (w_.order) {
        case word_order::gptq: return packed(w_.codes, row, w_.out, i);
        case word_order::awq: return word(w_.codes, i * (w_.out / 8) + row / 8) >> 4 * awq_places[row % 8] & mask_;
        default: return word(w_.codes, row * w_.codes.shape[1] + i / per_word) >> w_.bits * (i % per_word) & mask_;
        }
    }

    int zero_point(std::size_t row, std::size_t g) const
    {
        if (!w_.zeros)
            return 1 << (w_.bits - 1);
        const std::size_t per_word = 32 / w_.bits;
        std::uint32_t stored = 0;
        if (w_.zeros->dtype == dtype::int8)  // not packed, with sign
            return (1 << (w_.bits - 1)) + static_cast<int>(value_at(*w_.zeros, row * w_.groups + g));
        if (w_.order == word_order::gptq)
            stored = packed(*w_.zeros, g * w_.zeros->shape[1], 1, row);
        else if (w_.order == word_order::awq)
            stored = word(*w_.zeros, g * (w_.out / 8) + row / 8) >> 4 * awq_places[row % 8];
        else
            stored = word(*w_.zeros, row / per_word * w_.groups + g) >> w_.bits * (row % per_word);
        return static_cast<int>((stored + static_cast<std::uint32_t>(w_.zero_offset)) & mask_);
    }

    std::size_t group_of(std::size_t i) const
    {
        if (!w_.group_index)
            return i / w_.group_size;
        const auto group = static_cast<std::int64_t>(value_at(*w_.group_index, i));
        if (group < 0 || static_cast<std::size_t>(group) >= w_.groups)
            refuse_damaged(w_.group_index->file->path(), w_.group_index->offset + i * sizeof(std::int32_t),
                           fmt::format("tensor '{}'", printable(w_.group_index->name)),
                           fmt::format("names group {}, expected 0 to {}", group, w_.groups - 1));
        return static_cast<std::size_t>(group);
    }

    packed_weight w_;
    std::uint32_t mask_;
};

// Codes of 8 bits, each with the scale of the block of rows and columns that it lies in: (code - zero point) * scale / divisor.
struct scaled_weight
{
    named_tensor codes = {}, scales = {};
    std::optional<named_tensor> zeros = {};  // [rows of blocks, columns of blocks], as the scales
    std::size_t rows_per_block = 1, columns_per_block = 1, blocks_per_row = 1;
    float divisor = 1;
};

class scaled_weight_decoder : public value_decoder
{
public:
    explicit scaled_weight_decoder(scaled_weight weight) : w_(std::move(weight))
    {
        with_scalar(w_.codes.dtype, [&]<class T>(std::type_identity<T>) {
            if constexpr (sizeof(T) == 1)
                for (std::size_t i = 0; i < values_.size(); ++i) {
                    const auto bits = static_cast<std::uint8_t>(i);
                    T value{};
                    std::memcpy(&value, &bits, 1);
                    values_[i] = static_cast<float>(value);
                }
        });
    }

    void decode(std::size_t first, std::span<std::byte> out) const override
    {
        const std::size_t columns = w_.codes.shape[1];
        for_each_row_part(first, out.size() / sizeof(float), columns, out.data(),
                     [&](std::size_t row, std::size_t begin, std::size_t end, std::byte* to) {
                         const std::byte* codes = w_.codes.bytes.data() + row * columns;
                         for (std::size_t i = begin; i < end;) {
                             const std::size_t block = i / w_.columns_per_block,
                                               place = row / w_.rows_per_block * w_.blocks_per_row + block;
                             const auto scale = static_cast<float>(value_at(w_.scales, place));
                             const float zero = w_.zeros ? static_cast<float>(value_at(*w_.zeros, place)) : 0;
                             for (const std::size_t last = std::min(end, (block + 1) * w_.columns_per_block); i < last; ++i)
                                 put_float(to, i - begin, (values_[static_cast<std::uint8_t>(codes[i])] - zero) * scale / w_.divisor);
                         }
                     });
    }

private:
    scaled_weight w_;
    std::array<float, 256> values_ = {};
};

// Codes of 4 bits, the first of each byte in its upper half, that name an entry of a table, times the scale of their block, which may
// itself be a code: nested table * nested scale + offset.
struct codebook_weight
{
    named_tensor codes = {}, table = {}, scales = {};
    std::optional<named_tensor> nested_table = {}, nested_scales = {};
    std::size_t block_size = 64, nested_block_size = 256;
    double nested_offset = 0;
};

class codebook_weight_decoder : public value_decoder
{
public:
    explicit codebook_weight_decoder(codebook_weight weight) : w_(std::move(weight)) {}

    void decode(std::size_t first, std::span<std::byte> out) const override
    {
        std::array<float, 16> table;
        for (std::size_t i = 0; i < table.size(); ++i)
            table[i] = static_cast<float>(value_at(w_.table, i));
        for_each_row_part(first, out.size() / sizeof(float), w_.block_size, out.data(),
                     [&](std::size_t block, std::size_t begin, std::size_t end, std::byte* to) {
                         const float scale = scale_of(block);
                         for (std::size_t i = begin; i < end; ++i) {
                             const std::size_t at = block * w_.block_size + i;
                             const auto both = static_cast<std::uint8_t>(w_.codes.bytes[at / 2]);
                             put_float(to, i - begin, table[at % 2 == 0 ? both >> 4 : both & 15] * scale);
                         }
                     });
    }

private:
    float scale_of(std::size_t block) const
    {
        const double stored = value_at(w_.scales, block);
        if (!w_.nested_table)
            return static_cast<float>(stored);
        const auto nested = static_cast<float>(value_at(*w_.nested_table, static_cast<std::size_t>(stored)))
                          * static_cast<float>(value_at(*w_.nested_scales, block / w_.nested_block_size));
        return nested + static_cast<float>(w_.nested_offset);
    }

    codebook_weight w_;
};

}  // namespace weightscope::detail
