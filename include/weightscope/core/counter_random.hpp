#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include <weightscope/core/device.hpp>

namespace weightscope {

namespace detail {

struct philox_words
{
    std::uint32_t words[4];  // device code cannot call members of std::array
};

WEIGHTSCOPE_HOST_DEVICE constexpr philox_words philox(philox_words counter, std::uint32_t low_key, std::uint32_t high_key) noexcept
{
    for (int round = 0; round < 10; ++round) {
        const std::uint64_t a = std::uint64_t{0xd2511f53u} * counter.words[0];
        const std::uint64_t b = std::uint64_t{0xcd9e8d57u} * counter.words[2];
        counter = {{static_cast<std::uint32_t>(b >> 32) ^ counter.words[1] ^ low_key, static_cast<std::uint32_t>(b),
                    static_cast<std::uint32_t>(a >> 32) ^ counter.words[3] ^ high_key, static_cast<std::uint32_t>(a)}};
        low_key += 0x9e3779b9u;
        high_key += 0xbb67ae85u;
    }
    return counter;
}

}  // namespace detail

/// 128 random bits that depend on nothing but a counter and a key.
///
///     Philox4x32-10
///
/// @see Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3", doi:10.1145/2063384.2063405
[[nodiscard]] constexpr std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                                                std::array<std::uint32_t, 2> key) noexcept
{
    const detail::philox_words x = detail::philox({{counter[0], counter[1], counter[2], counter[3]}}, key[0], key[1]);
    return {x.words[0], x.words[1], x.words[2], x.words[3]};
}

/// Random numbers with an address instead of an order: the number of a weight in a draw is the same whoever asks for it, when, and on
/// which thread, and none has to be stored.
///
///     const counter_random random(seed, "probe", "layers.0.weight");
///     random.uniform(element, draw);
class counter_random
{
public:
    /// @param seed     of the computation
    /// @param purpose  what the numbers are for: different purposes give unrelated numbers
    /// @param name     of the tensor
    constexpr counter_random(std::uint64_t seed, std::string_view purpose, std::string_view name) noexcept
    {
        const std::uint64_t key = mixed(mixed(mixed(seed) ^ hash(purpose)) ^ hash(name));
        low_key_ = static_cast<std::uint32_t>(key);
        high_key_ = static_cast<std::uint32_t>(key >> 32);
    }

    /// 64 random bits.
    [[nodiscard]] WEIGHTSCOPE_HOST_DEVICE constexpr std::uint64_t bits(std::uint64_t element, std::uint64_t draw) const noexcept
    {
        const detail::philox_words x = block(element, draw);
        return std::uint64_t{x.words[1]} << 32 | x.words[0];
    }

    /// Uniform in [0, 1): a multiple of 2^-53.
    [[nodiscard]] WEIGHTSCOPE_HOST_DEVICE constexpr double uniform(std::uint64_t element, std::uint64_t draw) const noexcept
    {
        return static_cast<double>(bits(element, draw) >> 11) * 0x1p-53;
    }

    /// Rademacher numbers, 1 or -1 with probability 1/2 each, for the elements from `first` on. They share their counters with nothing
    /// else only if no other kind of number is drawn for the same purpose.
    constexpr void fill_signs(std::uint64_t first, std::uint64_t draw, std::span<double> signs) const noexcept
    {
        for (std::size_t done = 0; done < signs.size();) {
            const std::uint64_t element = first + done;
            const std::size_t offset = static_cast<std::size_t>(element % 128);
            const std::size_t count = std::min(signs.size() - done, 128 - offset);
            const detail::philox_words x = block(element / 128, draw);
            for (std::size_t i = offset; i < offset + count; ++i)
                signs[done + i - offset] = (x.words[i / 32] >> (i % 32) & 1u) != 0 ? 1.0 : -1.0;
            done += count;
        }
    }

private:
    WEIGHTSCOPE_HOST_DEVICE constexpr detail::philox_words block(std::uint64_t index, std::uint64_t draw) const noexcept
    {
        return detail::philox({{static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(index >> 32), static_cast<std::uint32_t>(draw),
                                static_cast<std::uint32_t>(draw >> 32)}},
                              low_key_, high_key_);
    }

    // the finisher of splitmix64
    static constexpr std::uint64_t mixed(std::uint64_t z) noexcept
    {
        z += 0x9e3779b97f4a7c15u;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return z ^ (z >> 31);
    }

    // FNV-1a
    static constexpr std::uint64_t hash(std::string_view text) noexcept
    {
        std::uint64_t h = 0xcbf29ce484222325u;
        for (const char c : text)
            h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
        return h;
    }

    std::uint32_t low_key_ = 0, high_key_ = 0;
};

}  // namespace weightscope
