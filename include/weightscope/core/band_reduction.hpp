#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include <weightscope/core/linalg.hpp>
#include <weightscope/core/parallel.hpp>

namespace weightscope::detail {

// A symmetric matrix with `width` diagonals below the main one, and room for the bulge of as many rows that chasing them away
// makes: element (i, j), i >= j, is data[i - j + j · stride]. Four elements between columns and zeros past the last row spare
// the loops over it every special case.
template <std::size_t Width>
struct band_matrix
{
    static constexpr std::size_t stride = 2 * Width + 4;

    explicit band_matrix(std::size_t n) : size(n), data((n + 2 * Width) * stride) {}

    double* column(std::size_t j) { return data.data() + j * stride; }  // at the diagonal

    std::size_t size;
    std::vector<double> data;
};

// One panel after another: A <- QᵀAQ with the Q = I - V T Vᵀ that makes the panel upper triangular. With X = V T, Y = A X and
// W = Y - V (XᵀY) / 2 that is A - V Wᵀ - W Vᵀ: matrix products only, tile by tile of the lower triangle. The next panel, which
// products cannot help, is factorized beside those of them that do not touch it.
template <std::size_t Width>
class band_reduction
{
public:
    band_reduction(std::vector<double>& lower, std::size_t n)
        : a_(lower), n_(n), v_(2 * n * Width), next_v_(2 * n * Width), w_(2 * n * Width), x_(n * Width), t_(Width * Width),
          tiles_(std::max(n / coarse, fine_limit / fine) * Width * Width + Width * Width)
    {
    }

    void run()
    {
        const blas_threads one(1);
        if (Width + 1 < n_)
            factorize(0, v_);
        for (std::size_t j = 0; j + Width + 1 < n_; j += Width) {
            eliminate(j);
            std::swap(v_, next_v_);
        }
    }

private:
    // Measured: 512 is 5 to 10 % slower than 256; 128 costs the same up to here and leaves no thread without work.
    static constexpr std::size_t coarse = 256, fine = 128, fine_limit = 2048;

    struct rows
    {
        std::size_t begin, count;
    };

    static std::size_t tile_of(std::size_t m) { return m > fine_limit ? coarse : fine; }
    static rows tile_rows(std::size_t index, std::size_t m) { return {index * tile_of(m), std::min(tile_of(m), m - index * tile_of(m))}; }

    // The panel of columns j ... j + Width - 1.
    void factorize(std::size_t j, std::vector<double>& v)
    {
        const std::size_t first = j + Width, m = n_ - first;
        factorize_panel({a_.data() + first + j * n_, m, Width, n_}, {v.data(), m, Width, m}, {t_.data(), Width, Width, Width});
    }

    // What its factors do to the rest, and the factors of the next one.
    void eliminate(std::size_t j)
    {
        const std::size_t first = j + Width, m = n_ - first, tiles = (m + tile_of(m) - 1) / tile_of(m);
        double* const trailing = a_.data() + first + first * n_;
        const block<double> t{t_.data(), Width, Width, Width};

        // [V W] and [W V] lie side by side, so that the last product is one
        const auto part = [m](std::vector<double>& of, rows r, std::size_t half = 0) {
            return block<double>{of.data() + r.begin + half * m * Width, r.count, Width, m};
        };
        const auto tile_at = [&](rows r, rows c) { return block<double>{trailing + r.begin + c.begin * n_, r.count, c.count, n_}; };

        parallel_for(tiles, [&](std::size_t i) {
            const rows r = tile_rows(i, m);
            multiply(part(v_, r), t, 1, 0, part(x_, r));
        });
        parallel_for(tiles, [&](std::size_t i) {
            const rows r = tile_rows(i, m);
            const block<double> y = part(w_, r);
            const rows left{0, r.begin}, below{r.begin + r.count, m - r.begin - r.count};
            multiply_symmetric(tile_at(r, r), part(x_, r), 0, y);
            if (left.count > 0)
                multiply(tile_at(r, left), part(x_, left), 1, 1, y);
            if (below.count > 0)
                multiply(tile_at(below, r), part(x_, below), 1, 1, y, transposition::left);
            multiply(part(x_, r), y, 1, 0, tile_product(i), transposition::left);
        });
        for (std::size_t i = 1; i < tiles; ++i)  // XᵀY, in a fixed order
            for (std::size_t k = 0; k < Width * Width; ++k)
                tiles_[k] += tiles_[i * Width * Width + k];
        parallel_for(tiles, [&](std::size_t i) {
            const rows r = tile_rows(i, m);
            const block<double> v = part(v_, r), w = part(w_, r);
            multiply(v, tile_product(0), -0.5, 1, w);
            for (std::size_t c = 0; c < Width; ++c) {
                std::copy_n(w.data + c * m, r.count, part(v_, r, 1).data + c * m);
                std::copy_n(v.data + c * m, r.count, part(w_, r, 1).data + c * m);
            }
        });
        const auto update = [&](std::size_t i, std::size_t k) {
            const rows r = tile_rows(i, m), c = tile_rows(k, m);
            if (i == k)
                multiply_both_orders(part(v_, r), part(w_, r), -1, tile_at(r, r));
            else
                multiply({v_.data() + r.begin, r.count, 2 * Width, m}, {w_.data() + c.begin, c.count, 2 * Width, m}, -1, 1, tile_at(r, c),
                         transposition::right);
        };
        parallel_for(tiles, [&](std::size_t i) { update(i, 0); });  // where the next panel is
        pairs_.clear();
        for (std::size_t k = 1; k < tiles; ++k)
            for (std::size_t i = k; i < tiles; ++i)
                pairs_.emplace_back(i, k);
        parallel_for(pairs_.size() + 1, [&](std::size_t p) {
            if (p > 0)
                update(pairs_[p - 1].first, pairs_[p - 1].second);
            else if (first + Width + 1 < n_)
                factorize(first, next_v_);
        });
    }

    block<double> tile_product(std::size_t i) { return {tiles_.data() + i * Width * Width, Width, Width, Width}; }

    std::vector<double>& a_;
    std::size_t n_;
    std::vector<double> v_, next_v_, w_, x_, t_, tiles_;
    std::vector<std::pair<std::size_t, std::size_t>> pairs_;
};

/// The band matrix that is orthogonally similar to the symmetric n x n one whose lower column-major triangle `a` holds; destroys it,
/// and leaves what is above the diagonal.
///
/// 4/3 n³ flops in matrix products, in parallel, the same bits for any number of threads.
///
/// @see  Bischof, Lang & Sun 2000, A framework for symmetric band reduction, doi:10.1145/365723.365735
template <std::size_t Width>
[[nodiscard]] band_matrix<Width> reduce_to_band(std::vector<double>&& a, std::size_t n)
{
    band_reduction<Width>(a, n).run();
    band_matrix<Width> band(n);
    for (std::size_t j = 0; j < n; ++j)
        std::copy_n(a.data() + j + j * n, std::min(Width + 1, n - j), band.column(j));
    return band;
}

}  // namespace weightscope::detail
