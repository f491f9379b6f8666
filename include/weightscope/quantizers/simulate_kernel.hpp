#pragma once

#include <cstddef>
#include <type_traits>

#include <weightscope/quantizers/error_kernel.hpp>
#include <weightscope/quantizers/quantization_error.hpp>
#include <weightscope/quantizers/quick_error_kernel.hpp>
#include <weightscope/quantizers/round_kernel.hpp>

namespace weightscope::detail {

// Rounds a strip and adds up its errors, a piece at a time: nothing is kept. `ahead`, if any, are as many weights that come next:
// they are fetched meanwhile, since the memory would else be idle while these are divided.
template <class Real, class Decoded, bool Quick>
struct simulate_kernel
{
    using out = std::conditional_t<Quick, float, double>;

    [[gnu::always_inline]] static void add(const Real* x, const out* decoded, std::size_t count, error_sums* sums)
    {
        if constexpr (Quick) {
            quick_error_kernel{}(x, decoded, count, sums);
        } else if constexpr (sizeof(Real) == sizeof(double)) {
            error_kernel{}(x, decoded, count, sums);
        } else {
            double wide[rounded_at_once];
            widen_kernel<Real>{}(x, count, wide);
            error_kernel{}(wide, decoded, count, sums);
        }
    }

    [[gnu::always_inline]] void operator()(const strip_code<Real>* code, const Real* x, std::size_t count, const Real* ahead,
                                           error_sums* sums) const
    {
        constexpr std::size_t line = 64 / sizeof(Real);
        using round = round_kernel<Real, Decoded, out>;
        out decoded[rounded_at_once];
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
            for (std::size_t i = begin; ahead && i < begin + part; i += line)
                __builtin_prefetch(ahead + i, 0, 2);
            add(x + begin, decoded, part, sums);
        }
    }
};

}  // namespace weightscope::detail
