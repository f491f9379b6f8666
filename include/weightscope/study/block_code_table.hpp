#pragma once
// Blocks whose weights are one scale times whole steps: what a flip does depends on the scale and on the step alone.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include <weightscope/analyzers/bit_map_codes.hpp>
#include <weightscope/analyzers/bit_map_sums.hpp>
#include <weightscope/core/bit_layout.hpp>
#include <weightscope/core/dispatch.hpp>
#include <weightscope/io/block_anatomy.hpp>
#include <weightscope/io/dtype.hpp>
#include <weightscope/study/block_flip_sums.hpp>
#include <weightscope/study/block_levels.hpp>
#include <weightscope/study/block_steps.hpp>

namespace weightscope::detail {

// How often each step occurs with each scale, and each largest step of a part.
class block_code_table
{
public:
    // Whether the type is of this kind.
    static bool fits(const block_reader& reader)
    {
        const block_anatomy& anatomy = reader.anatomy();
        const auto& fields = anatomy.fields();
        if (fields.size() != 2 || fields[1].layout.bits > 16 || fields[1].count != anatomy.parts() || anatomy.part_weights() % most_copies != 0)
            return false;
        const double* values = reader.values(0);
        return std::all_of(values, values + (std::size_t{1} << fields[0].layout.bits),
                           [](double v) { return std::nearbyint(v) == v && std::fabs(v) <= 128; });
    }

    block_code_table() = default;
    explicit block_code_table(const block_reader& reader)
        : reader_(&reader),
          code_count_(std::size_t{1} << reader.anatomy().fields()[0].layout.bits),
          row_of_(std::size_t{1} << reader.anatomy().fields()[1].layout.bits, -1)
    {
        const double* values = reader.values(0);
        const auto [low, high] = std::minmax_element(values, values + code_count_);
        lowest_ = static_cast<std::int32_t>(*low);
        levels_ = static_cast<std::size_t>(*high - *low) + 1;
        mosts_ = static_cast<std::size_t>(std::max(std::fabs(*low), std::fabs(*high))) + 1;
        copies_ = levels_ <= 32 ? most_copies : 1;
    }

    // The blocks from number `first` on.
    void add(const std::uint8_t* bytes, std::size_t first, std::size_t count)
    {
        const block_anatomy& anatomy = reader_->anatomy();
        const std::size_t parts = anatomy.parts(), weights = anatomy.part_weights();
        std::array<float, block_reader::batch * block_anatomy::most_weights> steps;
        std::array<std::int32_t, block_reader::batch * block_anatomy::most_weights> levels;
        std::array<std::int32_t, block_reader::batch * block_anatomy::most_parts> most, any_zero;
        for (std::size_t done = 0; done < count; done += block_reader::batch) {
            const std::size_t size = std::min(count - done, block_reader::batch), begin = first + done;
            const std::uint8_t* blocks = bytes + begin * anatomy.type().block_bytes;
            anatomy.steps_of(blocks, size, steps);
            dispatch(block_level_kernel{}, steps.data(), size * parts, weights, lowest_, levels.data(), most.data(), any_zero.data());
            std::size_t in_block = 0;
            for (std::size_t p = 0; p < size * parts; ++p) {
                const std::size_t row = row_of(anatomy.code_of(blocks, 1, in_block));
                if (++in_block == parts) {
                    in_block = 0;
                    blocks += anatomy.type().block_bytes;
                }
                std::uint32_t* counts = counts_.data() + row * levels_ * copies_;
                const std::int32_t* level = levels.data() + p * weights;
                if (copies_ == most_copies)  // neighbours are often alike, and would wait for each other
                    for (std::size_t e = 0; e < weights; e += most_copies)
                        for (std::size_t j = 0; j < most_copies; ++j)
                            ++counts[static_cast<std::size_t>(level[e + j]) * most_copies + j];
                else
                    for (std::size_t e = 0; e < weights; ++e)
                        ++counts[level[e]];
                reach& r = reaches_[(row * mosts_ + static_cast<std::size_t>(most[p])) * 2 + static_cast<std::size_t>(any_zero[p])];
                ++r.count;
                r.first = std::min(r.first, static_cast<std::uint32_t>(begin * parts + p));
            }
        }
    }

