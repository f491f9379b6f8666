#include <weightscope/cuda/bit_map.cuh>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "cuda/device.hpp"

#include <weightscope/analyzers/bit_map.hpp>
#include <weightscope/core/bit_layout.hpp>
#include <weightscope/core/scalars.hpp>

using namespace weightscope;

namespace {

template <class T>
void check_same_map(const std::vector<T>& numbers, std::size_t rows, std::size_t padding)
{
    const device_matrix<T> matrix(numbers, rows, padding);
    const bit_map_result found = analyze_bit_map(matrix.view),
                         expected = detail::map_bits({.data = reinterpret_cast<const std::byte*>(numbers.data()), .size = numbers.size(), .layout = bit_layout_of<T>()}, {});
    CHECK(found.size == expected.size);
    CHECK(found.nonfinite_count == expected.nonfinite_count);
    CHECK(found.zero_count == expected.zero_count);
    CHECK(found.max_magnitude == expected.max_magnitude);
    CHECK(found.rms == Approx(expected.rms).epsilon(1e-14));
    CHECK((found.exponents == expected.exponents));
    REQUIRE(found.positions.size() == expected.positions.size());
    for (std::size_t bit = 0; bit < found.positions.size(); ++bit) {
        const bit_position &a = found.positions[bit], &b = expected.positions[bit];
        CAPTURE(bit);
        CHECK(a.kind == b.kind);
        CHECK(a.flip_count == b.flip_count);
        CHECK(a.nan_count == b.nan_count);
        CHECK(a.infinite_count == b.infinite_count);
        CHECK(a.unchanged_count == b.unchanged_count);
        CHECK(a.max_change.reason == b.max_change.reason);
        CHECK(a.max_index == b.max_index);
        CHECK(a.max_old == b.max_old);
        CHECK(a.max_new == b.max_new);
        CHECK(a.above_max_count == b.above_max_count);
        CHECK(a.above_rms_count == b.above_rms_count);
        CHECK((a.changes == b.changes));
        if (b.mean_change.exists())
            CHECK(a.mean_change.value == Approx(b.mean_change.value).epsilon(1e-14));
    }
}

template <class T>
void check_map(tensor_kind kind, std::size_t rows, std::size_t cols, std::size_t padding)
{
    CAPTURE(static_cast<int>(kind), rows, cols);
    check_same_map(numbers_of_kind<T>(kind, rows * cols, 31), rows, padding);
}

}  // namespace

TEST_CASE("the map of flipped bits on a device is that of the host")
{
    NEEDS_DEVICE();
    for (const tensor_kind kind : tensor_kinds) {
        check_map<float>(kind, 20, 150, 0);
        check_map<float>(kind, 7, 33, 2);
        check_map<bfloat16>(kind, 30, 200, 0);
        check_map<float16>(kind, 7, 111, 3);
        check_map<float8_e4m3>(kind, 5, 300, 0);
        check_map<float8_e5m2>(kind, 1, 77, 0);
    }
}

TEST_CASE("every class of floats is mapped as on the host")
{
    NEEDS_DEVICE();
    std::vector<float> numbers;
    for (std::uint32_t exponent = 0; exponent < 256; ++exponent)
        for (const std::uint32_t limit : {1u, 129u, 32897u, 559241u, 2796203u, 0x7fffffu})
            for (const std::uint32_t mantissa : {limit - 1, limit})
                numbers.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(numbers.size() % 2) << 31 | exponent << 23 | mantissa));
    for (std::uint32_t bit = 0; bit < 23; ++bit)
        numbers.push_back(std::bit_cast<float>(1u << bit));
    check_same_map(numbers, 1, 0);
    std::reverse(numbers.begin(), numbers.end());
    check_same_map(numbers, 1, 0);
}

TEST_CASE("a map of nothing is empty, and a factor of 0 is refused")
{
    NEEDS_DEVICE();
    const device_matrix<float> no_floats({}, 0);
    CHECK(analyze_bit_map(no_floats.view).positions.size() == 32);
    const device_matrix<float16> none({}, 0);
    const bit_map_result map = analyze_bit_map(none.view);
    CHECK(map.size == 0);
    CHECK(map.positions.size() == 16);
    CHECK_THROWS_WITH(analyze_bit_map(none.view, {.rms_factor = 0}), "weightscope::analyze_bit_map(weights, options): rms_factor is 0, expected above 0");
}
