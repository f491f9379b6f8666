cmake_minimum_required(VERSION 3.25)
# Fails when all.hpp lacks a header of the public namespace. cuda/ stays out: it needs nvcc. Headers with nothing but details, and what
# stands in the folders impl, are included by those that need them.
file(STRINGS ${ROOT}/all.hpp lines REGEX "^#include <weightscope/")
file(GLOB_RECURSE headers RELATIVE ${ROOT} ${ROOT}/*.hpp)
list(REMOVE_ITEM headers all.hpp)
list(FILTER headers EXCLUDE REGEX "^cuda/|impl/")
foreach(header IN LISTS headers)
    file(STRINGS ${ROOT}/${header} public REGEX "^namespace weightscope {")
    if(public AND NOT "#include <weightscope/${header}>" IN_LIST lines)
        message(SEND_ERROR "all.hpp lacks #include <weightscope/${header}>")
    endif()
endforeach()
