#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include <weightscope/core/parallel.hpp>
#include <weightscope/scorers/bit_candidates.hpp>
#include <weightscope/scorers/bit_view.hpp>
#include <weightscope/scorers/importance.hpp>

namespace weightscope::detail {

struct bit_score
{
    double score = 0;
    std::size_t flat = 0;
    int bit = -1;

    friend bool operator<(const bit_score& a, const bit_score& b) { return a.score != b.score ? a.score > b.score : a.flat < b.flat; }
};

// The best of many, at most `limit` of them (0: all), in any order until take().
class best_bit_scores
{
public:
    explicit best_bit_scores(std::size_t limit) : limit_(limit) {}

    void add(const bit_score& entry)
    {
        if (limit_ > 0 && full_ && !(entry < worst_))
            return;
        entries_.push_back(entry);
        if (limit_ > 0 && entries_.size() >= 2 * limit_ + 64)
            cut();
    }
    std::vector<bit_score> take()
    {
        if (limit_ > 0 && entries_.size() > limit_)
            cut();
        std::sort(entries_.begin(), entries_.end());
        return std::move(entries_);
    }

private:
    void cut()
    {
        const auto last = entries_.begin() + static_cast<std::ptrdiff_t>(limit_);
        std::nth_element(entries_.begin(), last - 1, entries_.end());
        worst_ = *(last - 1);
        full_ = true;
        entries_.erase(last, entries_.end());
    }

    std::size_t limit_;
    bool full_ = false;
    bit_score worst_ = {};
    std::vector<bit_score> entries_ = {};
};

struct bit_tally
{
    bit_flip_counts flips = {};
    std::uint64_t unscored = 0;

    void add(const bit_tally& other)
    {
        flips.inside += other.flips.inside;
        flips.outside += other.flips.outside;
        flips.non_finite += other.flips.non_finite;
        flips.unchanged += other.flips.unchanged;
        unscored += other.unscored;
    }
};

// Of a chunk of weights: their values, and what is known of them; empty where nothing is.
struct bit_chunk
{
    std::size_t first = 0;
    std::vector<double> values = {}, gradients = {}, curvatures = {};
};

// What a method says of each weight of a chunk: into scores (NaN: nothing) and the bits that make them.
struct bit_scorer
{
    bit_method method = bit_method::magnitude;
    std::vector<unsigned> bits = {};
    double radius = 0;

    bool looks_at_flips() const { return method == bit_method::flip_aware || method == bit_method::flip_size; }

    void score(const bit_view& view, const bit_chunk& chunk, std::vector<double>& scores, std::vector<int>& best, bit_tally& tally) const
    {
        const std::size_t size = chunk.values.size();
        scores.assign(size, looks_at_flips() ? 0.0 : std::numeric_limits<double>::quiet_NaN());
        best.assign(size, -1);
        if (looks_at_flips())
            score_flips(view, chunk, scores, best, tally);
        for (std::size_t i = 0; i < size; ++i) {
            if (method == bit_method::magnitude)
                scores[i] = std::fabs(chunk.values[i]);
            else if (method == bit_method::gradient)
                scores[i] = std::fabs(chunk.gradients[i]);
            else if (method == bit_method::taylor)
                scores[i] = std::fabs(chunk.gradients[i] * chunk.values[i]);
            const bool usable = std::isfinite(chunk.values[i]) && std::isfinite(scores[i]);
            tally.unscored += usable ? 0 : 1;
            if (!usable || (looks_at_flips() && best[i] < 0))  // no chosen bit is within the radius
                scores[i] = std::numeric_limits<double>::quiet_NaN();
        }
    }

private:
    void score_flips(const bit_view& view, const bit_chunk& chunk, std::vector<double>& scores, std::vector<int>& best, bit_tally& tally) const
    {
        std::vector<double> flipped(chunk.values.size());
        for (const unsigned bit : bits) {
            view.flipped(chunk.first, bit, flipped);
            for (std::size_t i = 0; i < flipped.size(); ++i) {
                const double change = flipped[i] - chunk.values[i], size = std::fabs(change);
                if (!std::isfinite(flipped[i])) {
                    ++tally.flips.non_finite;
                    continue;
                }
                if (change == 0) {
                    ++tally.flips.unchanged;
                    continue;
                }
                if (!(size <= radius)) {
                    ++tally.flips.outside;
                    continue;
                }
                ++tally.flips.inside;
                double predicted = size;
                if (method == bit_method::flip_aware)
                    predicted = std::fabs(chunk.gradients[i] * change + (chunk.curvatures.empty() ? 0 : chunk.curvatures[i] / 2 * change * change));
                if (best[i] < 0 || predicted > scores[i] || std::isnan(predicted)) {
                    scores[i] = predicted;
                    best[i] = static_cast<int>(bit);
                }
            }
        }
    }
};

inline constexpr std::size_t bit_chunk_elements = std::size_t{1} << 16;

// Largest finite |w|.
inline double largest_finite_magnitude(const bit_view& view, std::size_t size)
{
    double largest = 0;
    for (const double part : map_chunks(size, bit_chunk_elements, [&](std::size_t begin, std::size_t end) {
             std::vector<double> values(end - begin);
             view.values(begin, values);
             double most = 0;
             for (const double v : values)
                 most = std::isfinite(v) && std::fabs(v) > most ? std::fabs(v) : most;
             return most;
         }))
        largest = std::max(largest, part);
    return largest;
}

// The best weights of a tensor.
inline std::vector<bit_score> best_bits_of(const bit_view& view, std::size_t size, const bit_scorer& scorer, const importance_info& known,
                                           std::size_t limit, bit_tally& tally)
{
    struct part
    {
        std::vector<bit_score> best = {};
        bit_tally tally = {};
    };
    best_bit_scores result(limit);
    const bool wants_gradients = scorer.method != bit_method::magnitude && scorer.method != bit_method::flip_size;
    for (part& p : map_chunks(size, bit_chunk_elements, [&](std::size_t begin, std::size_t end) {
             bit_chunk chunk{.first = begin, .values = std::vector<double>(end - begin)};
             view.values(begin, chunk.values);
             if (wants_gradients) {
                 chunk.gradients.resize(end - begin);
                 known.gradients.read(begin, chunk.gradients);
                 if (!known.hessian_diag.empty()) {
                     chunk.curvatures.resize(end - begin);
                     known.hessian_diag.read(begin, chunk.curvatures);
                 }
             }
             std::vector<double> scores;
             std::vector<int> bits;
             part found;
             scorer.score(view, chunk, scores, bits, found.tally);
             best_bit_scores best(limit);
             for (std::size_t i = 0; i < scores.size(); ++i)
                 if (!std::isnan(scores[i]))
                     best.add({scores[i], begin + i, bits[i]});
             found.best = best.take();
             return found;
         })) {
        for (const bit_score& entry : p.best)
            result.add(entry);
        tally.add(p.tally);
    }
    return result.take();
}

}  // namespace weightscope::detail
