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
        flips += other.flips;
        unscored += other.unscored;
    }
};

// Of a chunk of weights: their values, and what is known of them; empty where nothing is.
struct bit_chunk
{
    std::size_t first = 0;
    std::vector<double> values = {}, gradients = {}, curvatures = {};
};

// What a method says of each number of a chunk of whole numbers: into scores (NaN: nothing) and the bits that make them.
struct bit_scorer
{
    bit_method method = bit_method::magnitude;
    std::vector<unsigned> bits = {};
    double radius = 0;
    std::size_t part = 0;     // of the view
    std::size_t weights = 1;  // that depend on one number

    bool looks_at_flips() const { return method == bit_method::flip_aware || method == bit_method::flip_size; }

    void score(const bit_view& view, const bit_chunk& chunk, std::vector<double>& scores, std::vector<int>& best, bit_tally& tally) const
    {
        const std::size_t count = chunk.values.size() / weights;
        scores.assign(count, std::numeric_limits<double>::quiet_NaN());
        best.assign(count, -1);
        if (looks_at_flips())
            score_flips(view, chunk, scores, best, tally);
        else
            for (std::size_t n = 0; n < count; ++n)
                scores[n] = score_of_values(chunk, n * weights);
        for (std::size_t n = 0; n < count; ++n) {
            const bool usable = finite_number(chunk, n) && (best[n] < 0 ? looks_at_flips() || std::isfinite(scores[n]) : std::isfinite(scores[n]));
            tally.unscored += usable ? 0 : 1;
            if (!usable)
                scores[n] = std::numeric_limits<double>::quiet_NaN();
        }
    }

private:
    bool finite_number(const bit_chunk& chunk, std::size_t n) const
    {
        double sum = 0;  // NaN where one of them is not finite
        for (std::size_t i = n * weights; i < (n + 1) * weights; ++i)
            sum += chunk.values[i] * 0;
        return sum == 0;
    }

    double score_of_values(const bit_chunk& chunk, std::size_t first) const
    {
        double sum = 0;
        for (std::size_t i = first; i < first + weights; ++i) {
            const double value = chunk.values[i], gradient = method == bit_method::magnitude ? 0 : chunk.gradients[i];
            sum += method == bit_method::magnitude ? value * value : method == bit_method::gradient ? gradient * gradient : gradient * value;
        }
        if (weights == 1)  // the squares of small numbers vanish
            return std::fabs(method == bit_method::magnitude ? chunk.values[first] : method == bit_method::gradient ? chunk.gradients[first] : sum);
        return method == bit_method::taylor ? std::fabs(sum) : std::sqrt(sum);
    }

    // What a flip does to the weights of one number.
    struct reach
    {
        double most = 0, squares = 0, predicted = 0;
        bool finite = true;

        void add(double old_value, double new_value, double gradient, double curvature)
        {
            const double change = new_value - old_value, size = std::fabs(change);
            finite = finite && std::isfinite(new_value);
            most = size > most ? size : most;
            squares += change * change;
            predicted += gradient * change + curvature / 2 * change * change;
        }
    };

    void score_flips(const bit_view& view, const bit_chunk& chunk, std::vector<double>& scores, std::vector<int>& best, bit_tally& tally) const
    {
        std::vector<double> flipped(chunk.values.size());
        const bool aware = method == bit_method::flip_aware, curved = aware && !chunk.curvatures.empty();
        for (const unsigned bit : bits) {
            view.flipped(chunk.first, part, bit, flipped);
            for (std::size_t n = 0; n < scores.size(); ++n) {
                if (!finite_number(chunk, n))
                    continue;
                reach r;
                for (std::size_t i = n * weights; i < (n + 1) * weights; ++i)
                    r.add(chunk.values[i], flipped[i], aware ? chunk.gradients[i] : 0, curved ? chunk.curvatures[i] : 0);
                if (!r.finite || r.most == 0 || !(r.most <= radius)) {
                    ++(!r.finite ? tally.flips.non_finite : r.most == 0 ? tally.flips.unchanged : tally.flips.outside);
                    continue;
                }
                ++tally.flips.inside;
                const double score = aware ? std::fabs(r.predicted) : weights == 1 ? r.most : std::sqrt(r.squares);
                if (best[n] < 0 || score > scores[n] || std::isnan(score)) {
                    scores[n] = score;
                    best[n] = static_cast<int>(bit);
                }
            }
        }
    }
};

inline constexpr std::size_t bit_chunk_elements = std::size_t{1} << 16;  // whole blocks of every type

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

// The best numbers of a tensor, by the first weights that depend on them.
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
             for (std::size_t n = 0; n < scores.size(); ++n)
                 if (!std::isnan(scores[n]))
                     best.add({scores[n], begin + n * scorer.weights, bits[n]});
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
