#pragma once
// The same figures by the shortest code that is plainly right: sort, then count.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace brute_force {

inline std::vector<double> finite_sorted(const std::vector<double>& values)
{
    std::vector<double> result;
    std::copy_if(values.begin(), values.end(), std::back_inserter(result), [](double x) { return std::isfinite(x); });
    std::sort(result.begin(), result.end());
    return result;
}

inline std::vector<double> magnitudes(const std::vector<double>& sorted)
{
    std::vector<double> result(sorted.size());
    std::transform(sorted.begin(), sorted.end(), result.begin(), [](double x) { return std::fabs(x); });
    std::sort(result.begin(), result.end());
    return result;
}

// numpy.percentile(values, 100 p), method "linear"
inline double percentile(const std::vector<double>& sorted, double p)
{
    const double position = static_cast<double>(sorted.size() - 1) * p;
    const auto i = static_cast<std::size_t>(position);
    const double t = position - static_cast<double>(i), a = sorted[i], b = sorted[std::min(i + 1, sorted.size() - 1)];
    return t < 0.5 ? a + (b - a) * t : b - (b - a) * (1 - t);
}

template <class Predicate>
std::size_t count(const std::vector<double>& values, Predicate predicate)
{
    return static_cast<std::size_t>(std::count_if(values.begin(), values.end(), predicate));
}

struct moments
{
    long double mean = 0, m2 = 0, m3 = 0, m4 = 0, magnitude = 0, squares = 0;
};

inline moments moments_of(const std::vector<double>& values)
{
    moments m;
    for (const double x : values) {
        m.mean += x;
        m.magnitude += std::fabs(x);
        m.squares += static_cast<long double>(x) * x;
    }
    m.mean /= static_cast<long double>(values.size());
    for (const double x : values) {
        const long double d = x - m.mean;
        m.m2 += d * d;
        m.m3 += d * d * d;
        m.m4 += d * d * d * d;
    }
    return m;
}

}  // namespace brute_force
