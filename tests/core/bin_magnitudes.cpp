#include <algorithm>
#include <bit>
#include <cstdint>
#include <vector>

#include <weightscope/core/bin_magnitudes.hpp>

#include "../catch.hpp"

using weightscope::detail::bin_magnitudes, weightscope::detail::low_bits;

namespace {

constexpr std::uint32_t m = 0x3f80;  // magnitudes from 1 to 1.0078

double value(std::uint32_t low) { return static_cast<double>(std::bit_cast<float>(m << 16 | low)); }

bin_magnitudes counted(const std::vector<std::uint32_t>& lows)
{
    std::vector<std::uint64_t> counts(low_bits::number_count);
    for (const std::uint32_t low : lows)
        ++counts[low];
    return {low_bits(counts), m};
}

bin_magnitudes listed(std::vector<std::uint32_t> lows)
{
    std::sort(lows.begin(), lows.end());
    return {low_bits(std::vector<std::uint16_t>(lows.begin(), lows.end())), m};
}

bin_magnitudes sorted(std::vector<std::uint32_t> lows)
{
    std::sort(lows.begin(), lows.end());
    std::vector<double> values;
    for (const std::uint32_t low : lows)
        values.push_back(value(low));
    return bin_magnitudes(values);
}

}  // namespace

TEST_CASE("magnitudes answer alike whether they are sorted doubles or 16-bit numbers, listed or counted")
{
    const std::vector<std::uint32_t> lows = {5, 0, 65535, 5, 77, 5};
    for (const bin_magnitudes& bin : {sorted(lows), listed(lows), counted(lows)}) {
        CHECK(bin.total() == 6);
        CHECK(bin.kth(0) == value(0));
        CHECK(bin.kth(1) == value(5));
        CHECK(bin.kth(3) == value(5));
        CHECK(bin.kth(5) == value(65535));
        CHECK(bin.count_below(value(5)) == 1);
        CHECK(bin.count_at_most(value(5)) == 4);
        CHECK(bin.count_at_most(2) == 6);
        CHECK(bin.count_below(0.5) == 0);
    }
}

TEST_CASE("the two signs of a magnitude are put together in any form")
{
    const std::vector<std::uint32_t> a = {3, 9}, b = {1, 9};
    for (const bin_magnitudes& both : {bin_magnitudes::merged(sorted(a), sorted(b)), bin_magnitudes::merged(counted(a), listed(b)),
                                       bin_magnitudes::merged(listed(a), counted(b)), bin_magnitudes::merged(counted(a), counted(b)),
                                       bin_magnitudes::merged(listed(a), listed(b))}) {
        CHECK(both.total() == 4);
        CHECK(both.kth(0) == value(1));
        CHECK(both.kth(1) == value(3));
        CHECK(both.kth(3) == value(9));
        CHECK(both.count_at_most(value(3)) == 2);
    }
    CHECK(bin_magnitudes::merged({}, sorted(a)).total() == 2);
    CHECK(bin_magnitudes::merged({}, listed(a)).kth(1) == value(9));
    CHECK(bin_magnitudes::merged({}, {}).total() == 0);
}
