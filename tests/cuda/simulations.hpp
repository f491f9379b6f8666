// Simulations on a device held to those of the host: their sums, those of groups and rows, and every decoded weight.
#pragma once

#include <weightscope/cuda/simulate.cuh>

#include <cmath>
#include <cstddef>
#include <initializer_list>
#include <span>
#include <string>
#include <vector>

#include "cuda/device.hpp"

#include <weightscope/core/weight_source.hpp>
#include <weightscope/core/xtensor.hpp>
#include <weightscope/cuda/memory.cuh>
#include <weightscope/cuda/workspace.cuh>
#include <weightscope/quantizers/quantization_error.hpp>
#include <weightscope/quantizers/quantized_tensor.hpp>
#include <weightscope/quantizers/scheme.hpp>
#include <weightscope/quantizers/scheme_name.hpp>
#include <weightscope/quantizers/simulate.hpp>
#include <weightscope/quantizers/uniform.hpp>

using namespace weightscope;

inline bool close(double found, double expected, double size)
{
    return found == expected || std::fabs(found - expected) <= 1e-12 * size || (!std::isfinite(found) && !std::isfinite(expected));
}

inline void check_sums(const error_sums& found, const error_sums& expected)
{
    CHECK(found.count == expected.count);
    CHECK(found.non_finite_count == expected.non_finite_count);
    CHECK(found.clipped_count == expected.clipped_count);
    if (!std::isfinite(expected.squared_error)) {  // of a scale that is infinite, which makes NaN of zeros
        CHECK_FALSE(std::isfinite(found.squared_error));
        return;
    }
    CHECK(found.flushed_count == expected.flushed_count);
    CHECK(found.max_error == expected.max_error);
    CHECK(found.max_magnitude == expected.max_magnitude);
    CHECK(close(found.signal, expected.signal, expected.signal));
    CHECK(close(found.squared_error, expected.squared_error, expected.squared_error));
    CHECK(close(found.absolute_error, expected.absolute_error, expected.absolute_error));
    CHECK(close(found.error, expected.error, expected.absolute_error));
    CHECK(close(found.signal_error, expected.signal_error, std::sqrt(expected.signal * expected.squared_error)));
}

// A tensor [rows, cols / kernel, kernel]
struct tensor_extents
{
    std::size_t rows = 1, cols = 0, kernel = 1;

    std::vector<std::size_t> shape() const
    {
        return kernel == 1 ? std::vector<std::size_t>{rows, cols} : std::vector<std::size_t>{rows, cols / kernel, kernel};
    }
};

template <class T>
std::vector<quantization_error> on_host(const std::vector<T>& numbers, const tensor_extents& extents, std::span<const scheme> schemes,
                                        const simulate_options& extras)
{
    const std::vector<std::size_t> shape = extents.shape();
    return detail::simulate(detail::source_of(std::span<const T>(numbers)), shape, schemes, extras);
}

// ŵ as the host's quantizer has it; 0 where w is not finite.
template <class T>
std::vector<float> decoded_on_host(const std::vector<T>& numbers, const tensor_extents& extents, const scheme& options)
{
    quantized_tensor q{.scheme = options, .shape = extents.shape()};
    detail::quantize_into(detail::source_of(std::span<const T>(numbers)), options, q);
    const xt::xarray<float> result = dequantize(q);
    std::vector<float> decoded(result.begin(), result.end());
    for (std::size_t i = 0; i < decoded.size(); ++i)
        decoded[i] = std::isfinite(static_cast<float>(numbers[i])) ? decoded[i] : 0;
    return decoded;
}

// Sums of parts, up to the first that differ.
inline void check_parts(const std::vector<error_sums>& found, const std::vector<error_sums>& expected)
{
    REQUIRE(found.size() == expected.size());
    for (std::size_t part = 0; part < found.size(); ++part) {
        const error_sums &a = found[part], &b = expected[part];
        if ((a.max_error == b.max_error || !std::isfinite(b.squared_error)) && a.count == b.count && a.clipped_count == b.clipped_count
            && close(a.squared_error, b.squared_error, b.squared_error))
            continue;
        CAPTURE(part);
        check_sums(a, b);
        return;
    }
    if (!found.empty())
        check_sums(found.back(), expected.back());
}

template <class T>
void check_kind(tensor_kind kind, const std::vector<scheme>& schemes, const tensor_extents& extents, std::size_t padding)
{
    const std::vector<T> numbers = numbers_of_kind<T>(kind, extents.rows * extents.cols, 11);
    device_matrix<T> matrix(numbers, extents.rows, padding);
    matrix.view.kernel = extents.kernel;
    cuda_workspace workspace(matrix.stream.get());
    const simulate_options extras{.channels = true, .groups = true};
    const auto found = simulate_sweep(matrix.view, schemes, extras, workspace), expected = on_host<T>(numbers, extents, schemes, extras);
    REQUIRE(found.size() == expected.size());
    for (std::size_t s = 0; s < schemes.size(); ++s) {
        CAPTURE(static_cast<int>(kind), to_string(schemes[s]), s, extents.rows, extents.cols, extents.kernel);
        check_sums(found[s].sums, expected[s].sums);
        check_parts(found[s].channels, expected[s].channels);
        check_parts(found[s].groups, expected[s].groups);

        const device_memory<float> memory(numbers.size(), matrix.stream.get());
        const quantization_error alone = simulate_quantization(matrix.view, schemes[s], {}, memory.data(), workspace);
        check_sums(alone.sums, expected[s].sums);
        std::vector<float> decoded(numbers.size());
        copy_to_host(static_cast<const float*>(memory.data()), std::span(decoded), matrix.stream.get());
        matrix.stream.wait();
        const std::vector<float> wanted = decoded_on_host(numbers, extents, schemes[s]);
        std::size_t different = 0;
        for (std::size_t i = 0; i < decoded.size(); ++i)
            different += decoded[i] != wanted[i] && !(std::isnan(decoded[i]) && std::isnan(wanted[i]));
        CHECK(different == 0);
    }
}

template <class T>
void check_schemes(const std::vector<scheme>& schemes, const tensor_extents& extents, std::size_t padding)
{
    for (const tensor_kind kind : tensor_kinds)
        check_kind<T>(kind, schemes, extents, padding);
}

inline std::vector<scheme> schemes_of(std::initializer_list<const char*> names)
{
    std::vector<scheme> result;
    for (const char* name : names)
        result.push_back(parse_scheme(name));
    return result;
}

#if defined(WEIGHTSCOPE_CUDA_EMULATION)
// The sums of a sweep are the same bits whatever the order in which threads run, and no barrier is missed.
inline void check_any_order(const device_matrix<float>& matrix, const std::vector<scheme>& schemes)
{
    const auto first = simulate_sweep(matrix.view, schemes);
    for (const emulator::order order : {emulator::order::backward, emulator::order::shuffled}) {
        emulator::the().fibers = order;
        const auto again = simulate_sweep(matrix.view, schemes);
        for (std::size_t s = 0; s < schemes.size(); ++s)
            CHECK(again[s].sums.squared_error == first[s].sums.squared_error);
    }
    CHECK(emulator::the().fault.empty());
}
#endif
