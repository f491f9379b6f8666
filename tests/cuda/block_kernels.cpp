// Groups of several rows, and random numbers that depend on places: what a device must tell apart by row and column.
#include "cuda/simulations.hpp"

#include <array>
#include <cstddef>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <weightscope/core/scalars.hpp>

namespace {

scheme in_blocks(scheme options, std::size_t rows, std::size_t cols)
{
    options.granularity = scale_granularity::per_block;
    options.block_rows = rows;
    options.block_cols = cols;
    return options;
}

scheme by_column(scheme options)
{
    options.granularity = scale_granularity::per_channel;
    options.channel_axis = 1;
    return options;
}

}  // namespace

TEST_CASE("channels of the second axis on a device are those of the host")
{
    NEEDS_DEVICE();
    std::vector<scheme> schemes;
    for (const bool symmetric : {true, false})
        for (const int bits : {4, 8, 16})
            schemes.push_back(by_column({.bits = bits, .symmetric = symmetric}));
    schemes.push_back(by_column({.bits = 4, .rounding = rounding_mode::half_away}));
    schemes.push_back(by_column({.bits = 8, .symmetric = false, .scale = scale_type::f64}));
    schemes.push_back(by_column(parse_scheme("fp8-e4m3")));
    check_schemes<float>(schemes, {37, 40}, 0);
    schemes.erase(schemes.begin(), schemes.begin() + 4);
    check_schemes<bfloat16>(schemes, {70, 35}, 3);
    check_schemes<float>(schemes, {1, 40}, 0);
    check_schemes<float>(schemes, {40, 1}, 2);
}

TEST_CASE("channels of convolutions on a device are planes of their kernels")
{
    NEEDS_DEVICE();
    const std::vector<scheme> schemes = {by_column({.bits = 4}), by_column({.bits = 8, .symmetric = false}), by_column(parse_scheme("nf4"))};
    check_schemes<float>(schemes, {6, 63, 9}, 0);
    check_schemes<float>(schemes, {5, 80, 40}, 1);
    check_schemes<float16>(schemes, {9, 66, 33}, 0);
    CHECK(view_of_device<float>(nullptr, {8, 3, 5, 7}).kernel == 35);
    CHECK(view_of_device<float>(nullptr, {8, 3}).kernel == 1);
    CHECK(view_of_device<float>(nullptr, {8}).kernel == 1);
}

TEST_CASE("scales of blocks on a device are those of the host")
{
    NEEDS_DEVICE();
    std::vector<scheme> schemes;
    for (const auto& [rows, cols] : {std::array<std::size_t, 2>{32, 32}, {16, 16}, {7, 5}, {1, 3}, {128, 128}, {40, 1}})
        for (const bool symmetric : {true, false})
            schemes.push_back(in_blocks({.bits = 4, .symmetric = symmetric}, rows, cols));
    schemes.push_back(in_blocks(parse_scheme("fp8-e4m3"), 16, 48));
    schemes.push_back(in_blocks(parse_scheme("mxfp4"), 2, 16));
    schemes.push_back(in_blocks(parse_scheme("nvfp4"), 2, 16));
    schemes.push_back(in_blocks({.bits = 8, .symmetric = false, .scale = scale_type::f16}, 64, 64));
    check_schemes<float>(schemes, {35, 75}, 0);
    schemes.erase(schemes.begin(), schemes.begin() + 6);
    check_schemes<float>(schemes, {1, 33}, 0);
    check_schemes<bfloat16>(schemes, {33, 1}, 4);
}

TEST_CASE("stochastic rounding on a device draws the host's numbers")
{
    NEEDS_DEVICE();
    std::vector<scheme> schemes;
    for (const bool symmetric : {true, false}) {
        const scheme plain{.bits = 4, .symmetric = symmetric, .rounding = rounding_mode::stochastic, .seed = 77};
        schemes.push_back(plain);
        schemes.push_back(by_column(plain));
        schemes.push_back(in_blocks(plain, 8, 24));
        schemes.push_back(plain);
        schemes.back().granularity = scale_granularity::per_channel;
        for (const std::size_t group_size : {std::size_t{24}, std::size_t{100}, std::size_t{300}}) {
            schemes.push_back(plain);
            schemes.back().granularity = scale_granularity::per_group;
            schemes.back().group_size = group_size;
        }
    }
    schemes.push_back({.bits = 8, .rounding = rounding_mode::stochastic, .scale = scale_type::f64});
    schemes.push_back({.bits = 3, .rounding = rounding_mode::stochastic, .seed = 5, .scale = scale_type::bf16});
    check_schemes<float>(schemes, {5, 310}, 0);
    check_schemes<float8_e4m3>(schemes, {3, 130}, 3);

    const std::vector<float> numbers = numbers_of_kind<float>(tensor_kind::normal, 4000);
    const device_matrix<float> matrix(numbers, 4);
    const auto noise = [&](std::uint64_t seed) {
        return simulate_quantization(matrix.view, {.bits = 4, .rounding = rounding_mode::stochastic, .seed = seed}).sums.squared_error;
    };
    CHECK(noise(1) == noise(1));
    CHECK(noise(1) != noise(2));
}

TEST_CASE("blocks of nothing have no figures")
{
    NEEDS_DEVICE();
    const device_matrix<float> matrix({}, 0);
    CHECK(simulate_quantization(matrix.view, in_blocks({}, 8, 8)).mse.reason == "no entries");
    CHECK(simulate_quantization(matrix.view, by_column({})).mse.reason == "no entries");
    device_matrix<float> odd(std::vector<float>(40, 1.0F), 2);
    odd.view.kernel = 3;
    std::string message;
    try {
        (void)simulate_quantization(odd.view, by_column({}));
    } catch (const std::invalid_argument& error) {
        message = error.what();
    }
    CHECK(message == "weightscope::simulate_quantization(weights, scheme): weights.kernel is 3, expected a divisor of the 20 columns");
}

#if defined(WEIGHTSCOPE_CUDA_EMULATION)
TEST_CASE("simulations of blocks do not depend on the order in which threads run")
{
    begin_device_test();
    const std::vector<float> numbers = numbers_of_kind<float>(tensor_kind::hostile, 70 * 90);
    const device_matrix<float> matrix(numbers, 70);
    const std::vector<scheme> schemes = {by_column({.bits = 4, .symmetric = false}), in_blocks({.bits = 4}, 32, 32), in_blocks({.bits = 8}, 64, 5)};
    const simulate_options extras{.channels = true, .groups = true};
    const auto first = simulate_sweep(matrix.view, schemes, extras);
    for (const emulator::order order : {emulator::order::backward, emulator::order::shuffled}) {
        emulator::the().fibers = order;
        const auto again = simulate_sweep(matrix.view, schemes, extras);
        for (std::size_t s = 0; s < schemes.size(); ++s) {
            CHECK(again[s].sums.squared_error == first[s].sums.squared_error);
            for (std::size_t g = 0; g < first[s].groups.size(); ++g)
                CHECK(again[s].groups[g].squared_error == first[s].groups[g].squared_error);
            for (std::size_t row = 0; row < first[s].channels.size(); ++row)
                CHECK(again[s].channels[row].squared_error == first[s].channels[row].squared_error);
        }
    }
    CHECK(emulator::the().fault.empty());
}
#endif
