#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

#include <weightscope/evaluators/activation_change.hpp>
#include <weightscope/evaluators/sinks.hpp>
#include <weightscope/evaluators/transformer_linear.hpp>
#include <weightscope/evaluators/transformer_map.hpp>
#include <weightscope/evaluators/transformer_memory.hpp>

namespace weightscope::detail {

// What enters linear layers: shown to a tap, and replaced where somebody wants that.
template <class Real>
class layer_inputs
{
public:
    // Negative tokens are padding. Without a change nothing is replaced.
    layer_inputs(scratch_memory<Real>& memory, std::span<const std::int32_t> tokens, const activation_change* change)
        : memory_(memory), tokens_(tokens), change_(change)
    {
    }

    void show_to(const activation_tap* tap) { tap_ = tap; }

    // What a layer gets to see: x, or a changed copy of it that counts until the next one. x has a row for each token, or for each of
    // those in `taken`.
    row_block<const Real> seen(const linear_map& map, row_block<Real> x, const std::vector<std::size_t>* taken = nullptr)
    {
        if (tap_ && tap_->wants(map.weight))
            show(map, x, taken);
        const std::size_t rows = taken ? taken->size() : tokens_.size(), count = rows * map.in;
        if (!change_ || !change_->wants(map.weight) || rows == 0)
            return {x.data, x.stride};
        Real* copy = memory_.at_least(count);
        if constexpr (std::is_same_v<Real, float>) {
            std::copy_n(x.data, count, copy);
            (*change_)(map.weight, std::span(copy, count), map.in);
        } else {
            std::vector<float> values(x.data, x.data + count);
            (*change_)(map.weight, values, map.in);
            std::copy(values.begin(), values.end(), copy);
        }
        return {copy, map.in};
    }

private:
    // Rows keep their places among all, so that what was taken is masked in. Of a stack each matrix has columns of its own.
    void show(const linear_map& map, row_block<Real> x, const std::vector<std::size_t>* taken) const
    {
        const std::size_t rows = tokens_.size(), cols = map.stack * map.in;
        std::vector<float> values(rows * cols);
        std::vector<std::uint8_t> counts(rows);
        for (std::size_t i = 0; i < (taken ? taken->size() : rows); ++i) {
            const std::size_t row = taken ? (*taken)[i] : i;
            counts[row] = tokens_[row] >= 0;
            std::transform(x.row(i), x.row(i) + map.in, values.data() + row * cols + map.place * map.in, [](Real v) { return static_cast<float>(v); });
        }
        const bool all = std::find(counts.begin(), counts.end(), 0) == counts.end();
        (*tap_)(map.weight, {.data = values.data(),
                             .rows = rows,
                             .cols = cols,
                             .row_mask = all ? std::span<const std::uint8_t>() : std::span<const std::uint8_t>(counts)});
    }

    scratch_memory<Real>& memory_;
    std::span<const std::int32_t> tokens_;
    const activation_change* change_;
    const activation_tap* tap_ = nullptr;
};

}  // namespace weightscope::detail
