#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

#include <weightscope/analyzers/power_law.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>

namespace weightscope::detail {

// The values of a fit and what all candidates share.
struct power_law_tail
{
    std::vector<double> logs;      // ln of the different values, ascending
    std::vector<double> values;    // the different values
    std::vector<std::size_t> end;  // how many values are at or below each
    std::vector<double> log_sum;   // Σ ln over the values at or above each

    std::size_t total() const { return end.empty() ? 0 : end.back(); }
    std::size_t count_from(std::size_t i) const { return total() - (i == 0 ? 0 : end[i - 1]); }
    double alpha(std::size_t i) const
    {
        const auto n = static_cast<double>(count_from(i));
        return 1 + n / (log_sum[i] - n * logs[i]);
    }
};

// `merged`: equal values are one step.
inline power_law_tail tail_of(const std::vector<double>& ascending, bool merged)
{
    power_law_tail tail;
    for (std::size_t i = 0; i < ascending.size(); ++i) {
        if (!merged || i == 0 || ascending[i] != ascending[i - 1]) {
            tail.values.push_back(ascending[i]);
            tail.logs.push_back(std::log(ascending[i]));
            tail.end.push_back(0);
        }
        tail.end.back() = i + 1;
    }
    tail.log_sum.resize(tail.logs.size());
    double sum = 0, lost = 0;  // summed with compensation: a sum of many logarithms is compared with n times one of them
    for (std::size_t i = tail.logs.size(); i-- > 0;) {
        const double term = static_cast<double>(tail.end[i] - (i == 0 ? 0 : tail.end[i - 1])) * tail.logs[i];
        const double next = sum + term;
        lost += std::fabs(sum) >= std::fabs(term) ? (sum - next) + term : (term - next) + sum;
        sum = next;
        tail.log_sum[i] = sum + lost;
    }
    return tail;
}

// Distances of tails, each asked for only as far as it can matter.
class tail_distances
{
public:
    explicit tail_distances(const power_law_tail& tail) : tail_(tail) {}

    // Of the tail from i on, or `limit` where it reaches that. Places where earlier tails had a large gap are looked at first: gaps of
    // neighbouring tails are alike, so that most end there.
    double operator()(std::size_t i, double alpha, double limit)
    {
        for (std::size_t& old : places_)
            if (old >= i && gap(i, alpha, old) >= limit) {
                std::swap(old, places_.front());
                return limit;
            }
        widest_gap found = rough(i, alpha, 32);
        if (found.width < limit)
            found = widest(i, alpha, limit, found);
        std::rotate(places_.begin(), places_.end() - 1, places_.end());
        places_.front() = found.place;
        return found.width >= limit ? limit : found.width;
    }

    // A lower bound of it, from some places.
    double at_least(std::size_t i, double alpha) const { return rough(i, alpha, 64).width; }

private:
    struct widest_gap
    {
        double width = 0;
        std::size_t place = 0;
    };

    double law(std::size_t i, double alpha, std::size_t k) const { return -std::expm1((1 - alpha) * (tail_.logs[k] - tail_.logs[i])); }

    double share_below(std::size_t i, std::size_t k) const
    {
        const std::size_t before = i == 0 ? 0 : tail_.end[i - 1], below = k == 0 ? 0 : tail_.end[k - 1];
        return static_cast<double>(below - before) / static_cast<double>(tail_.count_from(i));
    }

    double gap(std::size_t i, double alpha, std::size_t k) const { return std::fabs(law(i, alpha, k) - share_below(i, k)); }

    // At evenly spaced places.
    widest_gap rough(std::size_t i, double alpha, std::size_t places) const
    {
        widest_gap found{0, i};
        for (std::size_t k = i; k < tail_.logs.size(); k += (tail_.logs.size() - i) / places + 1)
            if (const double width = gap(i, alpha, k); width > found.width)
                found = {width, k};
        return found;
    }

