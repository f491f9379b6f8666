#include <array>
#include <cmath>
#include <cstdint>
#include <set>
#include <vector>

#include <weightscope/core/counter_random.hpp>

#include "../catch.hpp"

using namespace weightscope;

TEST_CASE("Philox4x32-10 gives the published numbers")
{
    // the known answers that its authors publish with Random123 (kat_vectors, "philox4x32 10")
    using four = std::array<std::uint32_t, 4>;
    CHECK(philox4x32({0, 0, 0, 0}, {0, 0}) == four{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
    CHECK(philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff})
          == four{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
    CHECK(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0})
          == four{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("a counter's number depends on seed, purpose, name, element and draw, and on nothing else")
{
    const counter_random random(7, "probe", "layer");
    CHECK(random.bits(3, 5) == counter_random(7, "probe", "layer").bits(3, 5));
    std::set<std::uint64_t> different = {random.bits(3, 5),
                                         random.bits(5, 3),
                                         random.bits(4, 5),
                                         random.bits(3, 6),
                                         counter_random(8, "probe", "layer").bits(3, 5),
                                         counter_random(7, "noise", "layer").bits(3, 5),
                                         counter_random(7, "probe", "layers").bits(3, 5),
                                         counter_random(7, "layer", "probe").bits(3, 5),
                                         random.bits(3, 5 + (std::uint64_t{1} << 40)),
                                         random.bits(3 + (std::uint64_t{1} << 40), 5)};
    CHECK(different.size() == 10);
}

TEST_CASE("signs are the same in pieces of any length")
{
    const counter_random random(1, "probe", "w");
    std::vector<double> whole(1000);
    random.fill_signs(0, 9, whole);
    for (const std::size_t piece : {1, 7, 128, 333}) {
        std::vector<double> pieces(1000);
        for (std::size_t begin = 0; begin < 1000; begin += piece)
            random.fill_signs(begin, 9, std::span(pieces).subspan(begin, std::min(piece, 1000 - begin)));
        CHECK(pieces == whole);
    }
}

TEST_CASE("signs and uniform numbers are as even as chance has it")
{
    const counter_random random(2, "probe", "w");
    const std::size_t n = 200000;
    std::vector<double> a(n), b(n);
    random.fill_signs(0, 0, a);
    random.fill_signs(0, 1, b);
    double sum = 0, product = 0, neighbours = 0, uniform = 0;
    for (std::size_t i = 0; i < n; ++i) {
        REQUIRE(std::fabs(a[i]) == 1);
        sum += a[i];
        product += a[i] * b[i];
        neighbours += i > 0 ? a[i] * a[i - 1] : 0;
        uniform += random.uniform(i, 0) - 0.5;
    }
    const double limit = 4.5 * std::sqrt(static_cast<double>(n));  // standard deviations
    CHECK(std::fabs(sum) < limit);
    CHECK(std::fabs(product) < limit);
    CHECK(std::fabs(neighbours) < limit);
    CHECK(std::fabs(uniform) < limit / std::sqrt(12.0));
}
