#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <weightscope/core/random_stream.hpp>
#include <weightscope/core/shuffle.hpp>

#include "../catch.hpp"

using namespace weightscope;

TEST_CASE("shuffling keeps the elements and makes every order as likely")
{
    std::vector<std::size_t> at(24);
    random_stream random(9);
    std::vector<std::uint64_t> storage;
    const std::vector<std::uint16_t> values = {1, 2, 3, 4};
    const detail::matrix_source matrix{detail::source_of(std::span<const std::uint16_t>(values)), 2, 2};
    for (int trial = 0; trial < 24'000; ++trial) {
        const auto shuffled = detail::shuffled(matrix, random, storage).elements.as<std::uint16_t>();
        std::vector<std::uint16_t> order(shuffled.begin(), shuffled.end());
        std::size_t index = 0;  // Lehmer code
        for (std::size_t i = 0; i < 4; ++i)
            index = index * (4 - i) + static_cast<std::size_t>(std::count_if(order.begin() + static_cast<std::ptrdiff_t>(i), order.end(), [&](auto x) { return x < order[i]; }));
        ++at.at(index);
    }
    for (const std::size_t count : at)
        CHECK(std::fabs(static_cast<double>(count) - 1000) < 5 * std::sqrt(1000.0));
}

TEST_CASE("shuffling takes elements of any type, and as many")
{
    const auto check = [](const auto& values) {
        random_stream random(3);
        std::vector<std::uint64_t> storage;
        const auto source = detail::source_of(std::span(values));
        const auto before = detail::to_doubles(source);
        auto after = detail::to_doubles(detail::shuffled({source, 1, values.size()}, random, storage).elements);
        CHECK(after != before);
        std::sort(after.begin(), after.end());
        CHECK(after == before);
    };
    std::vector<std::int8_t> bytes(101);
    std::vector<float> floats(1001);
    std::vector<double> doubles(77);
    for (std::size_t i = 0; i < bytes.size(); ++i)
        bytes[i] = static_cast<std::int8_t>(i);
    for (std::size_t i = 0; i < floats.size(); ++i)
        floats[i] = static_cast<float>(i) / 8;
    for (std::size_t i = 0; i < doubles.size(); ++i)
        doubles[i] = std::sqrt(static_cast<double>(i));
    check(std::as_const(bytes));
    check(std::as_const(floats));
    check(std::as_const(doubles));
    random_stream random(1);
    std::vector<std::uint64_t> storage;
    CHECK(detail::shuffled({detail::source_of(std::span<const float>()), 0, 3}, random, storage).elements.size == 0);
}
