#pragma once
// Tensors on the device for tests, which run on the emulator where g++ compiles them and on a GPU where nvcc does.

#include <weightscope/cuda/error.cuh>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <limits>
#include <span>
#include <vector>

#include "catch.hpp"

#include <weightscope/cuda/memory.cuh>
#include <weightscope/cuda/stream.cuh>
#include <weightscope/cuda/view.cuh>

// First line of a test: says that it is skipped where there is no device.
#define NEEDS_DEVICE() \
    do { \
        begin_device_test(); \
        if (!weightscope::has_cuda_device()) { \
            std::fputs("skipped: no CUDA device\n", stderr); \
            return; \
        } \
    } while (false)

inline void begin_device_test()
{
#if defined(WEIGHTSCOPE_CUDA_EMULATION)
    emulator::reset();
#endif
}

/// A matrix on the device, `padding` numbers of garbage after each row, the first number `offset` numbers into its memory.
template <class T>
struct device_matrix
{
    weightscope::cuda_stream stream;
    weightscope::device_memory<T> memory;
    weightscope::device_view<T> view;

    device_matrix(const std::vector<T>& numbers, std::size_t rows, std::size_t padding = 0, std::size_t offset = 0)
    {
        const std::size_t cols = rows ? numbers.size() / rows : 0, stride = cols + padding;
        std::vector<T> padded(offset + rows * stride);
        if (!padded.empty())
            std::memset(static_cast<void*>(padded.data()), 0x7f, padded.size() * sizeof(T));  // large numbers, or NaN
        for (std::size_t i = 0; i < numbers.size(); ++i)
            padded[offset + i / cols * stride + i % cols] = numbers[i];
        memory = weightscope::device_memory<T>(std::span<const T>(padded), stream.get());
        view = {.data = memory.data() + offset, .rows = rows, .cols = cols, .row_stride = stride, .stream = stream.get()};
    }
};

/// Deterministic numbers for tests, close to normal with standard deviation 1.
class test_numbers
{
public:
    explicit test_numbers(std::uint64_t seed) : state_(seed * 2 + 1) {}
    std::uint32_t bits()
    {
        state_ = state_ * 6364136223846793005u + 1442695040888963407u;
        return static_cast<std::uint32_t>(state_ >> 32);
    }
    double uniform() { return bits() * 0x1p-32; }
    double normal()
    {
        double sum = -6;
        for (int i = 0; i < 12; ++i)
            sum += uniform();
        return sum;
    }

private:
    std::uint64_t state_;
};

/// Kinds of tensors that break something somewhere.
enum class tensor_kind
{
    normal,
    shifted,     // a mean far from 0
    sparse,      // half of it zeros, some of them -0
    constant,
    few_values,
    hostile,     // NaN, infinities, subnormals, zeros of both signs, extremes
    all_nan,
    any_bits,
};
inline constexpr tensor_kind tensor_kinds[] = {tensor_kind::normal,     tensor_kind::shifted, tensor_kind::sparse,  tensor_kind::constant,
                                               tensor_kind::few_values, tensor_kind::hostile, tensor_kind::all_nan, tensor_kind::any_bits};

template <class T>
std::vector<T> numbers_of_kind(tensor_kind kind, std::size_t size, std::uint64_t seed = 1)
{
    test_numbers random(seed);
    std::vector<T> numbers(size);
    const float infinity = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
    for (T& number : numbers) {
        const auto x = static_cast<float>(0.02 * random.normal());
        const std::uint32_t choice = random.bits() >> 16;
        switch (kind) {
        case tensor_kind::normal: number = T(x); break;
        case tensor_kind::shifted: number = T(1 + x / 16); break;
        case tensor_kind::sparse: number = T(choice % 2 ? x : choice % 32 == 0 ? -0.0F : 0.0F); break;
        case tensor_kind::constant: number = T(0.375F); break;
        case tensor_kind::few_values: number = T(static_cast<float>(static_cast<int>(choice % 7) - 3) * 0.1F); break;
        case tensor_kind::hostile: {
            const float values[] = {nan,    infinity, -infinity, 0.0F,        -0.0F,        1e-40F, -1e-40F,
                                    1e-45F, 3e38F,    -3e38F,    x * 1e-30F,  x * 1e30F,    1e-6F,  1e-4F};
            number = T(choice % 8 ? x : values[choice / 8 % std::size(values)]);
            break;
        }
        case tensor_kind::all_nan: number = T(choice % 3 ? nan : infinity); break;
        case tensor_kind::any_bits: {
            const std::uint32_t bits = random.bits();
            std::memcpy(static_cast<void*>(&number), &bits, sizeof number);
            break;
        }
        }
    }
    return numbers;
}
