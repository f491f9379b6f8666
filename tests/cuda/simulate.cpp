#include "cuda/simulations.hpp"

#include <cstddef>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <weightscope/core/scalars.hpp>
#include <weightscope/quantizers/conventions.hpp>

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
    check_schemes<float>(schemes, {5, 700}, 0);
    schemes.resize(10);
    check_schemes<float>(schemes, {3, 131}, 5);
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
    check_schemes<float>(schemes, {4, 160}, 0);
    check_schemes<bfloat16>(schemes, {4, 160}, 1);
}

TEST_CASE("FP8, FP6, FP4, MX formats, NVFP4 and NF4 on a device are those of the host")
{
    NEEDS_DEVICE();
    const std::vector<scheme> schemes = schemes_of({"fp8-e4m3", "fp8-e5m2", "mxfp4", "mxfp8-e4m3", "nvfp4", "nf4-g64", "ocp-mxfp4-rceil", "q8_0"});
    check_schemes<float>(schemes, {4, 384}, 0);
    check_schemes<bfloat16>(schemes, {3, 128}, 0);
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
        check_sums(found.sums, on_host<float>(numbers, {4, 256}, std::span(&each.options, 1), {}).front().sums);
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
    const auto found = simulate_sweep(matrix.view, schemes), expected = on_host<float>(numbers, {8, 512}, schemes, {});
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
    check_any_order(matrix, schemes);
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
    CHECK(message({.symmetric = false, .scale = scale_type::f32, .rules = {.base = scale_base::span}})
          == begin + "the scheme's rules make scales from more than max|w|, expected other rules; the host's function knows them");
    CHECK(message({}, {.p999 = true}) == begin + "extras.p999 or extras.code_usage is set, expected neither; the host's function tells them");
    CHECK(message({.granularity = scale_granularity::per_channel, .channel_axis = 2})
          == begin + "scheme.channel_axis is 2, expected below the rank of the weights, 2");
    CHECK(message({.bits = 9}) == begin + "scheme.bits is 9, expected 2 to 8 or 16");
}
