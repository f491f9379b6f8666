#pragma once
// A header declares what a program calls, with what there is to know about it; the header of the same name in the folder impl beside it
// defines what is no template. That one is included as well, so that nobody has to know, unless WEIGHTSCOPE_COMPILED is defined: then
// the library weightscope::compiled has it, compiled once, and a unit that includes all.hpp is parsed in a sixth of the time.
#if defined(WEIGHTSCOPE_COMPILED)
#define WEIGHTSCOPE_INLINE
#else
#define WEIGHTSCOPE_INLINE inline
#endif