    void add(const block_code_table& other)
    {
        for (std::size_t code = 0; code < row_of_.size(); ++code) {
            if (other.row_of_[code] < 0)
                continue;
            const std::size_t to = row_of(code), from = static_cast<std::size_t>(other.row_of_[code]);
            for (std::size_t i = 0; i < levels_ * copies_; ++i)
                counts_[to * levels_ * copies_ + i] += other.counts_[from * levels_ * copies_ + i];
            for (std::size_t i = 0; i < mosts_ * 2; ++i) {
                reach& into = reaches_[to * mosts_ * 2 + i];
                const reach& r = other.reaches_[from * mosts_ * 2 + i];
                into.count += r.count;
                into.first = std::min(into.first, r.first);
            }
        }
    }

    // Whether flips of codes are finite wherever the scale is.
    bool small() const
    {
        bool result = true;
        for_each_scale([&](std::size_t, double scale) { result = result && !(std::isfinite(scale) && std::fabs(scale) * static_cast<double>(mosts_) >= 1e38); });
        return result;
    }

    // The figures of the weights.
    bit_weight_sums weights() const
    {
        bit_weight_sums sums;
        for_each_scale([&](std::size_t row, double scale) {
            for (std::size_t level = 0; level < levels_; ++level)
                if (const std::uint64_t count = count_of(row, level); count > 0)
                    sums.add(std::isfinite(scale) ? scale * step_of(level) : std::numeric_limits<double>::quiet_NaN(), count);
        });
        return sums;
    }

    // By field and bit; the places of the largest changes are those of the first part that has one.
    std::array<std::vector<bit_position_sums>, 2> flips(const bit_limits& limits) const
    {
        const auto& fields = reader_->anatomy().fields();
        std::array<std::vector<bit_position_sums>, 2> sums;
        for (std::size_t f = 0; f < 2; ++f)
            sums[f].assign(fields[f].layout.bits, bit_position_sums(limits));
        std::vector<std::size_t> code_of_level(levels_);
        for (std::size_t code = code_count_; code-- > 0;)  // where two stand for 0, the first
            code_of_level[static_cast<std::size_t>(reader_->values(0)[code] - lowest_)] = code;
        const std::size_t weights = reader_->anatomy().part_weights();
        for (std::size_t code = 0; code < row_of_.size(); ++code) {
            if (row_of_[code] < 0)
                continue;
            const auto row = static_cast<std::size_t>(row_of_[code]);
            const double scale = scale_of(code);
            if (!std::isfinite(scale))
                continue;
            std::size_t first = std::numeric_limits<std::size_t>::max();
            for (std::size_t most = 0; most < mosts_; ++most)
                for (const bool zero : {false, true}) {
                    const reach& r = reaches_[(row * mosts_ + most) * 2 + (zero ? 1 : 0)];
                    if (r.count == 0)
                        continue;
                    first = std::min<std::size_t>(first, r.first);
                    for (std::size_t bit = 0; bit < sums[1].size(); ++bit)
                        add_scale_flip(sums[1][bit], scale, scale_of(code ^ std::size_t{1} << bit), static_cast<double>(most), zero, r, weights);
                }
            for (std::size_t level = 0; level < levels_; ++level)
                if (const std::uint64_t count = count_of(row, level); count > 0)
                    for (std::size_t bit = 0; bit < sums[0].size(); ++bit)
                        sums[0][bit].add(scale * step_of(level), scale * reader_->values(0)[code_of_level[level] ^ std::size_t{1} << bit], count, first * weights);
        }
        return sums;
    }

