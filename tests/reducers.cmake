cmake_minimum_required(VERSION 3.25)
# Fails when a header reduces with xtensor, which adds floats up in float: its mean of 2^24 times 0.1f is 0.115.
set(reducer "xt::(sum|prod|mean|average|variance|stddev|amin|amax|minmax|norm_[a-z0-9_]+)[<(]")
file(GLOB_RECURSE headers RELATIVE ${ROOT} ${ROOT}/*.hpp ${ROOT}/*.cuh)
foreach(header IN LISTS headers)
    file(STRINGS ${ROOT}/${header} lines REGEX "^([^/]|/[^/])*${reducer}")   # not in a comment
    if(lines)
        message(SEND_ERROR "${header}: use core/reduce.hpp instead of\n${lines}")
    endif()
endforeach()
