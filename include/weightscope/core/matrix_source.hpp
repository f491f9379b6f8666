#pragma once

#include <cstddef>
#include <span>
#include <utility>

#include <weightscope/core/concepts.hpp>
#include <weightscope/core/elements.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/core/weight_source.hpp>

namespace weightscope::detail {

// Row-major elements of a matrix.
struct matrix_source
{
    weight_source elements;
    std::size_t rows = 0;
    std::size_t cols = 0;
};

// The matrix [out, in * kernel]: the first dimension against all others.
inline matrix_source matrix_of(const weight_source& elements, std::size_t rows)
{
    return {elements, rows, rows ? elements.size / rows : 0};
}

// Calls f(weight_source) with the elements of `w` in row-major order. Copies only what is not contiguous.
template <tensor W, class F>
decltype(auto) with_source(const W& w, F&& f)
{
    return with_elements(w, [&](auto elements) -> decltype(auto) { return std::forward<F>(f)(source_of(elements)); });
}

// Calls f(matrix_source); `caller` such as "analyze_foo(weights)" is for the message.
template <tensor W, class F>
decltype(auto) with_matrix(const W& w, const char* caller, F&& f)
{
    require(w.dimension() >= 2, "{}: weights have rank {}, expected 2 or more", caller, w.dimension());
    const std::size_t rows = w.shape(0);
    return with_source(w, [&](const weight_source& elements) -> decltype(auto) { return std::forward<F>(f)(matrix_of(elements, rows)); });
}

}  // namespace weightscope::detail
