#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include <weightscope/core/require.hpp>
#include <weightscope/evaluators/any_evaluator.hpp>
#include <weightscope/evaluators/evaluation.hpp>

namespace weightscope {

/// What makes a number one whose bits are worth a look: a weight's code, or a scale that all weights of a part of a block depend on, over
/// which sums go. Changes are those that flips of the chosen bits make, within the trust radius.
enum class bit_method
{
    automatic,   ///< flip_aware with gradients, flip_size without
    magnitude,   ///< √Σ w², of a code |w|
    gradient,    ///< √Σ g²
    taylor,      ///< |Σ g w|
    flip_aware,  ///< max |Σ g Δw + h Δw² / 2|, h where it is known
    flip_size,   ///< max √Σ Δw²
};

[[nodiscard]] constexpr std::string_view to_string(bit_method method)
{
    constexpr std::string_view names[] = {"auto", "magnitude", "gradient", "taylor", "flip_aware", "flip_size"};
    return names[static_cast<int>(method)];
}

/// The method of this name.
/// @throws std::invalid_argument  there is none
[[nodiscard]] inline bit_method parse_bit_method(std::string_view name)
{
    for (const bit_method method : {bit_method::automatic, bit_method::magnitude, bit_method::gradient, bit_method::taylor, bit_method::flip_aware,
                                    bit_method::flip_size})
        if (to_string(method) == name)
            return method;
    require(false, "parse_bit_method(name): '{}' is no method, expected auto, magnitude, gradient, taylor, flip_aware or flip_size", name);
    return bit_method::automatic;
}

struct select_bits_options
{
    bit_method method = bit_method::automatic;
    std::string bits = "exponent_sign";  ///< that may be flipped, as parse_bit_set() reads it
    std::size_t per_tensor_k = 1;        ///< candidates of a tensor, at most, however weights are sampled; 0: no limit
    std::size_t top_w = 50;              ///< candidates in all, at most; 0: no limit
    std::size_t oversample = 10;         ///< where gradients cost forwards: that many times per_tensor_k weights of a tensor get one
    bool sample_all_weights = false;     ///< all weights get one; so it is with per_tensor_k = 0
    bool allow_bias = false;             ///< tensors named ".bias" at the end, too
    double trust_radius = 1;             ///< times the largest |w| of the tensor: a larger change of a weight is outside of what derivatives tell
    std::size_t outside_w = 0;           ///< candidates drawn beside these from the weights with a change outside of the radius
    bool curvature = false;              ///< second derivatives too: two forwards for each weight instead of one, or Hessian probes
    double step = 3e-3;                  ///< of differences, share of max(|w|, rms of the tensor), and never less than four places of the format
    std::size_t probes = 32;             ///< for the Hessian diagonal of an evaluator that has gradients
    std::function<bool(std::string_view name)> takes = {};  ///< of a tensor, such as a name_filter says; empty: all
    evaluation_options evaluation = {};  ///< batches, seed, threads, progress, resume; its tensors are not used
    std::vector<std::string> parts = {}; ///< of what weights are stored in: "code", "scale", "min", "sub_scale", "sub_min"; empty: all
    std::size_t shard = 0;               ///< only tensors shard, shard + shard_count... of those that the names leave
    std::size_t shard_count = 1;
};

/// A number whose bits are to be flipped: the code of a weight, or a scale.
struct bit_candidate
{
    std::string name = {};   ///< of the tensor
    std::size_t flat = 0;    ///< row-major number of the weight; of a scale that of the weight which its flip changes most
    double score = 0;        ///< NaN for one that was drawn
    double value = 0;        ///< of the weight
    int bit = -1;            ///< the flip that makes the score; -1 for methods that look at no flips
    double gradient = std::numeric_limits<double>::quiet_NaN();   ///< of the weight; NaN where it is not known
    double curvature = std::numeric_limits<double>::quiet_NaN();  ///< of the weight; NaN where it is not known
    std::vector<unsigned> outside_taylor = {};  ///< chosen bits whose flip changes a weight by more than the trust radius, or is not finite
    bool drawn = false;      ///< at random, from numbers that have such bits
    std::string part = "code";  ///< "code", or the scale that is flipped: see bit_parts()
    std::size_t tensor = 0;  ///< number of the tensor among those that could be chosen from, in model order
};

/// How many flips of the chosen bits there are of each kind, over all numbers that were looked at.
struct bit_flip_counts
{
    std::uint64_t inside = 0;      ///< all weights change within the trust radius
    std::uint64_t outside = 0;     ///< finite, and one outside of it
    std::uint64_t non_finite = 0;  ///< NaN or Inf
    std::uint64_t unchanged = 0;   ///< 0 and -0

    [[nodiscard]] std::uint64_t total() const { return inside + outside + non_finite + unchanged; }
    bit_flip_counts& operator+=(const bit_flip_counts& other)
    {
        inside += other.inside;
        outside += other.outside;
        non_finite += other.non_finite;
        unchanged += other.unchanged;
        return *this;
    }
};

struct bit_selection
{
    std::vector<bit_candidate> candidates = {};  ///< best first; equal scores in model order; then those that were drawn
    bit_method method = bit_method::magnitude;   ///< that was used
    std::string bits = {};                       ///< canonical name
    std::size_t tensor_count = 0;                ///< tensors that were looked at
    std::uint64_t weight_count = 0;              ///< weights that were looked at
    std::uint64_t sampled_count = 0;             ///< that got a gradient of their own by forwards
    std::uint64_t unscored_count = 0;            ///< codes and scales with weights or gradients that are not finite
    bit_flip_counts flips = {};                  ///< of methods that look at flips
    std::string gradient_source = {};            ///< "file", "evaluator", "differences"; empty: none
    std::vector<std::string> passed_over = {};   ///< "model.codes (I32): codes of another tensor"
    evaluation_counts counts = {};
    double seconds = 0;
};

}  // namespace weightscope
