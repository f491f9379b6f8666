#pragma once

#include <weightscope/cuda/error.cuh>

#include <cstddef>
#include <math.h>

#include <weightscope/core/scalar_format.hpp>
#include <weightscope/cuda/device_errors.cuh>
#include <weightscope/cuda/plain_codec.cuh>

namespace weightscope::detail {

enum class output_kind
{
    decoded,      // 0 where the weight is not finite
    error_sizes,  // |e|; NaN where the weight is not finite
    code_numbers  // what tells codes apart; that of 0 where the weight is not finite
};

// What a simulation writes for each weight, [rows, cols], or null.
struct simulation_output
{
    float* numbers = nullptr;
    output_kind kind = output_kind::decoded;

    template <class Codec, class Real>
    __device__ void write(std::size_t at, const Codec& codec, const typename Codec::step& step, const fetched_weight<Real>& weight,
                          const decoded_weight<Real>& decoded) const
    {
        if (numbers == nullptr)
            return;
        switch (kind) {
        case output_kind::decoded: numbers[at] = weight.finite ? static_cast<float>(decoded.value) : 0; break;
        case output_kind::error_sizes: {
            const double error = static_cast<double>(weight.value) - static_cast<double>(decoded.value);
            numbers[at] = weight.finite ? static_cast<float>(fabs(error)) : bits_as<float>(0x7fc00000u);
            break;
        }
        case output_kind::code_numbers: numbers[at] = codec.code_number(decoded.level, step); break;
        }
    }
};

}  // namespace weightscope::detail
