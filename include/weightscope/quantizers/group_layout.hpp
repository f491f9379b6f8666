#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include <weightscope/quantizers/scheme.hpp>
#include <weightscope/quantizers/storage_size.hpp>

namespace weightscope::detail {

// Some whole groups, to be worked on in one buffer where the weights of each group are neighbours.
//
// In the tensor they are `pieces` runs of `piece_size` neighbours, `piece_stride` apart. Each piece is cut into parts of `part_size`,
// the last may be shorter; group g consists of the g-th parts of all pieces and stands in the buffer at g * group_size().
struct strip
{
    std::size_t begin = 0;
    std::size_t pieces = 1;
    std::size_t piece_size = 0;
    std::size_t piece_stride = 0;
    std::size_t part_size = 0;
    std::size_t first_group = 0;

    std::size_t size() const { return pieces * piece_size; }
    std::size_t group_size() const { return pieces * part_size; }
    std::size_t groups() const { return divide_up(piece_size, part_size); }

    // Calls f(place in the piece, place in the buffer, size, group) for the parts of a piece.
    template <class F>
    void for_each_part(std::size_t piece, const F& f) const
    {
        for (std::size_t group = 0, at = 0; at < piece_size; ++group, at += part_size) {
            const std::size_t count = std::min(part_size, piece_size - at);
            f(at, at * pieces + piece * count, count, group);
        }
    }
};

// How a scheme cuts a tensor into groups, and these into strips.
class group_layout
{
public:
    // per_tensor is one group, handed out in strips of a row each, or if `flat` of a convenient size
    group_layout(std::span<const std::size_t> shape, const scheme& options, bool flat)
        : granularity_(options.granularity), matrix_(matrix_shape_of(shape)), group_count_(detail::group_count(shape, options))
    {
        if (matrix_.rows * matrix_.cols == 0)
            return;
        switch (granularity_) {
        case scale_granularity::per_tensor:
            part_ = matrix_.rows == 1 || flat ? flat_size : matrix_.cols;
            strips_ = divide_up(matrix_.rows * matrix_.cols, part_);
            break;
        case scale_granularity::per_channel: by_channel(shape, options.channel_axis); break;
        case scale_granularity::per_group:
            part_ = std::min(options.group_size, matrix_.cols);
            strips_ = matrix_.rows;
            break;
        case scale_granularity::per_block:
            part_ = std::min(options.block_cols, matrix_.cols);
            block_rows_ = std::min(options.block_rows, matrix_.rows);
            blocks_ = divide_up(matrix_.cols, part_);
            // as many blocks side by side as fit the second-level cache
            blocks_per_strip_ = std::max<std::size_t>(1, 2 * flat_size / (block_rows_ * part_));
            strips_ = divide_up(matrix_.rows, block_rows_) * divide_up(blocks_, blocks_per_strip_);
            break;
        }
    }

    std::size_t size() const { return matrix_.rows * matrix_.cols; }
    matrix_shape matrix() const { return matrix_; }
    std::size_t group_count() const { return group_count_; }
    std::size_t strip_count() const { return strips_; }
    bool one_group() const { return granularity_ == scale_granularity::per_tensor; }

    std::size_t typical_strip_size() const { return strips_ == 0 ? 1 : std::max<std::size_t>(1, size() / strips_); }

    // Row of the matrix that a piece of a strip belongs to.
    std::size_t row_of(const strip& s, std::size_t piece) const { return (s.begin + piece * s.piece_stride) / matrix_.cols; }

    strip operator[](std::size_t i) const
    {
        switch (granularity_) {
        case scale_granularity::per_tensor: return contiguous(i * part_, std::min(part_, size() - i * part_), part_, 0);
        case scale_granularity::per_channel: {
            if (pieces_are_rows_)
                return contiguous(i * part_, part_, part_, i);
            const std::size_t channels = std::min(channels_per_strip_, group_count_ - i * channels_per_strip_);
            return {.begin = i * channels_per_strip_ * part_,
                    .pieces = outer_,
                    .piece_size = channels * part_,
                    .piece_stride = group_count_ * part_,
                    .part_size = part_,
                    .first_group = i * channels_per_strip_};
        }
        case scale_granularity::per_group:
            return contiguous(i * matrix_.cols, matrix_.cols, part_, i * divide_up(matrix_.cols, part_));
        case scale_granularity::per_block: break;
        }
        const std::size_t across = divide_up(blocks_, blocks_per_strip_), first = i % across * blocks_per_strip_;
        const std::size_t top = i / across * block_rows_, left = first * part_;
        return {.begin = top * matrix_.cols + left,
                .pieces = std::min(block_rows_, matrix_.rows - top),
                .piece_size = std::min(blocks_per_strip_ * part_, matrix_.cols - left),
                .piece_stride = matrix_.cols,
                .part_size = part_,
                .first_group = i / across * blocks_ + first};
    }

private:
    static constexpr std::size_t flat_size = std::size_t{1} << 15;  // weights: 128 KiB of floats stay in the second-level cache

    static strip contiguous(std::size_t begin, std::size_t size, std::size_t part, std::size_t first_group)
    {
        return {.begin = begin, .pieces = 1, .piece_size = size, .piece_stride = size, .part_size = part, .first_group = first_group};
    }

    void by_channel(std::span<const std::size_t> shape, std::size_t axis)
    {
        if (axis == 0) {  // rank below 2 included
            part_ = matrix_.cols;
            strips_ = matrix_.rows;
            return;
        }
        pieces_are_rows_ = false;
        for (std::size_t d = 0; d < axis; ++d)
            outer_ *= shape[d];
        for (std::size_t d = axis + 1; d < shape.size(); ++d)
            part_ *= shape[d];
        // as many channels as fit the second-level cache, but whole cache lines of them
        channels_per_strip_ = std::max({std::size_t{1}, flat_size / (outer_ * part_), divide_up(16, part_)});
        strips_ = divide_up(group_count_, channels_per_strip_);
    }

    scale_granularity granularity_;
    matrix_shape matrix_;
    std::size_t group_count_ = 0;
    std::size_t strips_ = 0;
    std::size_t part_ = 1;
    std::size_t block_rows_ = 1;
    std::size_t blocks_ = 1;
    std::size_t blocks_per_strip_ = 1;
    std::size_t outer_ = 1;
    std::size_t channels_per_strip_ = 1;
    bool pieces_are_rows_ = true;
};

}  // namespace weightscope::detail
