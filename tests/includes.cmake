cmake_minimum_required(VERSION 3.25)
# Fails when a header uses a word of another one that it does not include itself. (The unit that compiles each header alone has the
# standard library's and third parties' headers in a precompiled one, and would not notice.)
set(words
    "vector=std::vector<"
    "string=std::(string[^_a-z]|to_string|getline)"
    "string_view=std::string_view"
    "span=std::(span|as_bytes|as_writable_bytes|dynamic_extent)"
    "optional=std::(optional|nullopt)"
    "map=std::(map|multimap)<"
    "set=std::(set|multiset)<"
    "unordered_map=std::unordered_map"
    "unordered_set=std::unordered_set"
    "array=std::(array|to_array)"
    "tuple=std::(tuple|tie|make_tuple|forward_as_tuple)[^_a-z]"
    "variant=std::(variant|monostate|holds_alternative|get_if)"
    "functional=std::(function<|ref\\(|cref\\(|greater|plus|hash<|invoke\\()"
    "memory=std::(unique_ptr|shared_ptr|weak_ptr|make_unique|make_shared|addressof)"
    "filesystem=std::filesystem"
    "fstream=std::(ifstream|ofstream|fstream)"
    "atomic=std::(atomic|memory_order)"
    "mutex=std::(mutex|lock_guard|scoped_lock|unique_lock|once_flag|call_once)"
    "thread=std::(thread|this_thread)"
    "chrono=std::chrono"
    "utility=std::(pair|move|forward|exchange|swap|in_range|cmp_less|make_pair|as_const)[^_a-z]"
    "algorithm=std::(sort|stable_sort|nth_element|partial_sort|all_of|any_of|none_of|find|find_if|count|count_if|copy|copy_n|fill|fill_n|transform|max|min|minmax|clamp|max_element|min_element|lower_bound|upper_bound|equal_range|reverse|unique|equal|search|rotate|binary_search|remove_if|for_each|mismatch)\\("
    "numeric=std::(accumulate|iota|inner_product|partial_sum|gcd|lcm|reduce|midpoint)\\("
    "cmath=std::(sqrt|abs|log|log2|log10|log1p|exp|exp2|expm1|pow|fabs|isfinite|isnan|isinf|ceil|floor|trunc|round|nearbyint|lround|llround|ldexp|frexp|fma|hypot|erf|erfc|lgamma|cbrt|copysign|signbit|cos|sin|tan|atan|atan2|acos|tanh|scalbn|ilogb|nextafter|fmod|remainder|cyl_bessel_j)\\("
    "limits=std::numeric_limits"
    "bit=std::(bit_cast|popcount|countl_zero|countr_zero|bit_ceil|bit_floor|bit_width|has_single_bit|endian|rotl|rotr)"
    "cstring=std::(memcpy|memcmp|memset|memmove|strlen|strerror|memchr)"
    "cstdint=std::u?int(8|16|32|64|ptr|max)_t"
    "cstddef=std::(size_t|byte|ptrdiff_t|nullptr_t|max_align_t)"
    "charconv=std::(from_chars|to_chars)"
    "stdexcept=std::(runtime_error|invalid_argument|logic_error|out_of_range|domain_error)"
    "exception=std::(exception|exception_ptr|current_exception|rethrow_exception|uncaught_exceptions)[^_a-z]"
    "concepts=std::(same_as|integral|floating_point|convertible_to|derived_from|invocable|constructible_from|unsigned_integral|signed_integral|regular|default_initializable)"
    "type_traits=std::(is_[a-z_]+_v|remove_cv[a-z]*_t|remove_reference_t|conditional_t|invoke_result_t|type_identity|decay_t|make_unsigned_t|make_signed_t|underlying_type_t|common_type_t)"
    "nlohmann/json.hpp=nlohmann::"
    "weightscope/core/xtensor.hpp=xt::"
    "weightscope/core/require.hpp=require\\("
    "weightscope/core/error.hpp=(io_error|write_error|cancelled)[^A-Za-z0-9_]"
)
file(GLOB_RECURSE headers RELATIVE ${ROOT} ${ROOT}/*.hpp)
foreach(header IN LISTS headers)
    file(READ ${ROOT}/${header} text)
    string(REGEX REPLACE "\"[^\"\n]*\"|//[^\n]*" "" text "${text}")
    foreach(word IN LISTS words)
        string(REGEX MATCH "^([^=]+)=(.+)$" word "${word}")
        set(include ${CMAKE_MATCH_1})
        if(NOT include STREQUAL "weightscope/${header}" AND text MATCHES "(^|[^A-Za-z0-9_:])${CMAKE_MATCH_2}")
            set(used "${CMAKE_MATCH_0}")
            string(FIND "${text}" "#include <${include}>" found)
            if(found EQUAL -1 AND include STREQUAL "nlohmann/json.hpp")    # enough for declarations
                string(FIND "${text}" "#include <nlohmann/json_fwd.hpp>" found)
            endif()
            if(found EQUAL -1 AND include STREQUAL "weightscope/core/xtensor.hpp")
                string(FIND "${text}" "#include <weightscope/core/xtensor_fwd.hpp>" found)
            endif()
            if(found EQUAL -1)
                string(STRIP "${used}" used)
                message(SEND_ERROR "${header}: uses ${used} and does not include <${include}>")
            endif()
        endif()
    endforeach()
    if(text MATCHES "fmt::" AND NOT text MATCHES "#include <fmt/")
        message(SEND_ERROR "${header}: uses fmt:: and does not include <fmt/...>")
    endif()
endforeach()
