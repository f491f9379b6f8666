#pragma once

#include <cstddef>

#include <weightscope/quantizers/error_kernel.hpp>
#include <weightscope/quantizers/quantization_error.hpp>
#include <weightscope/quantizers/round_kernel.hpp>

namespace weightscope::detail {

// Rounds a strip and adds up its errors, a piece at a time: nothing is kept.
template <class Real, class Decoded>
struct simulate_kernel
{
    [[gnu::always_inline]] static void add(const Real* x, const double* decoded, std::size_t count, error_sums* sums)
    {
        if constexpr (sizeof(Real) == sizeof(double)) {
            error_kernel{}(x, decoded, count, sums);
        } else {
            double wide[rounded_at_once];
            widen_kernel<Real>{}(x, count, wide);
            error_kernel{}(wide, decoded, count, sums);
        }
    }

    [[gnu::always_inline]] void operator()(const strip_code<Real>* code, const Real* x, std::size_t count, error_sums* sums) const
    {
        using round = round_kernel<Real, Decoded, double>;
        double decoded[rounded_at_once];
        const std::size_t size = code->group_size;
        for (std::size_t begin = 0, part = 0; begin < count; begin += part) {
            if (size <= rounded_at_once) {  // as many groups as fit
                const std::size_t step = rounded_at_once / size * size;
                part = count - begin < step ? count - begin : step;
                sums->clipped_count += round{}(code, x, begin, begin + part, decoded);
            } else {  // as much as fits of one
                const std::size_t group = begin / size, end = count - group * size < size ? count : (group + 1) * size;
                part = end - begin < rounded_at_once ? end - begin : rounded_at_once;
                sums->clipped_count += round::round_group(*code, group, x, begin, part, decoded);
            }
            add(x + begin, decoded, part, sums);
        }
    }
};

}  // namespace weightscope::detail
