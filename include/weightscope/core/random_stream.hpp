#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <limits>

#include <weightscope/core/special.hpp>

namespace weightscope {

/// Seeded random numbers, the same on every platform and with every standard library.
///
///     random_stream random(7);
///     const double u = random.uniform(), z = random.normal();
///
/// xoshiro256** with its state filled by splitmix64, as its authors advise. Models std::uniform_random_bit_generator, but
/// std:: distributions differ between standard libraries: use the members.
///
/// @see Blackman, Vigna 2018, arXiv:1805.01407; Steele, Lea, Flood 2014, doi:10.1145/2660193.2660195
class random_stream
{
public:
    using result_type = std::uint64_t;

    /// @param seed  any number; neighbouring seeds give unrelated streams
    explicit constexpr random_stream(std::uint64_t seed) noexcept
    {
        for (std::uint64_t& word : state_)
            word = splitmix64(seed);
    }

    /// A stream that continues from `state`, which must not be all zeros.
    explicit constexpr random_stream(const std::array<std::uint64_t, 4>& state) noexcept : state_(state) {}

    static constexpr result_type min() noexcept { return 0; }
    static constexpr result_type max() noexcept { return std::numeric_limits<result_type>::max(); }

    /// 64 random bits.
    constexpr result_type operator()() noexcept
    {
        const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
        const std::uint64_t shifted = state_[1] << 17;
        state_[2] ^= state_[0];
        state_[3] ^= state_[1];
        state_[1] ^= state_[2];
        state_[0] ^= state_[3];
        state_[2] ^= shifted;
        state_[3] = std::rotl(state_[3], 45);
        return result;
    }

    /// Uniform in [0, 1): a multiple of 2^-53.
    constexpr double uniform() noexcept { return static_cast<double>((*this)() >> 11) * 0x1p-53; }

    /// Standard normal: the inverse distribution function of a uniform odd multiple of 2^-53. |z| < 8.3.
    double normal() { return inverse_normal_cdf((static_cast<double>((*this)() >> 12) + 0.5) * 0x1p-52); }

    /// Uniform in 0 ... n-1, without bias; 0 if n is 0.
    constexpr std::uint64_t below(std::uint64_t n) noexcept
    {
        if (n == 0)
            return 0;
        const std::uint64_t uneven = (0 - n) % n;  // 2^64 mod n: as many numbers are drawn again
        std::uint64_t x = (*this)();
        while (x < uneven)
            x = (*this)();
        return x % n;
    }

private:
    static constexpr std::uint64_t splitmix64(std::uint64_t& state) noexcept
    {
        std::uint64_t z = (state += 0x9e3779b97f4a7c15u);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return z ^ (z >> 31);
    }

    std::array<std::uint64_t, 4> state_{};
};

}  // namespace weightscope
