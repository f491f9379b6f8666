# Installed packages first; pinned sources otherwise. FETCHCONTENT_TRY_FIND_PACKAGE_MODE=NEVER fetches all that can be fetched.
include(FetchContent)

function(weightscope_dependency name version tag)
    FetchContent_Declare(${name}
        GIT_REPOSITORY https://github.com/xtensor-stack/${name} GIT_TAG ${tag} SYSTEM
        SOURCE_SUBDIR headers-only                  # fetch, but run none of its CMake code
        FIND_PACKAGE_ARGS ${version} CONFIG)
    FetchContent_MakeAvailable(${name})
    if(NOT TARGET ${name})
        add_library(${name} INTERFACE)
        target_include_directories(${name} SYSTEM INTERFACE ${${name}_SOURCE_DIR}/include)
        set(WEIGHTSCOPE_INSTALL OFF PARENT_SCOPE)   # a package cannot export fetched targets
    endif()
    set(${name}_VERSION ${${name}_VERSION} PARENT_SCOPE)
endfunction()

if(NOT BLA_VENDOR)
    set(BLA_VENDOR OpenBLAS)        # the fastest that every distribution has; any other serves where it is missing
    find_package(BLAS QUIET)
    if(NOT BLAS_FOUND)
        unset(BLA_VENDOR)
    endif()
endif()
find_package(BLAS REQUIRED)
find_package(LAPACK REQUIRED)
find_package(TBB REQUIRED CONFIG)
find_package(nlohmann_json 3.11 REQUIRED CONFIG)
find_package(ZLIB REQUIRED)
find_path(PROTOZERO_INCLUDE_DIR protozero/pbf_reader.hpp REQUIRED)  # no CMake config exists

weightscope_dependency(xtl     0.7.2  0.8.2)
weightscope_dependency(xtensor 0.24.3 0.27.1)
if(xtensor_VERSION AND xtensor_VERSION VERSION_LESS 0.26)    # an installed one with flat headers
    weightscope_dependency(xtensor-blas 0.20.0 0.21.0)
else()
    weightscope_dependency(xtensor-blas 0.20.0 0.23.0)
endif()

FetchContent_Declare(fmt GIT_REPOSITORY https://github.com/fmtlib/fmt GIT_TAG 11.2.0 SYSTEM
    FIND_PACKAGE_ARGS 9 CONFIG)
FetchContent_MakeAvailable(fmt)
if(NOT fmt_FOUND)
    set(WEIGHTSCOPE_INSTALL OFF)
endif()
