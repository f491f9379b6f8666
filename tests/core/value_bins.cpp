#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include <weightscope/core/value_bins.hpp>

#include "../catch.hpp"

using namespace weightscope::detail;

TEST_CASE("bins ascend with the values and contain them, for every pattern of 16 bits and its neighbours")
{
    double before = -INFINITY;
    for (std::size_t bin = 0; bin < value_bin_count; ++bin) {
        const std::uint32_t m = magnitude_of_bin(bin);
        if (m >= finite_magnitude_bins)
            continue;
        CHECK(ascending_bin(signed_magnitude_of_bin(bin)) == bin);
        const bin_range range = range_of_bin<float>(bin);
        CHECK(range.lower >= before);
        CHECK(range.lower < range.upper);
        before = range.lower;
        for (const std::uint32_t low : {0u, 1u, 0x8000u, 0xffffu}) {
            const float w = std::bit_cast<float>(signed_magnitude_of_bin(bin) << 16 | low);
            CHECK(ascending_bin(signed_magnitude_bin(w)) == bin);
            CHECK(static_cast<double>(w) >= range.lower);
            CHECK(static_cast<double>(w) <= range.upper);
            if (w != 0)
                CHECK(bin_of<float>(static_cast<double>(w)) == bin);
        }
    }
}

TEST_CASE("doubles fall into the bin of the float below them in magnitude")
{
    for (const double w : {1.0, -1.0, 0.1, -0.3, 3.14159, 1e-30, -1e30, 0x1.fffffffffffffp-3}) {
        const std::size_t bin = ascending_bin(signed_magnitude_bin(w));
        const bin_range range = range_of_bin<double>(bin);
        CHECK(w >= range.lower);
        CHECK(w <= range.upper);
        CHECK(bin_of<double>(w) == bin);
        CHECK(bin_of<float>(w) == bin);
    }
    CHECK(ascending_bin(signed_magnitude_bin(1e-300)) == 0x8000);
    CHECK(ascending_bin(signed_magnitude_bin(-0.0)) == 0x7fff);
    CHECK(magnitude_of_bin(ascending_bin(signed_magnitude_bin(1e300))) == finite_magnitude_bins - 1);
    CHECK(range_of_bin<double>(0x8000 + finite_magnitude_bins - 1).upper == INFINITY);
}

TEST_CASE("what is not finite has no bin among the finite ones")
{
    for (const double x : {HUGE_VAL, -HUGE_VAL, std::nan("")}) {
        CHECK((signed_magnitude_bin(x) & 0x7fff) >= finite_magnitude_bins);
        CHECK((signed_magnitude_bin(static_cast<float>(x)) & 0x7fff) >= finite_magnitude_bins);
    }
    CHECK((signed_magnitude_bin(std::numeric_limits<float>::max()) & 0x7fff) == finite_magnitude_bins - 1);
}
