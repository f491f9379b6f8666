#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include <weightscope/quantizers/error_kernel.hpp>
#include <weightscope/quantizers/quantization_error.hpp>

namespace weightscope::detail {

// What error_kernel adds up, for floats, where sixteen errors at a time are added up in float before they are in double: half the work, sums off by about
// 1e-6 / √count. Weights and errors must lie between 2^-40 and 2^60 in magnitude, so that no square leaves the range.
struct quick_error_kernel
{
    typedef float lanes __attribute__((vector_size(32)));
    typedef std::int32_t counts __attribute__((vector_size(32)));
    static constexpr std::size_t added_at_once = 256;  // sixteen for each of the lanes

    [[gnu::always_inline]] static double sum_of(const lanes& v)
    {
        const auto pair = [&v](std::size_t l) __attribute__((always_inline)) { return static_cast<double>(v[l]) + static_cast<double>(v[l + 4]); };
        return (pair(0) + pair(2)) + (pair(1) + pair(3));
    }

    struct lane_sums
    {
        lanes squares = {}, magnitudes = {}, errors = {}, products = {};
    };

    [[gnu::always_inline]] static void add(const float* x, const float* decoded, lane_sums& sums, lanes& largest, counts& zeros)
    {
        lanes w, d;
        std::memcpy(&w, x, sizeof w);
        std::memcpy(&d, decoded, sizeof d);
        const lanes e = w - d, m = (lanes)((counts)e & 0x7fffffff);
        sums.squares += e * e;
        sums.magnitudes += m;
        sums.errors += e;
        sums.products += w * e;
        largest = largest > m ? largest : m;
        zeros -= d == 0;
    }

    [[gnu::always_inline]] void operator()(const float* x, const float* decoded, std::size_t count, error_sums* sums) const
    {
        lanes largest = {};
        counts zeros = {};
        for (std::size_t begin = 0; begin < count; begin += added_at_once) {
            lane_sums even, odd;
            const std::size_t end = count - begin < added_at_once ? count : begin + added_at_once;
            for (std::size_t i = begin; i < end; i += 16) {
                if (end - i >= 16) {
                    add(x + i, decoded + i, even, largest, zeros);
                    add(x + i + 8, decoded + i + 8, odd, largest, zeros);
                } else {  // filled up with zeros, which are not counted
                    float last_x[16] = {}, last_decoded[16] = {};
                    for (std::size_t l = 0; i + l < end; ++l) {
                        last_x[l] = x[i + l];
                        last_decoded[l] = decoded[i + l];
                    }
                    add(last_x, last_decoded, even, largest, zeros);
                    add(last_x + 8, last_decoded + 8, odd, largest, zeros);
                    sums->flushed_count -= 16 - (end - i);
                }
            }
            const lanes squares = even.squares + odd.squares, magnitudes = even.magnitudes + odd.magnitudes,
                        errors = even.errors + odd.errors, products = even.products + odd.products;
            sums->squared_error += sum_of(squares);
            sums->absolute_error += sum_of(magnitudes);
            sums->error += sum_of(errors);
            sums->signal_error += sum_of(products);
        }
        for (std::size_t l = 0; l < 8; ++l) {
            const auto m = static_cast<double>(largest[l]);
            sums->max_error = m > sums->max_error ? m : sums->max_error;
            sums->flushed_count += static_cast<std::size_t>(zeros[l]);
        }
    }
};

// The same as quick_error_kernel adds up.
struct quick_signal_kernel
{
    [[gnu::always_inline]] void operator()(const float* x, std::size_t count, error_sums* sums) const
    {
        using kernel = quick_error_kernel;
        kernel::lanes largest = {};
        kernel::counts zeros = {};
        const std::size_t whole = count - count % 16;
        for (std::size_t begin = 0; begin < whole; begin += kernel::added_at_once) {
            kernel::lanes even = {}, odd = {};
            const std::size_t end = whole - begin < kernel::added_at_once ? whole : begin + kernel::added_at_once;
            for (std::size_t i = begin; i < end; i += 16) {
                kernel::lanes v, w;
                std::memcpy(&v, x + i, sizeof v);
                std::memcpy(&w, x + i + 8, sizeof w);
                even += v * v;
                odd += w * w;
                const kernel::lanes a = (kernel::lanes)((kernel::counts)v & 0x7fffffff), b = (kernel::lanes)((kernel::counts)w & 0x7fffffff);
                const kernel::lanes larger = a > b ? a : b;
                largest = largest > larger ? largest : larger;
                zeros -= v == 0;
                zeros -= w == 0;
            }
            even += odd;
            sums->signal += kernel::sum_of(even);
        }
        for (std::size_t l = 0; l < 8; ++l) {
            const auto m = static_cast<double>(largest[l]);
            sums->max_magnitude = m > sums->max_magnitude ? m : sums->max_magnitude;
            sums->flushed_count += static_cast<std::size_t>(zeros[l]);
        }
        signal_kernel{}(x + whole, count - whole, sums);
    }
};

}  // namespace weightscope::detail
