#include <weightscope/cuda/simulate.cuh>
#include <weightscope/quantizers/conventions.hpp>

#include <cmath>
#include <cstddef>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "cuda/device.hpp"

#include <weightscope/core/scalars.hpp>
#include <weightscope/core/weight_source.hpp>
#include <weightscope/cuda/workspace.cuh>
#include <weightscope/quantizers/quantization_error.hpp>
#include <weightscope/quantizers/scheme_name.hpp>
#include <weightscope/quantizers/simulate.hpp>
#include <weightscope/quantizers/uniform.hpp>

using namespace weightscope;

namespace {

bool close(double found, double expected, double size)
{
    return found == expected || std::fabs(found - expected) <= 1e-12 * size || (!std::isfinite(found) && !std::isfinite(expected));
}

void check_sums(const error_sums& found, const error_sums& expected)
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

template <class T>
std::vector<quantization_error> on_host(const std::vector<T>& numbers, std::size_t rows, std::span<const scheme> schemes, const simulate_options& extras)
{
    const std::size_t shape[] = {rows, numbers.size() / rows};
    return detail::simulate(detail::source_of(std::span<const T>(numbers)), std::span<const std::size_t>(shape), schemes, extras);
}

// ŵ as the host's quantizer has it; 0 where w is not finite.
template <class T>
std::vector<float> decoded_on_host(const std::vector<T>& numbers, std::size_t rows, const scheme& options)
{
    std::vector<T> finite = numbers;
    for (T& x : finite)
        x = std::isfinite(static_cast<float>(x)) ? x : T(0.0F);
    quantized_tensor q{.scheme = options, .shape = {rows, numbers.size() / rows}};
    detail::quantize_into(detail::source_of(std::span<const T>(finite)), options, q);
    const xt::xarray<float> result = dequantize(q);
    std::vector<float> decoded(result.begin(), result.end());
    for (std::size_t i = 0; i < decoded.size(); ++i)
        decoded[i] = std::isfinite(static_cast<float>(numbers[i])) ? decoded[i] : 0;
    return decoded;
}

template <class T>
void check_schemes(const std::vector<scheme>& schemes, std::size_t rows, std::size_t cols, std::size_t padding)
{
    for (const tensor_kind kind : tensor_kinds) {
        const std::vector<T> numbers = numbers_of_kind<T>(kind, rows * cols, 11);
        const device_matrix<T> matrix(numbers, rows, padding);
        cuda_workspace workspace(matrix.stream.get());
        const simulate_options extras{.channels = true, .groups = true};
        const auto found = simulate_sweep(matrix.view, schemes, extras, workspace), expected = on_host<T>(numbers, rows, schemes, extras);
        REQUIRE(found.size() == expected.size());
        for (std::size_t s = 0; s < schemes.size(); ++s) {
            CAPTURE(static_cast<int>(kind), to_string(schemes[s]), rows, cols);
            check_sums(found[s].sums, expected[s].sums);
            REQUIRE(found[s].channels.size() == expected[s].channels.size());
            REQUIRE(found[s].groups.size() == expected[s].groups.size());
            for (std::size_t g = 0; g < found[s].groups.size(); ++g) {
                const error_sums &a = found[s].groups[g], &b = expected[s].groups[g];
                if ((a.max_error == b.max_error || !std::isfinite(b.squared_error)) && a.count == b.count && a.clipped_count == b.clipped_count
                    && close(a.squared_error, b.squared_error, b.squared_error))
                    continue;
                CAPTURE(g);
                check_sums(a, b);
                break;
            }
            check_sums(found[s].channels.back(), expected[s].channels.back());

            const device_memory<float> memory(numbers.size(), matrix.stream.get());
            const quantization_error alone = simulate_quantization(matrix.view, schemes[s], {}, memory.data(), workspace);
            check_sums(alone.sums, expected[s].sums);
            std::vector<float> decoded(numbers.size());
            copy_to_host(static_cast<const float*>(memory.data()), std::span(decoded), matrix.stream.get());
            matrix.stream.wait();
            const std::vector<float> wanted = decoded_on_host(numbers, rows, schemes[s]);
            std::size_t different = 0;
            for (std::size_t i = 0; i < decoded.size(); ++i)
                different += decoded[i] != wanted[i] && !(std::isnan(decoded[i]) && std::isnan(wanted[i]));
            CHECK(different == 0);
        }
    }
}

std::vector<scheme> schemes_of(std::initializer_list<const char*> names)
{
    std::vector<scheme> result;
    for (const char* name : names)
        result.push_back(parse_scheme(name));
    return result;
}

}  // namespace

TEST_CASE("integer codes on a device lose what they lose on the host, per tensor, channel and group")
{
    NEEDS_DEVICE();
    std::vector<scheme> schemes;
    for (const int bits : {2, 4, 8, 16})
        for (const bool symmetric : {true, false}) {
            schemes.push_back({.bits = bits, .symmetric = symmetric});
            schemes.push_back({.bits = bits, .symmetric = symmetric, .granularity = scale_granularity::per_channel});
            for (const std::size_t group_size : {std::size_t{24}, std::size_t{128}, std::size_t{300}})
                schemes.push_back({.bits = bits, .symmetric = symmetric, .granularity = scale_granularity::per_group, .group_size = group_size});
        }
    check_schemes<float>(schemes, 5, 700, 0);
    schemes.resize(10);
    check_schemes<float>(schemes, 3, 131, 5);
}