    // Anywhere; the first that reaches `limit` is enough. Law and share grow from value to value, so that the values at both ends of a
    // stretch bound the gaps between them: few stretches have to be looked at.
    widest_gap widest(std::size_t i, double alpha, double limit, widest_gap found) const
    {
        const std::size_t last = tail_.logs.size() - 1;
        const auto stretch = static_cast<std::size_t>(2 + std::sqrt(static_cast<double>(last - i)) / 4);
        double law_here = law(i, alpha, i);
        for (std::size_t k = i; k <= last && found.width < limit; k += stretch) {
            const std::size_t next = std::min(k + stretch, last);
            const double law_next = law(i, alpha, next);
            if (std::max(law_next - share_below(i, k), share_below(i, next) - law_here) >= found.width)
                for (std::size_t j = k; j <= next; ++j)
                    if (const double width = gap(i, alpha, j); width > found.width)
                        found = {width, j};
            law_here = law_next;
        }
        return found;
    }

    const power_law_tail& tail_;
    std::array<std::size_t, 4> places_ = {};
};

WEIGHTSCOPE_INLINE power_law_result no_power_law(const char* reason, std::size_t count)
{
    const auto none = metric::missing(reason);
    return {.alpha = none, .xmin = none, .xmax = none, .ks_distance = none, .alpha_error = none, .value_count = count};
}

WEIGHTSCOPE_INLINE power_law_result fit_power_law(std::vector<double> values, const power_law_options& options)
{
    std::erase_if(values, [&](double x) { return !(x > 0) || !std::isfinite(x) || (options.xmax > 0 && x > options.xmax); });
    std::sort(values.begin(), values.end());
    const power_law_tail tail = tail_of(values, options.convention == power_law_convention::clauset);
    const std::size_t least = std::max<std::size_t>(options.min_tail, 2), steps = tail.logs.size();
    if (values.size() < least)
        return no_power_law("too few values", values.size());

    std::size_t first = 0, last = 0;  // candidates
    while (last < steps && tail.count_from(last) >= least)
        ++last;
    if (options.xmin > 0) {
        first = static_cast<std::size_t>(std::lower_bound(tail.values.begin(), tail.values.end(), options.xmin) - tail.values.begin());
        last = std::min(last, first + 1);
    }
    tail_distances distances(tail);
    std::size_t best = steps;
    double distance = 2;  // more than any
    const auto has_law = [&](std::size_t i) {  // alpha is infinite where all values are equal, but for the rounding of their sum
        return tail.values[i] < tail.values.back() && std::isfinite(tail.alpha(i)) && tail.alpha(i) > 1;
    };
    const auto consider = [&](std::size_t i) {
        const double limit = i < best ? std::nextafter(distance, 3.0) : distance;  // of equal distances the first one counts
        if (const double d = distances(i, tail.alpha(i), limit); d < limit) {
            distance = d;
            best = i;
        }
    };
    std::size_t promising = steps;  // a low limit early saves most of the work
    double bound = 2;
    for (std::size_t i = first; i < last; i += (last - first) / 64 + 1)
        if (has_law(i) && distances.at_least(i, tail.alpha(i)) < bound) {
            bound = distances.at_least(i, tail.alpha(i));
            promising = i;
        }
    if (promising < steps)
        consider(promising);
    for (std::size_t i = first; i < last; ++i)
        if (has_law(i))
            consider(i);
    if (best == steps)
        return no_power_law(first >= last ? "too few values above xmin" : "all equal", values.size());

    const std::size_t count = tail.count_from(best);
    const double alpha = tail.alpha(best);
    return {.alpha = alpha,
            .xmin = tail.values[best],
            .xmax = values.back(),
            .ks_distance = distance,
            .alpha_error = (alpha - 1) / std::sqrt(static_cast<double>(count)),
            .tail_count = count,
            .value_count = values.size()};
}

}  // namespace weightscope::detail
