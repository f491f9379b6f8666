#pragma once
// The passes of compare_weights: sums, rows, bits, and the difference as a matrix.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include <weightscope/analyzers/compare_weights_kernel.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/reduce.hpp>
#include <weightscope/core/weight_source.hpp>

namespace weightscope::detail {

struct compared_rows
{
    pair_sums sums = {};
    std::vector<pair_sums> rows = {};  // of a matrix
};

// The first difference of finite weights: what the moments are centred on.
inline double first_difference(const weight_source& a, const weight_source& b)
{
    const std::size_t count = std::min(a.size, block_elements);
    std::vector<double> x(count), y(count);
    a.read_double(a.data, 0, count, x.data());
    b.read_double(b.data, 0, count, y.data());
    for (std::size_t i = 0; i < count; ++i)
        if (std::isfinite(y[i] - x[i]))
            return y[i] - x[i];
    return 0;
}

// `cols` elements in a row; 0: no rows.
inline compared_rows compare_by_rows(const weight_source& a, const weight_source& b, std::size_t cols)
{
    compared_rows result;
    if (a.size == 0)
        return result;
    const double shift = first_difference(a, b);
    const std::size_t length = cols > 0 ? cols : block_elements, rows = (a.size + length - 1) / length,
                      at_once = std::max<std::size_t>(1, block_elements / length),
                      per_chunk = std::max<std::size_t>(at_once, chunk_elements / length);
    const auto parts = map_chunks(rows, per_chunk, [&](std::size_t first, std::size_t last) {
        std::vector<pair_sums> sums(last - first);
        std::vector<double> x(std::min(at_once * length, block_elements)), y(x.size());
        const auto read = [&](std::size_t begin, std::size_t count) {
            a.read_double(a.data, begin, count, x.data());
            b.read_double(b.data, begin, count, y.data());
        };
        for (std::size_t row = first; row < last; row += at_once) {
            const std::size_t begin = row * length, count = std::min(last - row, at_once), end = std::min(a.size, begin + count * length);
            if (length > block_elements) {
                for (std::size_t i = begin; i < end; i += block_elements) {
                    const std::size_t size = std::min(block_elements, end - i);
                    read(i, size);
                    sums[row - first] += sums_of_pairs(x.data(), y.data(), size, shift);
                }
                continue;
            }
            read(begin, end - begin);
            for (std::size_t r = 0; r < count; ++r)
                sums[row - first + r] = sums_of_pairs(x.data() + r * length, y.data() + r * length,
                                                      std::min(length, end - begin - r * length), shift);
        }
        return sums;
    });
    for (const auto& part : parts)
        for (const pair_sums& row : part) {
            result.sums += row;
            if (cols > 0)
                result.rows.push_back(row);
        }
    // back from the shift: Σ d and Σ (d - mean)²
    const auto n = static_cast<double>(result.sums.count);
    if (n > 0) {
        const double mean = result.sums.shifted / n;
        result.sums.shifted_squares = std::max(result.sums.shifted_squares - n * mean * mean, 0.0);
        result.sums.shifted = n * (shift + mean);
    }
    return result;
}

// How many elements differ in each bit, the lowest first, of words of type Word.
template <class Word>
std::vector<std::size_t> changed_bits(const weight_source& a, const weight_source& b)
{
    constexpr std::size_t width = 8 * sizeof(Word);
    std::vector<std::size_t> result(width);
    for (const auto& part : map_chunks(a.size, chunk_elements, [&](std::size_t begin, std::size_t end) {
             const Word *x = static_cast<const Word*>(a.data), *y = static_cast<const Word*>(b.data);
             std::vector<std::size_t> counts(width);
             for (; begin < end; begin += block_elements) {
                 const std::size_t stop = std::min(end, begin + block_elements);
                 if (std::memcmp(x + begin, y + begin, (stop - begin) * sizeof(Word)) == 0)
                     continue;
                 for (std::size_t bit = 0; bit < width; ++bit) {
                     std::uint32_t count = 0;
                     for (std::size_t i = begin; i < stop; ++i)
                         count += static_cast<std::uint32_t>((x[i] ^ y[i]) >> bit & 1);
                     counts[bit] += count;
                 }
             }
             return counts;
         }))
        for (std::size_t bit = 0; bit < width; ++bit)
            result[bit] += part[bit];
    return result;
}

inline std::vector<std::size_t> changed_bits(const weight_source& a, const weight_source& b)
{
    switch (a.element_bytes) {
    case 1: return changed_bits<std::uint8_t>(a, b);
    case 2: return changed_bits<std::uint16_t>(a, b);
    case 4: return changed_bits<std::uint32_t>(a, b);
    default: return changed_bits<std::uint64_t>(a, b);
    }
}

// b - a as elements of their own: read where they are wanted, stored nowhere.
struct weight_pair
{
    const weight_source& a;
    const weight_source& b;
};

inline void read_difference(const void* pair, std::size_t begin, std::size_t count, double* out)
{
    constexpr std::size_t at_once = 1024;
    const weight_pair& p = *static_cast<const weight_pair*>(pair);
    double from[at_once];
    for (std::size_t done = 0; done < count; done += at_once) {
        const std::size_t size = std::min(at_once, count - done);
        p.a.read_double(p.a.data, begin + done, size, from);
        p.b.read_double(p.b.data, begin + done, size, out + done);
        for (std::size_t i = 0; i < size; ++i)
            out[done + i] -= from[i];
    }
}

// Refers to `pair`.
inline weight_source difference_source(const weight_pair& pair)
{
    return {.data = &pair, .size = pair.a.size, .read_double = read_difference};
}

// What tells rounding to a grid from other changes, from runs of neighbours in a row.
struct grid_evidence
{
    double kurtosis = 0;  // mean over runs of 32 (or shorter rows) of n Σd⁴ / (Σd²)²: 1.8 for rounding to a grid, 2.8 for Gaussian changes; 0: none
    double levels_a = 0, levels_b = 0;  // mean number of values in runs of 128
};

inline std::size_t count_levels(std::vector<double>& run)
{
    std::sort(run.begin(), run.end());
    return static_cast<std::size_t>(std::unique(run.begin(), run.end()) - run.begin());
}

// Looks at up to 4096 runs, evenly spread.
inline grid_evidence find_grid_evidence(const weight_source& a, const weight_source& b, std::size_t cols)
{
    constexpr std::size_t most = 4096, long_run = 128, least_run = 8;
    grid_evidence result;
    if (cols < least_run)
        return result;
    const std::size_t short_run = std::min<std::size_t>(32, cols);
    const std::size_t rows = a.size / cols;
    const auto over_runs = [&](std::size_t length, const auto& use) {
        const std::size_t per_row = cols / length, runs = rows * per_row, step = std::max<std::size_t>(1, runs / most);
        std::vector<double> x(length), y(length);
        for (std::size_t r = 0; r < runs; r += step) {
            const std::size_t begin = r / per_row * cols + r % per_row * length;
            a.read_double(a.data, begin, length, x.data());
            b.read_double(b.data, begin, length, y.data());
            use(x, y);
        }
    };
    std::size_t seen = 0;
    over_runs(short_run, [&](const std::vector<double>& x, const std::vector<double>& y) {
        double second = 0, fourth = 0;
        for (std::size_t i = 0; i < short_run; ++i) {
            const double square = (y[i] - x[i]) * (y[i] - x[i]);
            second += square;
            fourth += square * square;
        }
        if (std::isfinite(second) && second > 0 && second * second > 0) {
            result.kurtosis += static_cast<double>(short_run) * fourth / (second * second);
            ++seen;
        }
    });
    result.kurtosis = seen ? result.kurtosis / static_cast<double>(seen) : 0;
    seen = 0;
    over_runs(std::min(long_run, cols), [&](std::vector<double>& x, std::vector<double>& y) {
        for (double& v : x)
            v = std::isnan(v) ? 0 : v;
        for (double& v : y)
            v = std::isnan(v) ? 0 : v;
        result.levels_a += static_cast<double>(count_levels(x));
        result.levels_b += static_cast<double>(count_levels(y));
        ++seen;
    });
    if (seen) {
        result.levels_a /= static_cast<double>(seen);
        result.levels_b /= static_cast<double>(seen);
    }
    return result;
}

}  // namespace weightscope::detail
