#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <set>
#include <type_traits>
#include <vector>

#include <weightscope/core/random.hpp>
#include <weightscope/core/scalars.hpp>
#include <weightscope/core/xtensor.hpp>

#include "../catch.hpp"

using namespace weightscope;

TEST_CASE("xoshiro256** gives the published numbers")
{
    // state 1, 2, 3, 4: output of the authors' C program, as pinned by the Rust crate rand_xoshiro
    random_stream random(std::array<std::uint64_t, 4>{1, 2, 3, 4});
    const std::vector<std::uint64_t> known = {11520u,
                                              0u,
                                              1509978240u,
                                              1215971899390074240u,
                                              1216172134540287360u,
                                              607988272756665600u,
                                              16172922978634559625u,
                                              8476171486693032832u,
                                              10595114339597558777u,
                                              2904607092377533576u};
    for (const std::uint64_t expected : known)
        CHECK(random() == expected);
}

TEST_CASE("a seed is spread over the state by splitmix64")
{
    // the first four numbers of splitmix64 from 1234567, as published at rosettacode.org/wiki/Pseudo-random_numbers/Splitmix64
    random_stream seeded(1234567);
    random_stream spread(std::array<std::uint64_t, 4>{6457827717110365317u, 3203168211198807973u, 9817491932198370423u,
                                                      4593380528125082431u});
    for (int i = 0; i < 16; ++i)
        CHECK(seeded() == spread());
}

TEST_CASE("a random stream is a uniform random bit generator of the standard library")
{
    STATIC_REQUIRE(std::uniform_random_bit_generator<random_stream>);
    STATIC_REQUIRE(random_stream::max() == std::numeric_limits<std::uint64_t>::max());
}

TEST_CASE("equal seeds give equal streams and neighbouring seeds do not")
{
    std::set<std::uint64_t> seen;
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
        random_stream a(seed), b(seed);
        for (int i = 0; i < 10; ++i) {
            const std::uint64_t x = a();
            CHECK(x == b());
            seen.insert(x);
        }
    }
    CHECK(seen.size() == 1000);
}

TEST_CASE("random numbers never change between platforms and releases")
{
    // M = 2**64 - 1; rotl = lambda x, k: (x << k | x >> 64 - k) & M
    // def words(seed):
    //     s = []
    //     for _ in range(4):
    //         seed = (seed + 0x9e3779b97f4a7c15) & M; z = (seed ^ seed >> 30) * 0xbf58476d1ce4e5b9 & M
    //         z = (z ^ z >> 27) * 0x94d049bb133111eb & M; s.append(z ^ z >> 31)
    //     while True:
    //         yield rotl(s[1] * 5 & M, 7) * 9 & M
    //         t = s[1] << 17 & M; s[2] ^= s[0]; s[3] ^= s[1]; s[1] ^= s[2]; s[0] ^= s[3]; s[2] ^= t; s[3] = rotl(s[3], 45)
    // w = words(42)
    // print(next(w), (next(w) >> 11) * 2**-53, NormalDist().inv_cdf(((next(w) >> 12) + 0.5) * 2**-52), next(w) % 1000)
    random_stream random(42);
    CHECK(random() == 1546998764402558742u);
    CHECK(random.uniform() == 0.3789802506626686);
    CHECK(random.normal() == 0.467820194336525);  // python's last digits, 505, come from its library's log
    CHECK(random.below(1000) == 193);
    const auto w = random_normal<float>({2, 2}, {.seed = 7, .mean = 1, .std = 0.02});
    CHECK(w(1, 1) == 1.04153931f);
}

