#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <weightscope/core/value_bins.hpp>
#include <weightscope/quantizers/quantization_error.hpp>
#include <weightscope/quantizers/round_kernel.hpp>

namespace weightscope::detail {

// Adds up the errors of decoded weights, in double: both numbers are widened before they are subtracted, so e is exact for floats
// wherever w and ŵ are within a factor of 2, and off by 2^-53 elsewhere.
struct error_kernel
{
    typedef double lanes __attribute__((vector_size(32)));
    typedef std::int64_t counts __attribute__((vector_size(32)));

    struct lane_sums
    {
        lanes squares = {}, magnitudes = {}, errors = {}, products = {};
    };

    [[gnu::always_inline]] static void add(const double* x, const double* decoded, lane_sums& sums, lanes& largest, counts& zeros)
    {
        lanes w, d;
        std::memcpy(&w, x, sizeof w);
        std::memcpy(&d, decoded, sizeof d);
        const lanes e = w - d, m = (lanes)((counts)e & static_cast<std::int64_t>(magnitude_mask<double>));
        sums.squares += e * e;
        sums.magnitudes += m;
        sums.errors += e;
        sums.products += w * e;
        largest = largest > m ? largest : m;
        zeros -= d == 0;
    }

    // zeros among the decoded weights are counted as flushed
    [[gnu::always_inline]] void operator()(const double* x, const double* decoded, std::size_t count, error_sums* sums) const
    {
        // twice four lanes hide the latency of the additions; sixteen registers have no room for more
        lane_sums even, odd;
        lanes largest = {};
        counts zeros = {};
        const std::size_t whole = count - count % 8;
        for (std::size_t i = 0; i < whole; i += 8) {
            add(x + i, decoded + i, even, largest, zeros);
            add(x + i + 4, decoded + i + 4, odd, largest, zeros);
        }
        for (std::size_t l = 0; l < 4; ++l) {
            sums->squared_error += even.squares[l] + odd.squares[l];
            sums->absolute_error += even.magnitudes[l] + odd.magnitudes[l];
            sums->error += even.errors[l] + odd.errors[l];
            sums->signal_error += even.products[l] + odd.products[l];
            sums->max_error = largest[l] > sums->max_error ? largest[l] : sums->max_error;
            sums->flushed_count += static_cast<std::size_t>(zeros[l]);
        }
        for (std::size_t i = whole; i < count; ++i) {
            const double e = x[i] - decoded[i], m = std::fabs(e);
            sums->squared_error += e * e;
            sums->absolute_error += m;
            sums->error += e;
            sums->signal_error += x[i] * e;
            sums->max_error = m > sums->max_error ? m : sums->max_error;
            sums->flushed_count += decoded[i] == 0;
        }
    }
};

template <class Real>
struct widen_kernel
{
    [[gnu::always_inline]] void operator()(const Real* __restrict x, std::size_t count, double* __restrict out) const
    {
        for (std::size_t i = 0; i < count; ++i)
            out[i] = static_cast<double>(x[i]);
    }
};

// Σ w², max |w| and the zeros, which are counted as flushed.
struct signal_kernel
{
    template <class Real>
    [[gnu::always_inline]] void operator()(const Real* x, std::size_t count, error_sums* sums) const
    {
        if constexpr (sizeof(Real) == sizeof(double)) {
            add(x, count, sums);
            return;
        }
        double wide[rounded_at_once];
        for (std::size_t begin = 0; begin < count; begin += rounded_at_once) {
            const std::size_t part = count - begin < rounded_at_once ? count - begin : rounded_at_once;
            widen_kernel<Real>{}(x + begin, part, wide);
            add(wide, part, sums);
        }
    }

    [[gnu::always_inline]] static void add(const double* x, std::size_t count, error_sums* sums)
    {
        using lanes = error_kernel::lanes;
        lanes squares[2] = {}, largest[2] = {};
        error_kernel::counts zeros[2] = {};
        const std::size_t whole = count - count % 8;
        for (std::size_t i = 0; i < whole; i += 8)
            for (std::size_t half = 0; half < 2; ++half) {
                lanes w;
                std::memcpy(&w, x + i + 4 * half, sizeof w);
                squares[half] += w * w;
                const lanes m = (lanes)((error_kernel::counts)w & static_cast<std::int64_t>(magnitude_mask<double>));
                largest[half] = largest[half] > m ? largest[half] : m;
                zeros[half] -= w == 0;
            }
        for (std::size_t half = 0; half < 2; ++half)
            for (std::size_t l = 0; l < 4; ++l) {
                sums->signal += squares[half][l];
                sums->max_magnitude = largest[half][l] > sums->max_magnitude ? largest[half][l] : sums->max_magnitude;
                sums->flushed_count += static_cast<std::size_t>(zeros[half][l]);
            }
        for (std::size_t i = whole; i < count; ++i) {
            const double m = std::fabs(x[i]);
            sums->signal += m * m;
            sums->max_magnitude = m > sums->max_magnitude ? m : sums->max_magnitude;
            sums->flushed_count += m == 0;
        }
    }
};

}  // namespace weightscope::detail
