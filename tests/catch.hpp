#pragma once
// Catch2 3 has many headers and keeps Approx to itself; 2.13 has one header and gives Approx away.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
using Catch::Approx;
#else
#include <catch2/catch.hpp>
#endif
