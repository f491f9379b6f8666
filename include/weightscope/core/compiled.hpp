#pragma once
// A few functions pull in most of the library: opening a model, scanning it. Their headers declare them, and a header of the same name
// with _impl defines them. That one is included as well, so that nobody has to know, unless WEIGHTSCOPE_COMPILED is defined: then the
// library weightscope::compiled has them, compiled once, and a unit that calls them compiles in seconds.
#if defined(WEIGHTSCOPE_COMPILED)
#define WEIGHTSCOPE_INLINE
#else
#define WEIGHTSCOPE_INLINE inline
#endif
