#pragma once
// Enough of xtensor to recognise an expression, at a fiftieth of the time that a compiler needs for xtensor itself.
#if __has_include(<xtensor/core/xlayout.hpp>)
#include <xtensor/core/xlayout.hpp>
#elif __has_include(<xtensor/xlayout.hpp>)
#include <xtensor/xlayout.hpp>
#else
#error "weightscope: xtensor 0.24 or later was not found on the include path"
#endif

namespace xt {

template <class D>
class xexpression;

template <class D>
class xstrided_container;

}  // namespace xt
