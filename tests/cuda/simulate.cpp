#include "cuda/simulations.hpp"

#include <cmath>
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

TEST_CASE("every convention is simulated on a device as on the host")
{
    NEEDS_DEVICE();
    std::vector<scheme> schemes;
    for (const convention& each : conventions())
        schemes.push_back(each.options);
    check_schemes<float>(schemes, {4, 256}, 0);
}

TEST_CASE("scales that follow from both ends of a range are the host's, whatever shares them")
{
    NEEDS_DEVICE();
    std::vector<scheme> schemes;
    for (const char* name : {"torch-int8-asym", "torchao-int4-asym", "compressed-tensors-int4-asym", "gptq-int4", "ggml-q4_0", "ggml-q4_1", "nncf-int4-sym", "quanto-int2"}) {
        scheme options = parse_scheme(name);
        options.granularity = scale_granularity::per_tensor;
        schemes.push_back(options);
        options.granularity = scale_granularity::per_channel;
        schemes.push_back(options);
        options.channel_axis = 1;
        schemes.push_back(options);
        options.channel_axis = 0;
        options.granularity = scale_granularity::per_group;
        for (const std::size_t group_size : {std::size_t{24}, std::size_t{128}, std::size_t{300}}) {
            options.group_size = group_size;
            schemes.push_back(options);
        }
        options.granularity = scale_granularity::per_block;
        options.block_rows = 3;
        options.block_cols = 20;
        schemes.push_back(options);
    }
    check_schemes<float>(schemes, {5, 340}, 0);
    check_schemes<float16>(schemes, {4, 131}, 3);
}

TEST_CASE("the first of two largest weights decides the sign of a scale")
{
    NEEDS_DEVICE();
    constexpr std::size_t rows = 4, cols = 640;
    scheme options = parse_scheme("ggml-q4_0");
    std::vector<scheme> schemes{options};
    options.group_size = 320;
    schemes.push_back(options);
    options.search = range_search::mse;
    schemes.push_back(options);
    options.search = range_search::whole;
    options.granularity = scale_granularity::per_channel;
    schemes.push_back(options);
    options.granularity = scale_granularity::per_tensor;
    schemes.push_back(options);
    for (const float first : {1.0F, -1.0F}) {
        std::vector<float> numbers = numbers_of_kind<float>(tensor_kind::normal, rows * cols, 3);
        for (std::size_t i = 7; i + 11 < numbers.size(); i += 32) {
            numbers[i] = i % 64 < 32 ? first : -first;
            numbers[i + 11] = -numbers[i];
        }
        const device_matrix<float> matrix(numbers, rows);
        const auto found = simulate_sweep(matrix.view, schemes), expected = on_host<float>(numbers, {rows, cols}, schemes, {});
        for (std::size_t s = 0; s < schemes.size(); ++s) {
            CAPTURE(s, first);
            check_sums(found[s].sums, expected[s].sums);
        }
    }
}

TEST_CASE("the 99.9th percentile of errors and the codes that occur are the host's")
{
    NEEDS_DEVICE();
    const std::vector<scheme> schemes = schemes_of({"int8-per-tensor-sym", "int4-g32-asym", "int2-per-channel-sym", "ggml-q4_0", "ggml-q4_1", "gptq-int4-asym",
                                                    "fp8-e4m3", "fp8-e5m2", "mxfp4", "nvfp4", "nf4-g64"});
    const simulate_options extras{.p999 = true, .code_usage = true};
    for (const tensor_kind kind : tensor_kinds)
        for (const std::size_t cols : {std::size_t{256}, std::size_t{5000}}) {  // few weights are sorted on the host
            const tensor_extents extents{.rows = 4, .cols = cols};
            const std::vector<float> numbers = numbers_of_kind<float>(kind, extents.rows * cols, 17);
            const device_matrix<float> matrix(numbers, extents.rows);
            const auto found = simulate_sweep(matrix.view, schemes, extras), expected = on_host<float>(numbers, extents, schemes, extras);
            for (std::size_t s = 0; s < schemes.size(); ++s) {
                CAPTURE(static_cast<int>(kind), cols, to_string(schemes[s]));
                check_sums(found[s].sums, expected[s].sums);
                CHECK(found[s].p999_error.reason == expected[s].p999_error.reason);
                const double a = found[s].p999_error.value, b = expected[s].p999_error.value;
                CHECK((a == b || (std::isnan(a) && std::isnan(b))));
                CHECK(found[s].codes_used_fraction.value == expected[s].codes_used_fraction.value);
            }
        }
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

TEST_CASE("schemes that do not exist are refused")
{
    NEEDS_DEVICE();
    const device_matrix<float> matrix(std::vector<float>(64, 1.0F), 2);
    const auto message = [&](const scheme& options) {
        try {
            (void)simulate_quantization(matrix.view, options);
        } catch (const std::invalid_argument& error) {
            return std::string(error.what());
        }
        return std::string();
    };
    const std::string begin = "weightscope::simulate_quantization(weights, scheme): ";
    CHECK(message({.granularity = scale_granularity::per_channel, .channel_axis = 2})
          == begin + "scheme.channel_axis is 2, expected below the rank of the weights, 2");
    CHECK(message({.bits = 9}) == begin + "scheme.bits is 9, expected 2 to 8 or 16");
}