TEST_CASE("types of scales, full ranges and other roundings are the host's")
{
    NEEDS_DEVICE();
    std::vector<scheme> schemes;
    for (const scale_type type : {scale_type::f16, scale_type::bf16, scale_type::f64})
        for (const bool symmetric : {true, false})
            schemes.push_back({.bits = 4, .symmetric = symmetric, .granularity = scale_granularity::per_group, .group_size = 32, .scale = type});
    schemes.push_back({.bits = 4, .granularity = scale_granularity::per_channel, .full_range = true});
    schemes.push_back({.bits = 8, .rounding = rounding_mode::half_away});
    schemes.push_back({.bits = 3, .symmetric = false, .granularity = scale_granularity::per_group, .group_size = 64, .rounding = rounding_mode::half_away});
    check_schemes<float>(schemes, 4, 160, 0);
    check_schemes<bfloat16>(schemes, 4, 160, 1);
}

TEST_CASE("FP8, FP6, FP4, MX formats, NVFP4 and NF4 on a device are those of the host")
{
    NEEDS_DEVICE();
    const std::vector<scheme> schemes = schemes_of({"fp8-e4m3", "fp8-e5m2", "mxfp4", "mxfp8-e4m3", "nvfp4", "nf4-g64", "ocp-mxfp4-rceil", "q8_0"});
    check_schemes<float>(schemes, 4, 384, 0);
    check_schemes<bfloat16>(schemes, 3, 128, 0);
}

TEST_CASE("every convention is simulated on a device as on the host, or refused")
{
    NEEDS_DEVICE();
    const std::vector<float> numbers = numbers_of_kind<float>(tensor_kind::hostile, 4 * 256, 5);
    const device_matrix<float> matrix(numbers, 4);
    std::size_t simulated = 0, refused = 0;
    for (const convention& each : conventions()) {
        CAPTURE(each.name);
        quantization_error found;
        try {
            found = simulate_quantization(matrix.view, each.options);
        } catch (const std::invalid_argument& error) {
            CHECK(std::string(error.what()).find("the host's function") != std::string::npos);
            ++refused;
            continue;
        }
        ++simulated;
        check_sums(found.sums, on_host<float>(numbers, 4, std::span(&each.options, 1), {}).front().sums);
    }
    CHECK(simulated >= 20);
    CHECK(refused > 0);
}

TEST_CASE("a sweep of twelve schemes waits once")
{
    NEEDS_DEVICE();
    std::vector<scheme> schemes;
    for (const int bits : {4, 8})
        for (const std::size_t group_size : {std::size_t{128}, std::size_t{64}, std::size_t{32}})
            for (const bool symmetric : {true, false})
                schemes.push_back({.bits = bits, .symmetric = symmetric, .granularity = scale_granularity::per_group, .group_size = group_size});
    const std::vector<float> numbers = numbers_of_kind<float>(tensor_kind::normal, 8 * 512);
    const device_matrix<float> matrix(numbers, 8);
    matrix.stream.wait();
#if defined(WEIGHTSCOPE_CUDA_EMULATION)
    const std::size_t before = emulator::the().waits;
#endif
    const auto found = simulate_sweep(matrix.view, schemes), expected = on_host<float>(numbers, 8, schemes, {});
#if defined(WEIGHTSCOPE_CUDA_EMULATION)
    CHECK(emulator::the().waits - before == 1);
#endif
    for (std::size_t s = 0; s < schemes.size(); ++s)
        check_sums(found[s].sums, expected[s].sums);
}

TEST_CASE("simulation of nothing has no figures, and says why")
{
    NEEDS_DEVICE();
    const device_matrix<float> matrix({}, 0);
    CHECK(simulate_quantization(matrix.view).mse.reason == "no entries");
    const device_matrix<float> infinite(std::vector<float>(40, std::numeric_limits<float>::infinity()), 2);
    const quantization_error error = simulate_quantization(infinite.view, {.granularity = scale_granularity::per_channel});
    CHECK(error.mse.reason == "no finite entries");
    CHECK(error.sums.non_finite_count == 40);
}

#if defined(WEIGHTSCOPE_CUDA_EMULATION)
TEST_CASE("simulations do not depend on the order in which threads run")
{
    begin_device_test();
    const std::vector<float> numbers = numbers_of_kind<float>(tensor_kind::hostile, 6 * 1100);
    const device_matrix<float> matrix(numbers, 6);
    const std::vector<scheme> schemes = schemes_of({"int8-per-tensor-sym", "int8-per-tensor-asym", "int4-g32-sym", "int4-g128-asym", "nvfp4", "fp8-e4m3", "mxfp4", "int8-per-channel-sym"});
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

TEST_CASE("schemes that only the host knows are refused")
{
    NEEDS_DEVICE();
    const device_matrix<float> matrix(std::vector<float>(64, 1.0F), 2);
    const auto message = [&](const scheme& options, const simulate_options& extras = {}) {
        try {
            (void)simulate_quantization(matrix.view, options, extras);
        } catch (const std::invalid_argument& error) {
            return std::string(error.what());
        }
        return std::string();
    };
    const std::string begin = "weightscope::simulate_quantization(weights, scheme): ";
    CHECK(message({.granularity = scale_granularity::per_block})
          == begin + "the scheme's groups are blocks or channels of an inner axis, expected one scale per tensor, per channel of axis 0, or per group; "
                     "the host's function takes the others");
    CHECK(message({.search = range_search::mse}) == begin + "scheme.search is set, expected whole ranges; the host's function searches");
    CHECK(message({.rounding = rounding_mode::stochastic})
          == begin + "scheme.rounding is stochastic, expected another; the host's function draws random numbers");
    CHECK(message({}, {.p999 = true}) == begin + "extras.p999 or extras.code_usage is set, expected neither; the host's function tells them");
    CHECK(message({.bits = 9}) == begin + "scheme.bits is 9, expected 2 to 8 or 16");
}
