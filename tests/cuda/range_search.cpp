// Searches for the range of groups on a device, beside those of the host.
#include "cuda/simulations.hpp"

#include <cstddef>
#include <span>
#include <vector>

#include <weightscope/core/scalars.hpp>

namespace {

// A scheme with each way to share a range.
std::vector<scheme> with_groups(const scheme& options, std::size_t group_size)
{
    std::vector<scheme> schemes(5, options);
    schemes[1].granularity = scale_granularity::per_channel;
    schemes[2].granularity = scale_granularity::per_group;
    schemes[2].group_size = group_size;
    schemes[3].granularity = scale_granularity::per_channel;
    schemes[3].channel_axis = 1;
    schemes[4].granularity = scale_granularity::per_block;
    schemes[4].block_rows = 3;
    schemes[4].block_cols = group_size / 2;
    return schemes;
}

void append(std::vector<scheme>& schemes, const std::vector<scheme>& more)
{
    schemes.insert(schemes.end(), more.begin(), more.end());
}

}  // namespace

TEST_CASE("percentiles of groups on a device are those of the host")
{
    NEEDS_DEVICE();
    std::vector<scheme> schemes;
    for (const bool symmetric : {true, false})
        append(schemes, with_groups({.bits = 4, .symmetric = symmetric, .search = range_search::percentile, .percentile = 80}, 24));
    schemes.push_back({.bits = 4, .search = range_search::percentile});
    schemes.push_back({.bits = 4, .symmetric = false, .search = range_search::percentile, .percentile = 1e-9});
    schemes.push_back({.bits = 8, .scale = scale_type::f64, .search = range_search::percentile, .percentile = 75});
    scheme fp8 = parse_scheme("fp8-e4m3");
    fp8.search = range_search::percentile;
    fp8.percentile = 97;
    append(schemes, with_groups(fp8, 24));
    check_schemes<float>(schemes, {5, 29}, 0);
    schemes.resize(5);
    check_schemes<bfloat16>(schemes, {1, 30}, 0);
    check_schemes<float>(schemes, {30, 1}, 3);
}

TEST_CASE("the best ranges of small groups on a device are those of the host")
{
    NEEDS_DEVICE();
    std::vector<scheme> schemes;
    append(schemes, with_groups({.bits = 4, .search = range_search::mse}, 24));
    append(schemes, with_groups({.bits = 2, .symmetric = false, .search = range_search::mse}, 16));
    append(schemes, with_groups({.bits = 3, .full_range = true, .scale = scale_type::f16, .search = range_search::mse}, 24));
    check_schemes<float>(schemes, {4, 26}, 1);
}

TEST_CASE("searches of schemes whose scales follow from both ends of a range are those of the host")
{
    NEEDS_DEVICE();
    std::vector<scheme> schemes;
    for (const char* name : {"torch-int8-asym", "gptq-int4", "ggml-q4_0", "quanto-int4"})
        for (const range_search search : {range_search::percentile, range_search::mse}) {
            scheme options = parse_scheme(name);
            options.search = search;
            options.percentile = 85;
            append(schemes, with_groups(options, 24));
        }
    for (const tensor_kind kind : {tensor_kind::normal, tensor_kind::sparse, tensor_kind::hostile})
        check_kind<float>(kind, schemes, {3, 50}, 0);
}

TEST_CASE("the best ranges of other grids on a device are those of the host")
{
    NEEDS_DEVICE();
    std::vector<scheme> schemes;
    for (const char* name : {"fp8-e4m3", "nf4"})
        for (const range_search search : {range_search::mse, range_search::p_norm}) {
            scheme options = parse_scheme(name);
            options.search = search;
            append(schemes, with_groups(options, 24));
        }
    for (const tensor_kind kind : {tensor_kind::normal, tensor_kind::hostile})
        check_kind<float>(kind, schemes, {3, 26}, 0);
}

TEST_CASE("the best ranges of large groups and of other norms lose what the host's lose")
{
    NEEDS_DEVICE();
    std::vector<scheme> schemes;
    for (const bool symmetric : {true, false}) {
        schemes.push_back({.bits = 8, .symmetric = symmetric, .search = range_search::mse});
        schemes.push_back({.bits = 4, .symmetric = symmetric, .granularity = scale_granularity::per_channel, .search = range_search::mse});
        schemes.push_back({.bits = 4, .symmetric = symmetric, .granularity = scale_granularity::per_group, .group_size = 32, .search = range_search::p_norm});
        schemes.push_back({.bits = 3, .symmetric = symmetric, .search = range_search::p_norm, .norm = 1});
    }
    // the host adds up products in float, to some 10^-8: at 8 bits, where 10^-5 of the squares is lost, that is a thousandth of it
    const tensor_extents extents{.rows = 2, .cols = 500};
    for (const tensor_kind kind : {tensor_kind::normal, tensor_kind::few_values}) {
        const std::vector<float> numbers = numbers_of_kind<float>(kind, extents.rows * extents.cols, 31);
        const device_matrix<float> matrix(numbers, extents.rows);
        const auto found = simulate_sweep(matrix.view, schemes), expected = on_host<float>(numbers, extents, schemes, {});
        for (std::size_t s = 0; s < schemes.size(); ++s) {
            CAPTURE(static_cast<int>(kind), to_string(schemes[s]));
            const double lost = found[s].sums.squared_error, lost_on_host = expected[s].sums.squared_error;
            CHECK(lost <= 1.005 * lost_on_host);
            if (kind == tensor_kind::normal)
                CHECK(lost_on_host <= 1.005 * lost);
            CHECK(found[s].sums.count == expected[s].sums.count);
        }
    }
}

#if defined(WEIGHTSCOPE_CUDA_EMULATION)
TEST_CASE("searches do not depend on the order in which threads run")
{
    begin_device_test();
    const std::vector<float> numbers = numbers_of_kind<float>(tensor_kind::hostile, 3 * 40);
    const device_matrix<float> matrix(numbers, 3);
    std::vector<scheme> schemes = with_groups({.bits = 4, .search = range_search::mse}, 16);
    append(schemes, with_groups({.bits = 4, .symmetric = false, .search = range_search::percentile, .percentile = 90}, 16));
    schemes.push_back({.bits = 4, .symmetric = false, .search = range_search::p_norm});
    check_any_order(matrix, schemes);
}
#endif