    // The first weights whose codes' flips are as large as `changes` says, by bit; those below 0 are not looked for.
    std::vector<std::size_t> first_weights(const std::uint8_t* bytes, std::size_t blocks, const std::vector<double>& changes) const
    {
        const block_anatomy& anatomy = reader_->anatomy();
        std::vector<std::size_t> result(changes.size());
        std::vector<bool> sought(row_of_.size());
        std::size_t left = 0;
        const auto has = [&](double scale, std::size_t code, std::size_t bit) {
            const double* values = reader_->values(0);
            return std::fabs(scale * values[code ^ std::size_t{1} << bit] - scale * values[code]) == changes[bit];
        };
        for (std::size_t bit = 0; bit < changes.size(); ++bit) {
            left += changes[bit] >= 0 ? 1 : 0;
            for (std::size_t scale = 0; scale < row_of_.size(); ++scale)
                for (std::size_t code = 0; row_of_[scale] >= 0 && !sought[scale] && code < code_count_; ++code)
                    sought[scale] = has(scale_of(scale), code, bit);
        }
        std::vector<bool> found(changes.size());
        for (std::size_t part = 0; left > 0 && part < blocks * anatomy.parts(); ++part) {
            const std::uint8_t* block = bytes + part / anatomy.parts() * anatomy.type().block_bytes;
            const std::uint64_t scale = anatomy.code_of(block, 1, part % anatomy.parts());
            if (!sought[scale])
                continue;
            for (std::size_t e = 0; e < anatomy.part_weights(); ++e)
                for (std::size_t bit = 0; bit < changes.size(); ++bit)
                    if (!found[bit] && changes[bit] >= 0
                        && has(scale_of(scale), anatomy.weight_code(block, part % anatomy.parts() * anatomy.part_weights() + e), bit)) {
                        found[bit] = true;
                        result[bit] = part * anatomy.part_weights() + e;
                        --left;
                    }
        }
        return result;
    }

private:
    static constexpr std::size_t most_copies = 4;

    // Parts of one scale and one largest step.
    struct reach
    {
        std::uint32_t count = 0;
        std::uint32_t first = std::numeric_limits<std::uint32_t>::max();  // of these, counted through all blocks
    };

    double scale_of(std::size_t code) const { return reader_->values(1)[code]; }
    double step_of(std::size_t level) const { return static_cast<double>(level) + static_cast<double>(lowest_); }
    std::uint64_t count_of(std::size_t row, std::size_t level) const
    {
        std::uint64_t count = 0;
        for (std::size_t j = 0; j < copies_; ++j)
            count += counts_[(row * levels_ + level) * copies_ + j];
        return count;
    }

    template <class F>
    void for_each_scale(F&& f) const
    {
        for (std::size_t code = 0; code < row_of_.size(); ++code)
            if (row_of_[code] >= 0)
                f(static_cast<std::size_t>(row_of_[code]), scale_of(code));
    }

    std::size_t row_of(std::size_t code)
    {
        if (row_of_[code] < 0) {
            row_of_[code] = static_cast<std::int32_t>(rows_++);
            counts_.resize(rows_ * levels_ * copies_);
            reaches_.resize(rows_ * mosts_ * 2);
        }
        return static_cast<std::size_t>(row_of_[code]);
    }

    // Of the weight that it changes most.
    static void add_scale_flip(bit_position_sums& sums, double scale, double flipped, double step, bool any_zero, const reach& r, std::size_t weights)
    {
        if (std::isnan(flipped) || (std::isinf(flipped) && any_zero))
            sums.add_outcome(flip_outcome::nan, r.count);
        else if (std::fabs(flipped) * step >= block_flip_kernel<0, 1>::beyond)
            sums.add_outcome(flip_outcome::infinite, r.count);
        else
            sums.add(scale * step, flipped * step, r.count, std::size_t{r.first} * weights);
    }

    const block_reader* reader_ = nullptr;
    std::size_t code_count_ = 0, levels_ = 0, mosts_ = 0, rows_ = 0;
    std::size_t copies_ = 1;                   // of each counter
    std::int32_t lowest_ = 0;                  // step
    std::vector<std::int32_t> row_of_ = {};    // by scale, -1 where there is none
    std::vector<std::uint32_t> counts_ = {};   // [row][level][copies]
    std::vector<reach> reaches_ = {};          // [row][largest step][any zero]
};

}  // namespace weightscope::detail
