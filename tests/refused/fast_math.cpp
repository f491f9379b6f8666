// error: must not be compiled with -ffinite-math-only
// flags: -ffast-math
#include <weightscope/core/reduce.hpp>
