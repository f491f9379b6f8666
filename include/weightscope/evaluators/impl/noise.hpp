#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/counter_random.hpp>
#include <weightscope/evaluators/evaluation.hpp>
#include <weightscope/evaluators/noise.hpp>
#include <weightscope/evaluators/storage_step.hpp>
#include <weightscope/evaluators/weight_patch.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE noise_table noise_from(std::array<double, noise_points> values)
{
    noise_table result;
    std::array<double, noise_points> sigma{};
    std::array<bool, noise_points> both_signs{};
    double gamma = 1;
    for (std::size_t k = 1; k < noise_points; ++k) {
        double squares = 0;
        bool up = false, down = false;
        for (std::size_t i = 0; i + k < noise_points; ++i) {
            values[i] = values[i + 1] - values[i];
            squares += values[i] * values[i];
            up = up || values[i] > 0;
            down = down || values[i] < 0;
            result.changes += k == 1 && values[i] != 0 ? 1 : 0;
        }
        gamma *= static_cast<double>(k) / static_cast<double>(2 * (2 * k - 1));  // (k!)² / (2k)!
        sigma[k] = std::sqrt(gamma * squares / static_cast<double>(noise_points - k));
        both_signs[k] = up && down;
    }
    for (std::size_t k = 1; k + 2 < noise_points && !result.resolved; ++k) {
        const auto [least, most] = std::minmax({sigma[k], sigma[k + 1], sigma[k + 2]});
        if (most <= 4 * least && both_signs[k]) {
            result.resolved = true;
            result.sigma = sigma[k];
        }
    }
    if (!result.resolved)
        result.sigma = *std::min_element(sigma.begin() + 1, sigma.end());
    return result;
}

// Each chosen weight `codes` places of its format away, up or down at random, but always inside its power of two, so that
// multiples of `codes` are equally far apart.
inline std::vector<std::byte> spread_by_codes(dtype type, std::vector<std::byte> bytes, std::int64_t codes, std::int64_t largest_codes,
                                              const counter_random& random, double share)
{
    with_real(type, [&]<class T>(std::type_identity<T>) {
        for (std::size_t i = 0; i < bytes.size() / sizeof(T); ++i) {
            const T weight = weight_of<T>(bytes.data() + i * sizeof(T));
            if (!std::isfinite(static_cast<double>(weight)) || random.uniform(i, 1) >= share)
                continue;
            const std::int64_t here = code_of<T>::order(weight), magnitude = here < 0 ? -here : here;
            const std::int64_t binade = magnitude >> mantissa_bits<T>();
            const bool room_up = (magnitude + largest_codes) >> mantissa_bits<T>() == binade;
            const bool room_down = magnitude >= largest_codes && (magnitude - largest_codes) >> mantissa_bits<T>() == binade;
            if (!room_up && !room_down)
                continue;
            const bool up = room_up && (!room_down || (random.bits(i, 0) & 1u) != 0);
            const T moved = code_of<T>::number((up ? magnitude + codes : magnitude - codes) * (here < 0 ? -1 : 1));
            std::memcpy(bytes.data() + i * sizeof(T), &moved, sizeof moved);
        }
    });
    return bytes;
}

WEIGHTSCOPE_INLINE noise_result noise_of(any_evaluator& evaluator, const std::vector<std::size_t>& batches, const std::vector<std::size_t>& tensors,
                                         std::uint64_t seed, std::string_view caller)
{
    const evaluation_counts before = evaluator.counts();
    noise_result result;
    const std::vector<loss_value> base = batch_losses(evaluator, batches);
    const loss_value sum = total(base);
    require_usable(sum, caller);
    for (int i = 0; i < 2; ++i)
        result.repeat_spread =
            std::max(result.repeat_spread, std::fabs(mean_change(batch_losses(evaluator, batches), base, sum.count)));
    // no evaluation is better than the last place of its result
    result.sigma = std::max(result.repeat_spread / 2, std::fabs(sum.mean()) * 0x1p-53);

    // up to three tensors, spread over the model
    const std::size_t probed = std::min<std::size_t>(tensors.size(), 3);
    for (std::size_t p = 0; p < probed; ++p) {
        const std::size_t tensor = tensors[probed == 1 ? 0 : p * (tensors.size() - 1) / (probed - 1)];
        const weight_info& info = evaluator.weights()[tensor];
        const std::vector<std::byte> stored = stored_bytes(evaluator, tensor);
        const counter_random random(seed, "noise", info.name);
        const std::size_t bits = bits_of(info.dtype);
        std::int64_t codes = bits == 64 ? std::int64_t{1} << 22 : bits == 32 ? 4 : 1;
        const double share = bits > 16 ? 1 : 64.0 / static_cast<double>(info.size());
        for (int attempt = 0; attempt < 4; ++attempt, codes *= 256) {
            std::array<double, noise_points> values{};
            for (std::size_t j = 1; j < noise_points; ++j) {
                weight_patch patch(evaluator);
                const auto moved = spread_by_codes(info.dtype, stored, codes * static_cast<std::int64_t>(j),
                                                   codes * static_cast<std::int64_t>(noise_points - 1), random, share);
                patch.write(tensor, 0, moved);
                values[j] = mean_change(batch_losses(evaluator, batches), base, sum.count);
                patch.restore();
            }
            const noise_table table = noise_from(values);
            // fewer changes than that are the steps of a rounded loss, not its noise; 16 bits have no finer or coarser steps to try
            if (2 * table.changes < noise_points && bits > 16 && attempt < 3)
                continue;
            if (std::isfinite(table.sigma)) {
                result.sigma = std::max(result.sigma, table.sigma);
                result.resolved = result.resolved && (table.resolved || table.changes == 0);
            }
            break;
        }
    }
    result.counts = evaluator.counts() - before;
    return result;
}

}  // namespace weightscope::detail
