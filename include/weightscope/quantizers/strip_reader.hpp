#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include <weightscope/core/dispatch.hpp>
#include <weightscope/core/weight_source.hpp>
#include <weightscope/quantizers/group_layout.hpp>

namespace weightscope::detail {

// Brings the weights of a strip together, group by group. One for each thread.
template <class Real>
class strip_reader
{
public:
    struct non_finite_weight
    {
        std::size_t at = 0;
        Real value = 0;
    };

    explicit strip_reader(const weight_source& source) : source_(source) {}

    // As they are in memory if they are neighbours there and of type Real; valid until the next call.
    const Real* read(const strip& s)
    {
        non_finite_.clear();
        if (const Real* place = place_of(s))
            return place;
        weights_.resize(std::max(weights_.size(), s.size()));
        if (s.pieces == 1) {
            convert(s.begin, s.piece_size, weights_.data());
            return weights_.data();
        }
        // some pieces at a time: where parts are single weights, these are written as neighbours
        constexpr std::size_t pieces_at_once = 16;
        for (std::size_t first = 0; first < s.pieces; first += pieces_at_once) {
            const std::size_t pieces = std::min(pieces_at_once, s.pieces - first);
            const std::size_t begin = s.begin + first * s.piece_stride, stride = direct() ? s.piece_stride : s.piece_size;
            const Real* from = direct() ? direct() + begin : nullptr;
            if (!direct()) {
                piece_.resize(std::max(piece_.size(), pieces * s.piece_size));
                for (std::size_t piece = 0; piece < pieces; ++piece)
                    convert(begin + piece * s.piece_stride, s.piece_size, piece_.data() + piece * s.piece_size);
                from = piece_.data();
            }
            s.for_each_part(first, [&](std::size_t at, std::size_t to, std::size_t count, std::size_t) {
                Real* part = weights_.data() + to;
                for (std::size_t piece = 0; piece < pieces; ++piece)
                    if (count == 1)
                        part[piece] = from[piece * stride + at];
                    else
                        std::copy_n(from + piece * stride + at, count, part + piece * count);
            });
        }
        return weights_.data();
    }

    // Where a strip will be read from, if as it is in memory.
    const Real* place_of(const strip& s) const
    {
        return direct() && s.pieces == 1 ? direct() + s.begin : nullptr;
    }

    // The strip just read, with zeros where it is not finite.
    const Real* finite(const Real* x, std::size_t count)
    {
        weights_.resize(std::max(weights_.size(), count));
        for (std::size_t i = 0; i < count; ++i) {
            const Real w = x[i];  // may be in weights_
            weights_[i] = std::isfinite(w) ? w : Real{0};
            if (!std::isfinite(w))
                non_finite_.push_back({i, w});
        }
        return weights_.data();
    }

    // What was replaced in the strip just read, in the order of the buffer.
    const std::vector<non_finite_weight>& non_finite() const { return non_finite_; }

private:
    const Real* direct() const
    {
        return (sizeof(Real) == 4 ? source_.is_float : source_.is_double) ? static_cast<const Real*>(source_.data) : nullptr;
    }

    void convert(std::size_t begin, std::size_t count, Real* out) const
    {
        if constexpr (sizeof(Real) == 4)
            source_.read_float(source_.data, begin, count, out);
        else
            source_.read_double(source_.data, begin, count, out);
    }

    weight_source source_;
    std::vector<Real> weights_, piece_;
    std::vector<non_finite_weight> non_finite_;
};

}  // namespace weightscope::detail
