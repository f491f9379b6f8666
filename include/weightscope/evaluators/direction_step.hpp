#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>
#include <vector>

#include <weightscope/core/counter_random.hpp>
#include <weightscope/evaluators/noise.hpp>
#include <weightscope/evaluators/storage_step.hpp>

namespace weightscope::detail {

// One of the two stored numbers next to `target`, each as likely as it is near: right on average, whatever the format.
template <class T>
T rounded_at_random(double target, double uniform)
{
    const double limit = static_cast<double>(code_of<T>::number(code_of<T>::largest()));
    if (!(std::fabs(target) < limit))
        return code_of<T>::number(target > 0 ? code_of<T>::largest() : -code_of<T>::largest());
    const T nearest = static_cast<T>(target);
    const double distance = target - static_cast<double>(nearest);
    if (distance == 0)
        return nearest;
    const T other = moved_by_codes(nearest, distance > 0 ? 1 : -1);
    return uniform * std::fabs(static_cast<double>(other) - static_cast<double>(nearest)) < std::fabs(distance) ? other : nearest;
}

// weight + step. Formats of 16 bits and less are rounded at random, which is right on average; wider ones to nearest. Of the two
// points at +step and -step the inner one mirrors the outer one where the format can say so, so that first derivatives cancel in
// second differences: the format is no coarser further in, which makes that possible for every step up to the weight itself.
template <class T>
T stepped_weight(T stored, double step, std::size_t element, const counter_random& rounding, std::uint64_t draw)
{
    const double weight = static_cast<double>(stored);
    const auto rounded = [&](double target, std::uint64_t which) {
        if constexpr (sizeof(T) <= 2)
            return rounded_at_random<T>(target, rounding.uniform(element, which));
        else
            return static_cast<T>(target);
    };
    if (std::fabs(weight + step) >= std::fabs(weight))
        return rounded(weight + step, 2 * draw);
    const double mirrored = 2 * weight - static_cast<double>(rounded(weight - step, 2 * draw));
    const T inner = static_cast<T>(mirrored);
    return static_cast<double>(inner) == mirrored ? inner : rounded(weight + step, 2 * draw + 1);
}

// The weights of a tensor moved by step · direction, as they are stored. A weight that is not finite stays.
inline std::vector<std::byte> stepped(dtype type, const std::vector<std::byte>& stored, std::span<const double> direction, double step,
                                      const counter_random& rounding, std::uint64_t draw)
{
    std::vector<std::byte> result = stored;
    with_real(type, [&]<class T>(std::type_identity<T>) {
        for (std::size_t i = 0; i < direction.size(); ++i) {
            const T weight = weight_of<T>(stored.data() + i * sizeof(T));
            if (!std::isfinite(static_cast<double>(weight)))
                continue;
            const T moved = stepped_weight(weight, step * direction[i], i, rounding, draw);
            std::memcpy(result.data() + i * sizeof(T), &moved, sizeof moved);
        }
    });
    return result;
}

// Relative distance of neighbours in a format: 2^-23 for float.
inline double relative_place(dtype type)
{
    return with_real(type, []<class T>(std::type_identity<T>) { return std::ldexp(1.0, -mantissa_bits<T>()); });
}

// Rademacher signs for a whole tensor.
inline std::vector<double> signs_for(const weight_info& info, std::uint64_t seed, std::size_t probe)
{
    std::vector<double> signs(info.size());
    counter_random(seed, "probe", info.name).fill_signs(0, probe, signs);
    return signs;
}

}  // namespace weightscope::detail
