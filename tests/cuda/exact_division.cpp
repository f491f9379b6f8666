#include <weightscope/cuda/exact_division.cuh>

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "cuda/device.hpp"

#include <weightscope/cuda/launch.cuh>

namespace {

using namespace weightscope;

__global__ void divide_all(const float* a, const float* b, std::size_t count, float* quotients)
{
    for (std::size_t i = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x; i < count; i += std::size_t{gridDim.x} * blockDim.x)
        quotients[i] = detail::quotient_of(a[i], __ddiv_rn(1, static_cast<double>(b[i])));
}

__global__ void divide_all_in_double(const double* a, const double* b, std::size_t count, double* quotients)
{
    for (std::size_t i = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x; i < count; i += std::size_t{gridDim.x} * blockDim.x)
        quotients[i] = detail::exact_divisor::of(b[i]).quotient(a[i]);
}

template <class T>
std::vector<T> quotients_on_device(void (*kernel)(const T*, const T*, std::size_t, T*), const std::vector<T>& a, const std::vector<T>& b)
{
    const cuda_stream stream;
    const device_memory<T> of_a(std::span<const T>(a), stream.get()), of_b(std::span<const T>(b), stream.get()), result(a.size(), stream.get());
    detail::launch(kernel, "divide", {.grid = 8, .threads = 128, .stream = stream.get()}, of_a.data(), of_b.data(), a.size(), result.data());
    std::vector<T> quotients(a.size());
    copy_to_host(static_cast<const T*>(result.data()), std::span(quotients), stream.get());
    stream.wait();
    return quotients;
}

// s⁻¹ modulo 2^64, by Newton's steps; s is odd.
std::uint64_t inverse_of(std::uint64_t s)
{
    std::uint64_t x = s;
    for (int i = 0; i < 6; ++i)
        x *= 2 - s * x;
    return x;
}

// w and s of so many bits whose quotient lies 1 / s of an ulp or less beside the middle between two neighbours: s · m = w · 2^(bits + 1) ± 1 for
// a middle m, which has one bit more than the numbers.
struct hard_quotient
{
    std::uint64_t w = 0, s = 0;
};

std::vector<hard_quotient> hard_quotients(int bits, std::size_t count)
{
    test_numbers random(5);
    std::vector<hard_quotient> result;
    const std::uint64_t modulus = std::uint64_t{1} << (bits + 1), half = modulus / 2;
    while (result.size() < count) {
        const std::uint64_t s = (((std::uint64_t{random.bits()} << 32 | random.bits()) % (half / 2)) | 1) + half / 2;
        for (const std::uint64_t m : {inverse_of(s) % modulus, (modulus - inverse_of(s) % modulus) % modulus})
            if (m >= half)
                result.push_back({static_cast<std::uint64_t>((static_cast<unsigned __int128>(s) * m + 1) >> (bits + 1)), s});
    }
    return result;
}

}  // namespace

TEST_CASE("quotients of floats by products in double are those of a division")
{
    NEEDS_DEVICE();
    std::vector<float> a, b;
    for (const hard_quotient& hard : hard_quotients(24, 20000)) {
        a.push_back(static_cast<float>(hard.w));
        b.push_back(static_cast<float>(hard.s));
    }
    test_numbers random(9);
    while (a.size() < 200000) {  // any bits, as long as the quotient is a normal float
        const float x = std::bit_cast<float>(random.bits()), y = std::bit_cast<float>(random.bits()), quotient = x / y;
        if (!std::isnormal(quotient) && !(std::isinf(quotient) && std::isfinite(x)))
            continue;
        a.push_back(x);
        b.push_back(y);
    }
    const std::vector<float> found = quotients_on_device(divide_all, a, b);
    std::size_t different = 0;
    for (std::size_t i = 0; i < a.size(); ++i)
        different += found[i] != a[i] / b[i];
    CHECK(different == 0);
}

TEST_CASE("quotients in double by a reciprocal and two corrections are those of a division")
{
    NEEDS_DEVICE();
    std::vector<double> a, b;
    for (const hard_quotient& hard : hard_quotients(53, 20000)) {
        a.push_back(static_cast<double>(hard.w));
        b.push_back(static_cast<double>(hard.s));
    }
    test_numbers random(9);
    while (a.size() < 100000) {
        a.push_back(static_cast<double>(random.normal()));
        b.push_back(std::ldexp(1 + random.uniform(), static_cast<int>(random.bits() % 300) - 150));
    }
    const std::vector<double> found = quotients_on_device(divide_all_in_double, a, b);
    std::size_t different = 0;
    for (std::size_t i = 0; i < a.size(); ++i)
        different += found[i] != a[i] / b[i];
    CHECK(different == 0);
}
