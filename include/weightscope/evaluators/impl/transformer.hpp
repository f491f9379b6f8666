#pragma once
// The transformer in float, for the compiled mode alone.

#include <weightscope/evaluators/transformer.hpp>

#ifdef WEIGHTSCOPE_COMPILED
template class weightscope::transformer<float>;
#endif
