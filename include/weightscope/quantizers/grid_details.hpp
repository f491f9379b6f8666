#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <weightscope/core/metric.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/per_thread.hpp>
#include <weightscope/core/scalars.hpp>
#include <weightscope/core/weight_source.hpp>
#include <weightscope/quantizers/grid_dequantize.hpp>
#include <weightscope/quantizers/grid_pass.hpp>
#include <weightscope/quantizers/group_layout.hpp>
#include <weightscope/quantizers/quantization_error.hpp>
#include <weightscope/quantizers/scheme.hpp>
#include <weightscope/quantizers/simulate_details.hpp>

namespace weightscope::detail {

// The code of a level, which is a number of the grid: as many bits as it has, the top one for a sign.
inline int code_of_level(float level, float zero, const scheme& options)
{
    int code = 0;
    switch (options.grid) {
    case element_grid::integer: return static_cast<int>(level + (options.rules.minimum ? static_cast<float>(options.lowest_code()) : zero));
    case element_grid::nf4: code = static_cast<int>(std::lower_bound(nf4_values.begin(), nf4_values.end(), level) - nf4_values.begin()); break;
    case element_grid::fp8_e4m3: code = float8_e4m3(level).bits; break;
    case element_grid::fp8_e5m2: code = float8_e5m2(level).bits; break;
    case element_grid::fp8_e4m3fnuz: code = float8_e4m3fnuz(level).bits; break;
    case element_grid::fp8_e5m2fnuz: code = float8_e5m2fnuz(level).bits; break;
    default: {  // FP6 and FP4: an E8M4 float of the same exponent, shifted
        const grid_format& format = format_of(options.grid);
        const float magnitude = std::fabs(level), least = std::ldexp(1.0F, format.lowest_exponent);
        const int fraction_bits = real_layout<float>::mantissa_bits - format.mantissa_bits;
        code = magnitude < least ? static_cast<int>(std::ldexp(magnitude, format.mantissa_bits - format.lowest_exponent))
                                 : static_cast<int>(std::bit_cast<std::uint32_t>(magnitude) >> fraction_bits)
                                       - ((real_layout<float>::bias + format.lowest_exponent - 1) << format.mantissa_bits);
        code |= std::signbit(level) ? 1 << (options.bits - 1) : 0;
        break;
    }
    }
    const int top = 1 << (options.bits - 1);
    return (code ^ top) - top;
}

// Visits the strips once more, for figures that sums do not hold.
template <class Real>
class grid_strips
{
public:
    grid_strips(const weight_source& source, const group_layout& layout, const scheme& options, const grid_tensor& tensor)
        : layout_(layout), options_(options), threads_([&source, &options, &tensor] { return grid_work<Real>(source, options, tensor); })
    {
    }

    // Every weight and what it is decoded to: f(work, group size, decoded, thread's T).
    template <class Decoded, class T, class F>
    void for_each(per_thread<T>& states, const F& f)
    {
        parallel_for(layout_.strip_count(), [&](std::size_t i) {
            grid_work<Real>& grid = begin(i);
            std::vector<double> decoded(grid.count);
            for_each_piece(grid.count, grid.group_size, [&](std::size_t from, std::size_t size) {
                float values[rounded_at_once];
                (void)grid.decode(from, size, values);
                std::copy_n(values, size, decoded.begin() + static_cast<std::ptrdiff_t>(from));
            });
            f(grid.work, grid.group_size, decoded, states.local());
        });
    }

    // Share of all codes that occur; those of NaN and Inf are among all.
    metric codes_used()
    {
        using marks = std::vector<std::uint8_t>;
        per_thread<marks> states([this] { return marks(options_.code_count()); });
        parallel_for(layout_.strip_count(), [&](std::size_t i) {
            grid_work<Real>& grid = begin(i);
            std::vector<float> levels(grid.count);
            grid.levels(levels.data());
            marks& used = states.local();
            for (std::size_t k = 0; k < grid.count; ++k)
                used[static_cast<std::size_t>(code_of_level(levels[k], grid.groups.zero[k / grid.group_size], options_) - options_.lowest_code())] = 1;
        });
        std::size_t count = 0;
        for (std::size_t c = 0; c < options_.code_count(); ++c)
            count += std::any_of(states.begin(), states.end(), [c](const marks& used) { return used[c] != 0; });
        return static_cast<double>(count) / static_cast<double>(options_.code_count());
    }

    // Sums for each group, and for each row of the matrix.
    void fill(std::vector<error_sums>& groups, std::vector<error_sums>& rows)
    {
        groups.assign(layout_.group_count(), {});
        rows.assign(layout_.matrix().rows, {});
        constexpr std::size_t strips_at_once = 256;  // partial sums that wait for their turn
        for (std::size_t first = 0; first < layout_.strip_count(); first += strips_at_once) {
            const std::size_t end = std::min(first + strips_at_once, layout_.strip_count());
            const auto partials = map_chunks(end - first, 1, [&](std::size_t i, std::size_t) { return sums_of_parts(first + i); });
            for (const auto& parts : partials)
                for (const part_sums& part : parts) {
                    groups[part.group] += part.sums;
                    rows[part.row] += part.sums;
                }
        }
    }

private:
    struct part_sums
    {
        std::size_t group = 0, row = 0;
        error_sums sums = {};
    };

    grid_work<Real>& begin(std::size_t i)
    {
        grid_work<Real>& grid = threads_.local();
        error_sums signal;
        grid.start(layout_[i], signal);
        return grid;
    }

    std::vector<part_sums> sums_of_parts(std::size_t index)
    {
        grid_work<Real>& grid = begin(index);
        const strip s = layout_[index];
        const auto& replaced = grid.work.reader.non_finite();
        std::vector<part_sums> parts;
        for (std::size_t piece = 0; piece < s.pieces; ++piece)
            s.for_each_part(piece, [&](std::size_t, std::size_t at, std::size_t count, std::size_t group) {
                error_sums errors, signal;
                std::size_t flushed = 0;
                for (std::size_t done = 0; done < count; done += rounded_at_once) {
                    const std::size_t size = std::min(rounded_at_once, count - done);
                    float decoded[rounded_at_once];
                    errors.clipped_count += grid.decode(at + done, size, decoded);
                    add_exactly(grid.work.x + at + done, decoded, size, errors);
                    flushed += grid.moves_zeros() ? flushed_among(grid.work.x + at + done, decoded, size) : 0;
                }
                dispatch(signal_kernel{}, grid.work.x + at, count, &signal);
                signal.non_finite_count = static_cast<std::size_t>(
                    std::count_if(replaced.begin(), replaced.end(), [&](const auto& w) { return w.at >= at && w.at < at + count; }));
                signal.count = count - signal.non_finite_count;
                parts.push_back({layout_.one_group() ? 0 : s.first_group + group, layout_.row_of(s, piece), with_signal(errors, signal)});
                if (grid.moves_zeros())
                    parts.back().sums.flushed_count = flushed;
            });
        return parts;
    }

    const group_layout& layout_;
    const scheme& options_;
    per_thread<grid_work<Real>> threads_;
};

}  // namespace weightscope::detail
