#pragma once

#include <algorithm>
#include <cstddef>
#include <type_traits>
#include <vector>

#include <weightscope/core/dispatch.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/reduce.hpp>
#include <weightscope/core/weight_source.hpp>

namespace weightscope::detail {

// y += Wᵀ W v for `count` rows of W, four at a time, so that each is read from memory once.
template <class Real>
struct gram_product_kernel
{
    template <std::size_t Width>
    [[gnu::always_inline]] static double dot(const Real* x, const double* v, std::size_t count)
    {
        double lane[Width] = {}, sum = 0;
        for (std::size_t i = 0; i < count; i += Width)
            for (std::size_t l = 0; l < Width; ++l)
                lane[l] += static_cast<double>(x[i + l]) * v[i + l];
        for (std::size_t l = 0; l < Width; ++l)
            sum += lane[l];
        return sum;
    }

    [[gnu::always_inline]] void operator()(const Real* rows, std::size_t count, std::size_t cols, const double* v, double* y) const
    {
        const std::size_t whole = cols - cols % (2 * lane_count);
        std::size_t row = 0;
        for (; row + 4 <= count; row += 4) {
            const Real *a = rows + row * cols, *b = a + cols, *c = b + cols, *d = c + cols;
            const double p = dot<2 * lane_count>(a, v, whole) + dot<1>(a + whole, v + whole, cols - whole),
                         q = dot<2 * lane_count>(b, v, whole) + dot<1>(b + whole, v + whole, cols - whole),
                         r = dot<2 * lane_count>(c, v, whole) + dot<1>(c + whole, v + whole, cols - whole),
                         s = dot<2 * lane_count>(d, v, whole) + dot<1>(d + whole, v + whole, cols - whole);
            for (std::size_t i = 0; i < cols; ++i)
                y[i] += (p * static_cast<double>(a[i]) + q * static_cast<double>(b[i])) + (r * static_cast<double>(c[i]) + s * static_cast<double>(d[i]));
        }
        for (; row < count; ++row) {
            const Real* a = rows + row * cols;
            const double p = dot<1>(a, v, cols);
            for (std::size_t i = 0; i < cols; ++i)
                y[i] += p * static_cast<double>(a[i]);
        }
    }
};

// y = Wᵀ W v for the matrix factor · W, and Σw² on demand.
class gram_operator
{
public:
    gram_operator(const matrix_source& w, double factor)
        : w_(w), factor_(factor), rows_per_part_(std::max<std::size_t>({4, (w.rows + 31) / 32, chunk_elements / w.cols}))
    {
    }

    std::vector<double> times(const std::vector<double>& v) const
    {
        const auto parts = map_chunks(w_.rows, rows_per_part_, [&](std::size_t begin, std::size_t end) {
            std::vector<double> y(w_.cols);
            for_each_strip(begin, end, [&](const auto* rows, std::size_t count) {
                using Real = std::remove_cvref_t<decltype(*rows)>;
                dispatch(gram_product_kernel<Real>{}, rows, count, w_.cols, v.data(), y.data());
            });
            return y;
        });
        std::vector<double> result(w_.cols);
        for (const std::vector<double>& part : parts)
            for (std::size_t i = 0; i < result.size(); ++i)
                result[i] += part[i];
        return result;
    }

    double sum_squares() const
    {
        double sum = 0;
        for (const double part : map_chunks(w_.rows, rows_per_part_, [&](std::size_t begin, std::size_t end) {
                 double squares = 0;
                 for_each_strip(begin, end, [&](const auto* rows, std::size_t count) {
                     using Real = std::remove_cvref_t<decltype(*rows)>;
                     squares += dispatch(sum_squares_kernel<Real>{}, rows, count * w_.cols);
                 });
                 return squares;
             }))
            sum += part;
        return sum;
    }

private:
    template <class Real>
    struct sum_squares_kernel
    {
        template <std::size_t Width>
        [[gnu::always_inline]] static double of(const Real* x, std::size_t count)
        {
            double lane[Width] = {}, sum = 0;
            for (std::size_t i = 0; i < count; i += Width)
                for (std::size_t l = 0; l < Width; ++l)
                    lane[l] += static_cast<double>(x[i + l]) * static_cast<double>(x[i + l]);
            for (std::size_t l = 0; l < Width; ++l)
                sum += lane[l];
            return sum;
        }
        [[gnu::always_inline]] double operator()(const Real* x, std::size_t count) const
        {
            const std::size_t whole = count - count % (2 * lane_count);
            return of<2 * lane_count>(x, whole) + of<1>(x + whole, count - whole);
        }
    };

    // f(rows, count) for a few rows at a time, as float where that is what the matrix holds, exactly.
    template <class F>
    void for_each_strip(std::size_t begin, std::size_t end, const F& f) const
    {
        if (w_.elements.is_float && factor_ == 1)
            f(w_.elements.template as<float>().data() + begin * w_.cols, end - begin);
        else if (w_.elements.read_float && factor_ == 1)
            read_strips<float>(begin, end, w_.elements.read_float, f);
        else
            read_strips<double>(begin, end, w_.elements.read_double, f);
    }

    template <class Real, class F>
    void read_strips(std::size_t begin, std::size_t end, weight_source::reader<Real> read, const F& f) const
    {
        const std::size_t strip = 4;
        std::vector<Real> rows(strip * w_.cols);
        for (std::size_t row = begin; row < end; row += strip) {
            const std::size_t count = std::min(strip, end - row);
            read(w_.elements.data, row * w_.cols, count * w_.cols, rows.data());
            if (factor_ != 1)
                for (Real& x : rows)
                    x *= static_cast<Real>(factor_);
            f(static_cast<const Real*>(rows.data()), count);
        }
    }

    const matrix_source& w_;
    double factor_;
    std::size_t rows_per_part_;
};

struct sum_of_products_kernel
{
    [[gnu::always_inline]] double operator()(const double* a, const double* b, std::size_t count) const
    {
        const std::size_t whole = count - count % lane_count;
        return gram_product_kernel<double>::dot<lane_count>(a, b, whole) + gram_product_kernel<double>::dot<1>(a + whole, b + whole, count - whole);
    }
};

inline double dot(const std::vector<double>& a, const std::vector<double>& b)
{
    return dispatch(sum_of_products_kernel{}, a.data(), b.data(), a.size());
}

}  // namespace weightscope::detail