TEST_CASE("uniform numbers fill [0, 1) evenly")
{
    random_stream random(1);
    constexpr int n = 1'000'000;
    std::array<int, 16> bins{};
    double sum = 0, squares = 0, lowest = 1, highest = 0;
    for (int i = 0; i < n; ++i) {
        const double u = random.uniform();
        lowest = std::min(lowest, u);
        highest = std::max(highest, u);
        ++bins.at(static_cast<std::size_t>(u * 16));
        sum += u;
        squares += u * u;
    }
    CHECK((lowest >= 0 && lowest < 1e-4));
    CHECK((highest < 1 && highest > 1 - 1e-4));
    // four standard errors: sqrt(1/12/n) of the mean, sqrt(4/45/n) of the mean square, sqrt(n/16 · 15/16) of a bin
    CHECK(std::fabs(sum / n - 0.5) < 4 * std::sqrt(1.0 / 12 / n));
    CHECK(std::fabs(squares / n - 1.0 / 3) < 4 * std::sqrt(4.0 / 45 / n));
    for (const int count : bins)
        CHECK(std::fabs(count - n / 16.0) < 4 * std::sqrt(n / 16.0 * 15 / 16));
}

TEST_CASE("normal numbers have the moments and the tails of a Gaussian")
{
    random_stream random(2);
    constexpr int n = 1'000'000;
    std::array<double, 5> power{};
    int beyond_3 = 0;
    for (int i = 0; i < n; ++i) {
        const double z = random.normal();
        double p = 1;
        for (double& sum : power) {
            sum += p;
            p *= z;
        }
        beyond_3 += std::fabs(z) > 3;
    }
    // four standard errors, from E z² = 1, E z⁴ = 3, E z⁶ = 15, E z⁸ = 105
    CHECK(std::fabs(power[1] / n) < 4 * std::sqrt(1.0 / n));
    CHECK(std::fabs(power[2] / n - 1) < 4 * std::sqrt(2.0 / n));
    CHECK(std::fabs(power[3] / n) < 4 * std::sqrt(15.0 / n));
    CHECK(std::fabs(power[4] / n - 3) < 4 * std::sqrt(96.0 / n));
    CHECK(std::fabs(beyond_3 - n * 0.0026997960632601866) < 4 * std::sqrt(n * 0.0027));
}

TEST_CASE("bounded integers stay below their bound and reach every value")
{
    random_stream random(3);
    std::array<int, 7> counts{};
    for (int i = 0; i < 70'000; ++i)
        ++counts.at(random.below(7));
    for (const int count : counts)
        CHECK(std::fabs(count - 10'000) < 4 * std::sqrt(70'000.0 / 7 * 6 / 7));
    CHECK(random.below(1) == 0);
    CHECK(random.below(0) == 0);
    const std::uint64_t huge = (std::uint64_t{1} << 63) + 1;  // nearly half of all words are drawn again
    for (int i = 0; i < 100; ++i)
        CHECK(random.below(huge) < huge);
}

TEMPLATE_TEST_CASE("random tensors are the stream in row-major order, rounded once", "", float, double, float16,
                   bfloat16)
{
    const auto w = random_normal<TestType>({3, 4, 5}, {.seed = 9, .mean = -0.5, .std = 2});
    const auto u = random_uniform<TestType>({60}, {.seed = 9, .low = -1, .high = 3});
    STATIC_REQUIRE(std::is_same_v<std::remove_cv_t<decltype(w)>, xt::xtensor<TestType, 3>>);
    random_stream normal(9), uniform(9);
    for (std::size_t i = 0; i < 60; ++i) {
        CHECK(w(i / 20, i / 5 % 4, i % 5) == TestType(std::fma(2.0, normal.normal(), -0.5)));
        CHECK(u(i) == TestType(4 * uniform.uniform() - 1));
    }
}

TEST_CASE("random tensors may be empty or constant")
{
    CHECK(random_normal<float>({0, 4}).size() == 0);
    const auto w = random_normal<float>({8}, {.mean = 3, .std = 0});
    CHECK(std::all_of(w.begin(), w.end(), [](float x) { return x == 3; }));
}

TEST_CASE("random tensors refuse what is no distribution")
{
    CHECK_THROWS_WITH(random_normal<float>({2}, {.std = -1}),
                      "weightscope::random_normal(shape, options): options.std is -1, expected >= 0");
    CHECK_THROWS_WITH(random_normal<float>({2}, {.std = std::nan("")}),
                      "weightscope::random_normal(shape, options): options.std is nan, expected >= 0");
    CHECK_THROWS_WITH(random_uniform<float>({2}, {.low = 1, .high = 1}),
                      "weightscope::random_uniform(shape, options): options.low is 1, expected below options.high, 1");
}
